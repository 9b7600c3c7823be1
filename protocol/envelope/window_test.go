package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/envelope"
)

// A frame length is the sender's word: memory follows the bytes that come, not the bytes announced.
func TestMemoryFollowsWhatHasCome(t *testing.T) {
	const declared = 64 << 20
	message := seal(t, params(declared), make([]byte, 3000), 1000)
	for _, cut := range []int{0, 1, 2000} {
		r := bytes.NewReader(message[:len(message)-cut])
		h, err := envelope.ReadHeader(r, envelope.Limits{MaxKeys: 8, MaxFrameLength: declared})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := h.Open(dataKey, r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, d)
		runtime.ReadMemStats(&after)
		if cut == 0 && err != nil || cut > 0 && !errors.Is(err, envelope.ErrTruncated) {
			t.Errorf("cut by %d: got %v", cut, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("cut by %d: allocated %d bytes for a message of %d", cut, got, len(message))
		}
	}
}

// However the source cuts its reads, the plaintext is the same; one that gives nothing is given up.
func TestSourcesThatDribble(t *testing.T) {
	plain := make([]byte, 300_000)
	for i := range plain {
		plain[i] = byte(i * 7)
	}
	message := seal(t, params(100_000), plain, 50_000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		r := wrap(bytes.NewReader(message))
		h, err := envelope.ReadHeader(r, envelope.Limits{MaxKeys: 8, MaxFrameLength: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		d, err := h.Open(dataKey, r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
	r := bytes.NewReader(message)
	h, err := envelope.ReadHeader(r, envelope.Limits{MaxKeys: 8, MaxFrameLength: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.Open(dataKey, silent{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(make([]byte, 10)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

// silent gives nothing and no error, for ever.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }
