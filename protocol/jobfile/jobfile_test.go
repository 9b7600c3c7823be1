package jobfile_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// outcome names the refusal that an error tells of.
func outcome(err error) string {
	if !errors.Is(err, jobfile.ErrMalformed) {
		return "other: " + err.Error()
	}
	for _, o := range []struct{ text, name string }{
		{"no magic", "magic"},
		{"ends early", "cut"},
		{"header has", "too-long"},
		{"key has", "key-size"},
		{"cbor", "cbor"},
	} {
		// The decoder's "ends early" is about the CBOR, whose length lied.
		if strings.Contains(err.Error(), o.text) && (o.name != "cut" || !strings.Contains(err.Error(), "cbor")) {
			return o.name
		}
	}
	return err.Error()
}

func TestVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		src := bytes.NewReader(v.Body)
		h, d, err := jobfile.ReadHeader(iotest.HalfReader(src))
		if err != nil {
			if h != nil || !d.IsZero() {
				t.Errorf("%s: got a header or digest beside an error", v.Name)
			}
			v.CheckReason(t, err)
			if got := outcome(err); got != v.Kind() {
				t.Errorf("%s: got %s (%v), want %s", v.Name, got, err, v.Kind())
			}
			continue
		}
		if v.Expect() != "accepted" || d.String() != v.Header["digest"] {
			t.Errorf("%s: got accepted with digest %v, want %s %s", v.Name, d, v.Expect(), v.Header["digest"])
		}
		rest, err := io.ReadAll(src)
		if err != nil || string(rest) != "message" {
			t.Errorf("%s: got %q, %v left, want the whole message", v.Name, rest, err)
		}
		again, err := h.Encode()
		if err != nil || !bytes.Equal(again, v.Body[:len(v.Body)-len(rest)]) {
			t.Errorf("%s: got other bytes when encoded again, %v", v.Name, err)
		}
		if digest.Sum(again) != d {
			t.Errorf("%s: got digest %v, want that of the encoding", v.Name, d)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	key := make([]byte, jobfile.KeySize)
	for name, h := range map[string]*jobfile.Header{
		"no key":        {},
		"long key":      {ReplyKey: make([]byte, jobfile.KeySize+1)},
		"crosswalk key": {ReplyKey: key, CrosswalkKey: key[1:]},
		"too long":      {ReplyKey: key, Parameters: make([]byte, jobfile.MaxHeader)},
	} {
		if b, err := h.Encode(); !errors.Is(err, jobfile.ErrMalformed) || b != nil {
			t.Errorf("%s: got %d bytes, %v, want ErrMalformed", name, len(b), err)
		}
	}
}

// The longest parameters message of SPEC 3.4 with room for its envelope fits.
func TestLongHeader(t *testing.T) {
	key := make([]byte, jobfile.KeySize)
	h := &jobfile.Header{ReplyKey: key, CrosswalkKey: key, Parameters: make([]byte, 1<<20+64<<10)}
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := jobfile.ReadHeader(bytes.NewReader(b))
	if err != nil || len(got.Parameters) != len(h.Parameters) {
		t.Errorf("got %v, want the header back", err)
	}
}

// An I/O error is no verdict on the file: the parent may try again.
func TestReadError(t *testing.T) {
	for _, head := range []string{"AHJOB1", "AHJOB1\r\n\x00\x00\x01\x00abc"} {
		r := io.MultiReader(strings.NewReader(head), iotest.ErrReader(io.ErrClosedPipe))
		if _, _, err := jobfile.ReadHeader(r); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, jobfile.ErrMalformed) {
			t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
		}
	}
}

func TestNoAllocationByLength(t *testing.T) {
	lie := []byte("AHJOB1\r\n\x00\x20\x00\x00")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, _, err := jobfile.ReadHeader(bytes.NewReader(lie)); err == nil {
			t.Fatal("got nil for a header of which nothing arrived")
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / 100; got > 64<<10 {
		t.Errorf("got %d bytes allocated for 12 bytes that declare 2 MiB, want less than 64 KiB", got)
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		src := bytes.NewReader(b)
		h, _, err := jobfile.ReadHeader(src)
		if err != nil {
			return
		}
		if again, err := h.Encode(); err != nil || !bytes.Equal(again, b[:len(b)-src.Len()]) {
			t.Errorf("got other bytes when encoded again, %v", err)
		}
	})
}
