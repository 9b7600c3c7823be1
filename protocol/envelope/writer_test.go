package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/envelope"
)

var dataKey = bytes.Repeat([]byte{0x11}, 32)

func params(frame uint32) envelope.Params {
	return envelope.Params{
		Context: map[string]string{"b": "2", "a": "1", "é": "ü", "empty": ""},
		Keys:    []envelope.EncryptedKey{{Provider: "aws-kms", Info: "arn", Ciphertext: []byte{1, 2, 3}}},
		DataKey: dataKey, FrameLength: frame,
	}
}

func seal(t testing.TB, p envelope.Params, plain []byte, step int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := envelope.NewWriter(&out, p)
	if err != nil {
		t.Fatal(err)
	}
	for len(plain) > 0 {
		n := min(step, len(plain))
		if _, err := w.Write(plain[:n]); err != nil {
			t.Fatal(err)
		}
		plain = plain[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	plain := bytes.Repeat([]byte("abcdefg"), 40_000)
	for _, frame := range []uint32{1, 16, 4096, 100_000, 0} {
		for _, size := range []int{0, 1, 15, 16, 17, 4095, 4096, 4097, 8192, len(plain)} {
			if frame == 1 && size > 100 {
				continue
			}
			for _, step := range []int{1 << 20, 7, 4096} {
				b := seal(t, params(frame), plain[:size], step)
				got, err := open(bytes.NewReader(b), dataKey)
				if err != nil || !bytes.Equal(got, plain[:size]) {
					t.Fatalf("frame %d, %d bytes, step %d: got %d bytes and %v", frame, size, step, len(got), err)
				}
			}
		}
	}
}

func TestReadInSmallSteps(t *testing.T) {
	plain := bytes.Repeat([]byte("abcdefg"), 5000)
	r := bytes.NewReader(seal(t, params(1000), plain, 1<<20))
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		t.Fatal(err)
	}
	body, err := h.Open(dataKey, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(body, plain); err != nil {
		t.Error(err)
	}
}

// Two messages under one data key must not share a content key: they would share key and IV.
func TestMessageIDsDiffer(t *testing.T) {
	a, b := seal(t, params(16), []byte("same"), 16), seal(t, params(16), []byte("same"), 16)
	if bytes.Equal(a[3:35], b[3:35]) {
		t.Error("two messages have the same message id")
	}
}

func TestWriterRefuses(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for name, change := range map[string]func(p *envelope.Params){
		"short data key":      func(p *envelope.Params) { p.DataKey = p.DataKey[:31] },
		"no data key":         func(p *envelope.Params) { p.DataKey = nil },
		"no keys":             func(p *envelope.Params) { p.Keys = nil },
		"long key":            func(p *envelope.Params) { p.Keys = []envelope.EncryptedKey{{Provider: "p", Info: long}} },
		"provider not UTF-8":  func(p *envelope.Params) { p.Keys = []envelope.EncryptedKey{{Provider: "\xff"}} },
		"reserved entry":      func(p *envelope.Params) { p.Context = map[string]string{"aws-crypto-public-key": "x"} },
		"context not UTF-8":   func(p *envelope.Params) { p.Context = map[string]string{"a": "\xff"} },
		"long context":        func(p *envelope.Params) { p.Context = map[string]string{"a": long[:65530]} },
		"frame length 2^32-1": func(p *envelope.Params) { p.FrameLength = 1<<32 - 1 },
	} {
		p := params(16)
		change(&p)
		if _, err := envelope.NewWriter(io.Discard, p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// failAfter fails when n bytes have been written.
type failAfter struct{ n int }

var errFull = errors.New("full")

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// A message whose writing failed once must not be closed as if it were whole.
func TestWriterErrorsAreFinal(t *testing.T) {
	w, err := envelope.NewWriter(&failAfter{n: 400}, params(16))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1000)); !errors.Is(err, errFull) {
		t.Errorf("Write: got %v, want %v", err, errFull)
	}
	if _, err := w.Write(nil); !errors.Is(err, errFull) {
		t.Errorf("second Write: got %v, want %v", err, errFull)
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: got %v, want %v", err, errFull)
	}
}

func TestWriteAfterClose(t *testing.T) {
	w, err := envelope.NewWriter(io.Discard, params(16))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Close succeeded")
	}
	if err := w.Close(); err == nil {
		t.Error("second Close succeeded: a second final frame would follow")
	}
}
