package envelope_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/envelope"
	"anchorhold/protocol/protocoltest/vectorfile"
)

var limits = envelope.Limits{MaxKeys: 8, MaxFrameLength: 4 << 20}

var outcomes = map[string]error{
	"ok":             nil,
	"truncated":      envelope.ErrTruncated,
	"authentication": envelope.ErrAuthentication,
	"malformed":      envelope.ErrMalformed,
	"suite":          envelope.ErrSuite,
	"frame-length":   envelope.ErrFrameLength,
	"too-many-keys":  envelope.ErrTooManyKeys,
}

// open returns what a reader gets before the end or the first error.
func open(r io.Reader, key []byte) ([]byte, error) {
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		return nil, err
	}
	body, err := h.Open(key, r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// openInSmallSteps is open with a caller's buffer that holds no frame, so that frames are opened in
// place.
func openInSmallSteps(r io.Reader, key []byte) ([]byte, error) {
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		return nil, err
	}
	body, err := h.Open(key, r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(iotest.OneByteReader(body))
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		t.Run(v.Name, func(t *testing.T) {
			want, ok := outcomes[v.Kind()]
			if !ok {
				t.Fatalf("unknown expect %q", v.Expect())
			}
			key, plain := unhex(t, v.Header["data-key"]), unhex(t, v.Header["plaintext"])
			for name, open := range map[string]func() ([]byte, error){
				"whole":      func() ([]byte, error) { return open(bytes.NewReader(v.Body), key) },
				"bytewise":   func() ([]byte, error) { return open(iotest.OneByteReader(bytes.NewReader(v.Body)), key) },
				"with error": func() ([]byte, error) { return open(iotest.DataErrReader(bytes.NewReader(v.Body)), key) },
				"in place":   func() ([]byte, error) { return openInSmallSteps(bytes.NewReader(v.Body), key) },
			} {
				got, err := open()
				v.CheckReason(t, err)
				if !errors.Is(err, want) || (want == nil && err != nil) {
					t.Errorf("%s: got error %v, want %v", name, err, want)
				}
				if want == nil && !bytes.Equal(got, plain) {
					t.Errorf("%s: got plaintext %q, want %q", name, got, plain)
				}
				// The final frame is 16 bytes of 80 in the failing vectors; it must never be out
				// before the end has verified.
				if want != nil && (!bytes.HasPrefix(plain, got) || len(got) > 64) {
					t.Errorf("%s: released %q before %v", name, got, err)
				}
			}
		})
	}
}

// Messages of the official SDK open here, in both suites. They hold random ids and are not
// regenerated: the SDK is no dependency of ours.
func TestOfficialSDK(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/sdk/*.txt") {
		got, err := open(bytes.NewReader(v.Body), unhex(t, v.Header["data-key"]))
		if want := unhex(t, v.Header["plaintext"]); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x and %v, want %x", v.Name, got, err, want)
		}
		h, err := envelope.ReadHeader(bytes.NewReader(v.Body), limits)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(h.Reencode(), h.Raw()) {
			t.Errorf("%s: header is written differently here", v.Name)
		}
	}
}

// A reader that stops at any byte must say so, and must not give out the last frame.
func TestEveryTruncation(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/ok-*.txt") {
		key, plain := unhex(t, v.Header["data-key"]), unhex(t, v.Header["plaintext"])
		for n := range v.Body {
			got, err := open(bytes.NewReader(v.Body[:n]), key)
			if !errors.Is(err, envelope.ErrTruncated) {
				t.Fatalf("%s cut at %d: got error %v, want %v", v.Name, n, err, envelope.ErrTruncated)
			}
			if len(got) > 0 && len(got) == len(plain) && v.Name != "ok-empty-final" {
				t.Fatalf("%s cut at %d: the final frame was released", v.Name, n)
			}
		}
	}
}

// Every bit of a message is covered by some check.
func TestEveryBitFlip(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/ok-*.txt") {
		key, plain := unhex(t, v.Header["data-key"]), unhex(t, v.Header["plaintext"])
		for i := range v.Body {
			if testing.Short() && i%7 != 0 {
				continue
			}
			b := bytes.Clone(v.Body)
			b[i] ^= 1 << (i % 8)
			got, err := open(bytes.NewReader(b), key)
			if err == nil {
				t.Fatalf("%s: byte %d changed and accepted", v.Name, i)
			}
			if !bytes.HasPrefix(plain, got) {
				t.Fatalf("%s: byte %d changed: released %q", v.Name, i, got)
			}
		}
	}
}

// The caller keeps reading from r where the header ended: one byte more would be lost to it.
func TestReadHeaderIsByteExact(t *testing.T) {
	v := vectorfile.Load(t, "testdata/ok-signed.txt")[0]
	r := bytes.NewReader(v.Body)
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(v.Body)-r.Len(), len(h.Raw()); got != want {
		t.Errorf("read %d bytes, header has %d", got, want)
	}
	if !bytes.Equal(h.Raw(), v.Body[:len(h.Raw())]) {
		t.Error("Raw differs from what was read")
	}
	if got, want := h.Context["anchorhold:tenant"], "clinic"; got != want {
		t.Errorf("got tenant %q, want %q", got, want)
	}
}

// Key fields are refused past 64 KiB in all, by what they declare: nothing of that size is read.
func TestKeyFieldsAreBounded(t *testing.T) {
	b := make([]byte, 0, 1<<17)
	b = append(b, 2, 0x04, 0x78)
	b = append(b, make([]byte, 32)...)
	b = append(b, 0, 0, 0, 3)
	key := append(append([]byte{0, 1, 'p', 0x70, 0}, make([]byte, 0x7000)...), 0, 0)
	r := bytes.NewReader(append(b, bytes.Repeat(key, 3)...))
	if _, err := envelope.ReadHeader(r, limits); !errors.Is(err, envelope.ErrMalformed) {
		t.Errorf("got %v, want %v", err, envelope.ErrMalformed)
	}
	if r.Len() < 0x7000 {
		t.Error("read the field that is over the limit")
	}
}

// A deadline of the connection is no truncation: the job ends in another code.
func TestSourceErrorsPassThrough(t *testing.T) {
	v := vectorfile.Load(t, "testdata/ok-frames.txt")[0]
	cause := errors.New("deadline")
	for _, n := range []int{10, len(v.Body) - 1, len(v.Body)} {
		r := io.MultiReader(bytes.NewReader(v.Body[:n]), iotest.ErrReader(cause))
		if _, err := open(r, unhex(t, v.Header["data-key"])); !errors.Is(err, cause) {
			t.Errorf("cut at %d: got %v, want %v", n, err, cause)
		}
	}
}

func TestErrorsAreFinal(t *testing.T) {
	v := vectorfile.Load(t, "testdata/frame-tag.txt")[0]
	r := bytes.NewReader(v.Body)
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		t.Fatal(err)
	}
	body, err := h.Open(unhex(t, v.Header["data-key"]), r)
	if err != nil {
		t.Fatal(err)
	}
	_, first := io.ReadAll(body)
	if n, err := body.Read(make([]byte, 100)); n != 0 || !errors.Is(err, envelope.ErrAuthentication) || !errors.Is(first, err) {
		t.Errorf("got %d bytes and %v after %v", n, err, first)
	}
}

// Read may use all of p: what a forged frame decrypts to must not stay there.
func TestForgedFrameLeavesNothing(t *testing.T) {
	v := vectorfile.Load(t, "testdata/frame-ciphertext.txt")[0]
	r := bytes.NewReader(v.Body)
	h, err := envelope.ReadHeader(r, limits)
	if err != nil {
		t.Fatal(err)
	}
	body, err := h.Open(unhex(t, v.Header["data-key"]), r)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 64)
	if n, err := body.Read(p); n != 0 || !errors.Is(err, envelope.ErrAuthentication) {
		t.Fatalf("got %d bytes and %v", n, err)
	}
	if !bytes.Equal(p, make([]byte, 64)) {
		t.Errorf("the caller's buffer holds %q", p)
	}
}

func TestDataKeyLength(t *testing.T) {
	v := vectorfile.Load(t, "testdata/ok-frames.txt")[0]
	for _, n := range []int{0, 16, 31, 33, 64} {
		if _, err := open(bytes.NewReader(v.Body), make([]byte, n)); !errors.Is(err, envelope.ErrAuthentication) {
			t.Errorf("%d bytes: got %v, want %v", n, err, envelope.ErrAuthentication)
		}
	}
}

// Labels give keys of their own, and messages under one data key give others: else surrogates of
// two jobs could be joined.
func TestDerive(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	a, b := &envelope.Header{}, &envelope.Header{MessageID: [32]byte{1}}
	seen := map[[32]byte]string{}
	for name, k := range map[string][32]byte{
		"a/x": a.Derive(key, "x"), "a/y": a.Derive(key, "y"), "b/x": b.Derive(key, "x"),
		"other key": a.Derive(bytes.Repeat([]byte{2}, 32), "x"),
	} {
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s are the same key", name, other)
		}
		seen[k] = name
	}
	// Computed with Python's hmac over SHA-512, by RFC 5869.
	const want = "14e90bc66958eb586167a766ff61120407e3a77f169a166e0e7aad191767c7dc"
	got := a.Derive(key, "anchorhold/v1 surrogates")
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}

func TestReaderHoldsNoDetailOfContent(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		if _, err := open(bytes.NewReader(v.Body), unhex(t, v.Header["data-key"])); err != nil && strings.Contains(err.Error(), "0123") {
			t.Errorf("%s: error shows plaintext: %v", v.Name, err)
		}
	}
}

// A file that is something else is told apart from an old message and from a short one, so that its
// owner looks in the right place.
func TestNoMessage(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"records":       {`{"resourceType":"Patient","id":"a"}` + "\n", envelope.ErrMalformed},
		"one byte":      {"{", envelope.ErrMalformed},
		"version 3":     {"\x03" + strings.Repeat("\x00", 100), envelope.ErrMalformed},
		"nothing":       {"", envelope.ErrTruncated},
		"version alone": {"\x02", envelope.ErrTruncated},
		"version 1":     {"\x01\x80\x03\x78" + strings.Repeat("\x00", 100), envelope.ErrSuite},
	} {
		if h, err := envelope.ReadHeader(strings.NewReader(c.file), limits); !errors.Is(err, c.want) || h != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
