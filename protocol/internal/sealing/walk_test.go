package sealing_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"time"

	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/protocoltest/standin"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// message is one of an SDK's that wrap accepts: three full frames of 16 bytes and a final one.
func message(t testing.TB, p sealing.Plan) []byte {
	t.Helper()
	job := envelope.Job{
		Image: p.Pins.Images[0].PCR0, Tenant: "clinic", Pipeline: "deid", ContentType: envelope.ContentRecords,
		Reply: sha256.Sum256(p.Reply), NotAfter: now.Truncate(24 * time.Hour), ReferenceDate: "2026-01-01",
	}
	var out bytes.Buffer
	w, err := envelope.NewWriter(&out, envelope.Params{
		Context: job.Context(), DataKey: make([]byte, 32), FrameLength: 16,
		Keys: []envelope.EncryptedKey{{Provider: "aws-kms", Info: standin.Key, Ciphertext: []byte("encrypted")}},
	})
	check(t, err)
	_, err = w.Write(make([]byte, 50))
	check(t, err)
	check(t, w.Close())
	return out.Bytes()
}

func wrap(p sealing.Plan, message []byte) ([]byte, error) {
	var out bytes.Buffer
	_, err := sealing.Wrapping{Policy: p.Policy, Pins: p.Pins, Reply: p.Reply, Now: now}.Wrap(bytes.NewReader(message), &out)
	return out.Bytes(), err
}

func TestWrapWantsAWholeMessage(t *testing.T) {
	p := plan(t, "")
	whole := message(t, p)
	file, err := wrap(p, whole)
	check(t, err)
	if !bytes.HasSuffix(file, whole) {
		t.Error("the message in the job file is not the one given")
	}
	for n := range len(whole) {
		if _, err := wrap(p, whole[:n]); !errors.Is(err, sealing.ErrRefused) {
			t.Fatalf("first %d of %d bytes: got %v, want %v", n, len(whole), err, sealing.ErrRefused)
		}
	}
	if _, err := wrap(p, append(bytes.Clone(whole), 0)); !errors.Is(err, sealing.ErrRefused) {
		t.Errorf("a byte behind the end: got %v, want %v", err, sealing.ErrRefused)
	}
	h, err := envelope.ReadHeader(bytes.NewReader(whole), envelope.Limits{MaxKeys: 1, MaxFrameLength: 16})
	check(t, err)
	const frame = 4 + 12 + 16 + 16
	head, first, second, rest := len(h.Raw()), len(h.Raw())+frame, len(h.Raw())+2*frame, bytes.Clone(whole)
	copy(rest[head:], whole[first:second])
	copy(rest[first:], whole[head:first])
	if _, err := wrap(p, rest); !errors.Is(err, sealing.ErrRefused) {
		t.Errorf("two frames swapped: got %v, want %v", err, sealing.ErrRefused)
	}
}

// The envelope's own vectors: whole messages of both suites pass, cut ones do not.
func TestWalkVectors(t *testing.T) {
	seen := map[string]int{}
	for _, v := range vectorfile.Load(t, "../../envelope/testdata/*.txt") {
		expect := v.Kind()
		if expect != "ok" && expect != "truncated" {
			continue
		}
		seen[expect]++
		in := bytes.NewReader(v.Body)
		h, err := envelope.ReadHeader(in, envelope.Limits{MaxKeys: 8, MaxFrameLength: 4 << 20})
		if err == nil {
			err = sealing.WalkBody(h, in, io.Discard)
		}
		if (err == nil) != (expect == "ok") {
			t.Errorf("%s: got %v, want %s", v.Name, err, expect)
		}
	}
	if seen["ok"] < 2 || seen["truncated"] < 2 {
		t.Fatalf("vectors: got %v, want several of both kinds", seen)
	}
}

// FuzzWrap: no panic on any message, and what is accepted stands in the job file unchanged.
func FuzzWrap(f *testing.F) {
	p := plan(f, "")
	whole := message(f, p)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(bytes.Clone(whole), whole...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := wrap(p, data); err == nil && !bytes.HasSuffix(file, data) {
			t.Fatal("accepted, and changed")
		}
	})
}
