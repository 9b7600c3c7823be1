package envelope_test

import (
	"bytes"
	"io"
	"testing"

	"anchorhold/protocol/envelope"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func FuzzHeader(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := envelope.ReadHeader(r, limits)
		if err != nil {
			if h != nil {
				t.Error("a header came with an error")
			}
			return
		}
		if !bytes.Equal(h.Raw(), b[:len(b)-r.Len()]) {
			t.Error("Raw is not what was read")
		}
		if got := h.Reencode(); !bytes.Equal(got, h.Raw()) {
			t.Errorf("got %x, want %x", got, h.Raw())
		}
	})
}

// FuzzBody changes bodies behind a genuine header: whatever comes out must be what was sealed, and
// only the sealed body may reach the end.
func FuzzBody(f *testing.F) { fuzzBody(f, "testdata/ok-frames.txt", "testdata/f*.txt") }

// FuzzSignedBody is FuzzBody for a message with a footer.
func FuzzSignedBody(f *testing.F) { fuzzBody(f, "testdata/ok-signed.txt", "testdata/signature-*.txt") }

func fuzzBody(f *testing.F, message, seeds string) {
	good := vectorfile.Load(f, message)[0]
	r := bytes.NewReader(good.Body)
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		f.Fatal(err)
	}
	body := good.Body[len(h.Raw()):]
	plain := unhex(f, good.Header["plaintext"])
	key := unhex(f, good.Header["data-key"])
	f.Add(body)
	for _, v := range vectorfile.Load(f, seeds) {
		if len(v.Body) > len(h.Raw()) {
			f.Add(v.Body[len(h.Raw()):])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := h.Open(key, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(d)
		if !bytes.HasPrefix(plain, got) {
			t.Errorf("released %q", got)
		}
		if (err == nil) != bytes.Equal(b, body) {
			t.Errorf("got %v for %x", err, b)
		}
	})
}
