package message_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// outcome names the refusal that an error tells of.
func outcome(err error) string {
	switch text := err.Error(); {
	case !errors.Is(err, message.ErrMalformed):
		return "other: " + text
	case strings.Contains(text, "out of range"):
		return "range"
	case strings.Contains(text, "op"):
		return "op"
	default:
		return "keys"
	}
}

func TestVectors(t *testing.T) {
	ops := map[string]bool{}
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		m, err := message.Decode(v.Body)
		if err != nil {
			if m != nil {
				t.Errorf("%s: got %T beside an error", v.Name, m)
			}
			v.CheckReason(t, err)
			if got := outcome(err); got != v.Kind() {
				t.Errorf("%s: got %s (%v), want %s", v.Name, got, err, v.Kind())
			}
			continue
		}
		if m.Op() != v.Expect() {
			t.Errorf("%s: got op %s, want %s", v.Name, m.Op(), v.Expect())
		}
		ops[m.Op()] = true
		if again, err := message.Encode(m); err != nil || !bytes.Equal(again, v.Body) {
			t.Errorf("%s: got %x, %v when encoded again, want the same bytes", v.Name, again, err)
		}
	}
	if len(ops) != 16 {
		t.Errorf("got vectors for %d ops, want all 16 of SPEC 2.2", len(ops))
	}
}

func TestValues(t *testing.T) {
	want := message.Failed{Code: code.Busy, Receipt: []byte{1, 2}}
	b, err := message.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := message.Decode(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v, want %#v", got, err, want)
	}
	// b is the frame's buffer, which the next frame overwrites.
	clear(b)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v after the buffer was used again, want %#v", got, want)
	}
}

// The largest batch that SPEC 2.2 allows, with the largest document of the NSM, must fit a frame.
func TestLargestBatchFits(t *testing.T) {
	const maxDocument = 0x3000 // NSM response limit, nsm-api
	m := message.Batch{
		Number: 1<<64 - 1, Document: make([]byte, maxDocument), Leaves: make([]digest.Digest, message.MaxLeaves),
	}
	b, err := message.Encode(m)
	if err != nil || len(b) > frame.MaxControl {
		t.Errorf("got %d bytes, %v, want at most %d", len(b), err, frame.MaxControl)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, m := range map[string]message.Message{
		"nonce empty":     message.Attest{},
		"nonce long":      message.Attest{Nonce: make([]byte, 513)},
		"code":            message.Failed{Code: "hello"},
		"too long":        message.Done{Receipt: make([]byte, frame.MaxControl)},
		"invalid utf-8":   message.Description{Version: "\xff"},
		"pointer":         &message.Job{},
		"foreign message": foreign{},
		"no message":      nil,
	} {
		if b, err := message.Encode(m); err == nil || b != nil {
			t.Errorf("%s: got %x, %v, want an error", name, b, err)
		}
	}
}

type foreign struct{}

func (foreign) Op() string { return "foreign" }

func TestCredentialsStayOutOfLogs(t *testing.T) {
	c := message.Credentials{AccessKeyID: "AKIASECRET", SecretAccessKey: "SECRET", SessionToken: "SECRET"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, s := range []string{fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, message.Message(c))} {
			if strings.Contains(s, "SECRET") {
				t.Errorf("%s prints %q", verb, s)
			}
		}
	}
}

// Errors quote nothing of the peer: they are logged outside the enclave.
func TestErrorsQuoteNothing(t *testing.T) {
	const phi = "Jane Doe"
	for _, b := range []string{
		"\xa1\x62op\x68" + phi,
		"\xa2\x62op\x66failed\x64code\x68" + phi,
		"\xa2\x62op\x63end\x68" + phi + "\x01",
		"\xa3\x62op\x63end\x68" + phi + "\x01\x68" + phi + "\x01",
		"\xa2\x62op\x67get-log\x64from\x68" + phi,
	} {
		if _, err := message.Decode([]byte(b)); err == nil || strings.Contains(err.Error(), "Jane") {
			t.Errorf("got %v, want an error without the peer's text", err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := message.Decode(b)
		if err != nil {
			return
		}
		if again, err := message.Encode(m); err != nil || !bytes.Equal(again, b) {
			t.Errorf("got %x, %v when encoded again, want %x", again, err, b)
		}
	})
}
