package result_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/result"
)

func testKey(t testing.TB) *result.PrivateKey {
	t.Helper()
	file, err := os.ReadFile("testdata/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	key, err := result.ParsePrivateKey(file, result.Result)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// opened is everything that an Opener gave before its error.
type opened struct{ records, report, crosswalk []byte }

// open reads a stream to its error, nil for io.EOF.
func open(src io.Reader, s result.Stream, key *result.PrivateKey, b result.Binding) (opened, error) {
	var got opened
	o, err := result.NewOpener(src, s, key, b)
	if err != nil {
		return got, err
	}
	for {
		t, p, err := o.Next()
		if err != nil {
			if t2, p2, again := o.Next(); t != 0 || p != nil || t2 != 0 || p2 != nil || again != err {
				return got, errors.New("an error changed, or had values beside it")
			}
			if err == io.EOF {
				return got, nil
			}
			return got, err
		}
		switch t {
		case result.Records:
			got.records = append(got.records, p...)
		case result.Report:
			got.report = append(got.report, p...)
		case result.CrosswalkEntries:
			got.crosswalk = append(got.crosswalk, p...)
		}
	}
}

// outcome describes what came out as the headers "expect" do: the content, or the refusal and
// whether records came before it.
func outcome(got opened, err error) string {
	if err == nil {
		return sums(got.records, got.report, got.crosswalk)
	}
	name := "other: " + err.Error()
	switch {
	case errors.Is(err, result.ErrTruncated):
		name = "truncated"
	case errors.Is(err, result.ErrAuthentication):
		name = "authentication"
	case errors.Is(err, result.ErrMalformed):
		for _, o := range []struct{ text, name string }{
			{"no magic", "magic"},
			{"does not belong", "type"},
			{"after the report", "order"},
			{"segment", "segment"},
			{"not zero", "padding"},
			{"neither full nor last", "full"},
			{"after the last chunk", "trailing"},
		} {
			if strings.Contains(err.Error(), o.text) {
				name = o.name
				break
			}
		}
	}
	if len(got.records) > 0 {
		return "records " + name
	}
	return name
}

func TestVectors(t *testing.T) {
	key := testKey(t)
	for _, v := range vectorfile.Load(t, "testdata/*.vec") {
		s := result.Result
		if v.Header["stream"] == "crosswalk" {
			s = result.Crosswalk
		}
		for _, src := range []io.Reader{
			bytes.NewReader(v.Body), iotest.DataErrReader(bytes.NewReader(v.Body)), iotest.HalfReader(bytes.NewReader(v.Body)),
		} {
			got, err := open(src, s, key, binding())
			if o := outcome(got, err); o != v.Expect() {
				t.Errorf("%s: got %s (%v), want %s", v.Name, o, err, v.Expect())
			}
		}
	}
}

// A result is bound to the job, the policy and the key: under any other it must not open.
func TestBinding(t *testing.T) {
	key := testKey(t)
	other, err := result.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	v := vectorfile.Load(t, "testdata/ok-one.vec")[0]
	if _, err := open(bytes.NewReader(v.Body), result.Result, key, binding()); err != nil {
		t.Fatal(err)
	}
	header, nonce, policy := binding(), binding(), binding()
	header.Header = digest.Digest{}
	nonce.Nonce[31] ^= 1
	policy.Policy[47] ^= 1
	for name, c := range map[string]struct {
		key *result.PrivateKey
		b   result.Binding
	}{
		"header": {key, header}, "nonce": {key, nonce}, "policy": {key, policy}, "key": {other, binding()},
	} {
		if _, err := open(bytes.NewReader(v.Body), result.Result, c.key, c.b); !errors.Is(err, result.ErrAuthentication) {
			t.Errorf("other %s: got %v, want ErrAuthentication", name, err)
		}
	}
}

// Cut at every place, a stream must never end well.
func TestEveryCut(t *testing.T) {
	key := testKey(t)
	body := vectorfile.Load(t, "testdata/ok-full.vec")[0].Body
	for n := 0; n < len(body); n += 211 {
		if _, err := open(bytes.NewReader(body[:n]), result.Result, key, binding()); !errors.Is(err, result.ErrTruncated) {
			t.Fatalf("cut to %d bytes: got %v, want ErrTruncated", n, err)
		}
	}
}

// An I/O error behind the last chunk is not its end: more might have followed.
func TestReadError(t *testing.T) {
	key := testKey(t)
	body := vectorfile.Load(t, "testdata/ok-one.vec")[0].Body
	for _, n := range []int{5, 2000, len(body)} {
		src := io.MultiReader(bytes.NewReader(body[:n]), iotest.ErrReader(io.ErrClosedPipe))
		got, err := open(src, result.Result, key, binding())
		if !errors.Is(err, io.ErrClosedPipe) || got.records != nil {
			t.Errorf("after %d bytes: got %v and %d bytes of records, want %v and none", n, err, len(got.records), io.ErrClosedPipe)
		}
	}
}

func FuzzOpener(f *testing.F) {
	key := testKey(f)
	accepted := map[string]bool{}
	for _, v := range vectorfile.Load(f, "testdata/*.vec") {
		f.Add(v.Body)
		accepted[string(v.Body)] = true
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := open(bytes.NewReader(b), result.Result, key, binding()); err == nil && !accepted[string(b)] {
			t.Error("a stream that nobody sealed opens")
		}
	})
}

// FuzzChunk opens authentic chunks with any content: what is accepted has one encoding.
func FuzzChunk(f *testing.F) {
	key := testKey(f)
	f.Add(append(seg(1, []byte("a")), seg(2, []byte("b"))...))
	f.Add(seg(2, []byte("b")))
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{0, 0, 1})
	f.Add([]byte{1, 0x3f, 0xfd})
	f.Add([]byte{1, 0x3f, 0xfe})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), result.ChunkSize)]
		plain := append(bytes.Clone(b), make([]byte, result.ChunkSize-len(b))...)
		sealed := newForge(t, resultMagic, resultLabel, key.PublicKey()).raw(t, true, plain).out
		o, err := result.NewOpener(bytes.NewReader(sealed), result.Result, key, binding())
		if err != nil {
			t.Fatal(err)
		}
		var again []byte
		for {
			kind, p, err := o.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			again = append(again, byte(kind))
			again = append(binary.BigEndian.AppendUint16(again, uint16(len(p))), p...)
		}
		if again = append(again, make([]byte, result.ChunkSize-len(again))...); !bytes.Equal(again, plain) {
			t.Error("an accepted chunk encodes to other bytes")
		}
	})
}
