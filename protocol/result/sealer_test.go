package result_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/cryptotest"

	"anchorhold/protocol/result"
)

// writes keeps the length of each Write.
type writes struct {
	bytes.Buffer
	lengths []int
}

func (w *writes) Write(p []byte) (int, error) {
	w.lengths = append(w.lengths, len(p))
	return w.Buffer.Write(p)
}

func newSealer(t testing.TB, w io.Writer, s result.Stream, key *result.PrivateKey) *result.Sealer {
	t.Helper()
	sealer, err := result.NewSealer(w, s, key.PublicKey(), binding())
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	key := testKey(t)
	for _, n := range []int{0, 1, 16376, 16377, 16378, 16379, 16380, 16381, 16382, 16383, 16384, 16385, 32762, 100_000} {
		for _, m := range []int{0, 1, 16381, 40_000} {
			var w writes
			s := newSealer(t, &w, result.Result, key)
			rec, rep := text(n), text(m)
			must(t, s.Records(rec), s.Report(rep), s.Close())
			got, err := open(&w.Buffer, result.Result, key, binding())
			if err != nil || !bytes.Equal(got.records, rec) || !bytes.Equal(got.report, rep) {
				t.Fatalf("%d and %d bytes: got %d and %d, %v", n, m, len(got.records), len(got.report), err)
			}
			for i, l := range w.lengths {
				if want := result.SealedChunkSize; i > 0 && l != want || i == 0 && l != result.HeadSize {
					t.Errorf("%d and %d bytes: got a write of %d, want the head or a chunk", n, m, l)
				}
			}
		}
	}
}

// Sizes on the wire must depend on the amount alone, not on how the pipeline cut its writes: that
// follows records.
func TestCutOfWritesDoesNotShow(t *testing.T) {
	key := testKey(t)
	rec := text(50_000)
	var want []byte
	for _, step := range []int{1, 7, 1000, 16381, 16384, 50_000} {
		cryptotest.SetGlobalRandom(t, 7)
		var w writes
		s := newSealer(t, &w, result.Result, key)
		for p := rec; len(p) > 0; p = p[min(step, len(p)):] {
			must(t, s.Records(p[:min(step, len(p))]))
		}
		must(t, s.Report([]byte("{}")), s.Close())
		if want == nil {
			want = w.Bytes()
		}
		if !bytes.Equal(w.Bytes(), want) {
			t.Errorf("writes of %d bytes: got another stream than with writes of 1", step)
		}
	}
}

// A chunk leaves when it is full, and never before: a sender that flushed when idle would tell the
// sizes of records.
func TestChunksLeaveFull(t *testing.T) {
	var w writes
	s := newSealer(t, &w, result.Result, testKey(t))
	must(t, s.Records(text(16380)), s.Records(nil))
	if len(w.lengths) != 1 {
		t.Errorf("got %d writes before the chunk is full, want only the head", len(w.lengths))
	}
	must(t, s.Records(text(1)))
	if len(w.lengths) != 2 {
		t.Errorf("got %d writes when the chunk is full, want head and chunk", len(w.lengths))
	}
	must(t, s.Close())
	if len(w.lengths) != 3 {
		t.Errorf("got %d writes after Close, want the last chunk too", len(w.lengths))
	}
}

func TestSealerRefuses(t *testing.T) {
	key := testKey(t)
	s := newSealer(t, io.Discard, result.Result, key)
	must(t, s.Records(text(5)))
	if err := s.CrosswalkEntries(text(5)); err == nil {
		t.Error("got nil for a crosswalk in a result")
	}
	must(t, s.Report(text(5)))
	if err := s.Records(text(5)); err == nil {
		t.Error("got nil for records after the report")
	}
	must(t, s.Report(text(5)), s.Close())
	if err := errors.Join(s.Report(text(5))); err == nil {
		t.Error("got nil for a report after Close")
	}
	if err := s.Close(); err == nil {
		t.Error("got nil for a second Close, which would seal a second last chunk")
	}
	x := newSealer(t, io.Discard, result.Crosswalk, key)
	must(t, x.CrosswalkEntries(text(5)))
	if err := x.Records(text(5)); err == nil {
		t.Error("got nil for records in a crosswalk")
	}
	for name, k := range map[string][]byte{"none": nil, "short": key.PublicKey()[1:], "long": append(key.PublicKey(), 0), "not reduced": bytes.Repeat([]byte{0xff}, 1216)} {
		if s, err := result.NewSealer(io.Discard, result.Result, k, binding()); err == nil || s != nil {
			t.Errorf("key %s: got a sealer, want an error", name)
		}
	}
	if s, err := result.NewSealer(io.Discard, 3, key.PublicKey(), binding()); err == nil || s != nil {
		t.Error("got a sealer for stream 3, want an error")
	}
	if o, err := result.NewOpener(new(bytes.Buffer), 0, key, binding()); err == nil || o != nil {
		t.Error("got an opener for stream 0, want an error")
	}
}

// Dropped without Close, a stream opens nowhere: that is how a failing job ends.
func TestWithoutClose(t *testing.T) {
	key := testKey(t)
	for _, n := range []int{0, 10, 16381, 40_000} {
		var w writes
		must(t, newSealer(t, &w, result.Result, key).Records(text(n)))
		if _, err := open(&w.Buffer, result.Result, key, binding()); !errors.Is(err, result.ErrTruncated) {
			t.Errorf("%d bytes: got %v, want ErrTruncated", n, err)
		}
	}
}

// failing fails its n-th Write; with took set it had taken the bytes all the same.
type failing struct {
	writes
	n    int
	took bool
}

func (f *failing) Write(p []byte) (int, error) {
	f.n--
	if f.n != 0 || f.took {
		_, _ = f.writes.Write(p)
	}
	if f.n == 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// A chunk that was lost or may have been lost ends the stream: going on would leave a gap, and
// sealing it again would put another chunk under the same index.
func TestSealerStaysFailed(t *testing.T) {
	key := testKey(t)
	for _, took := range []bool{false, true} {
		if _, err := result.NewSealer(&failing{n: 1, took: took}, result.Result, key.PublicKey(), binding()); err != io.ErrClosedPipe {
			t.Errorf("head, took %v: got %v, want %v", took, err, io.ErrClosedPipe)
		}
		for _, n := range []int{2, 3} {
			w := &failing{n: n, took: took}
			s := newSealer(t, w, result.Result, key)
			err := errors.Join(s.Records(text(16381)), s.Close())
			if !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("write %d, took %v: got %v, want %v", n, took, err, io.ErrClosedPipe)
			}
			before := len(w.lengths)
			if s.Records(text(5)) == nil || s.Report(text(5)) == nil || s.Close() == nil {
				t.Errorf("write %d, took %v: got nil after the failure", n, took)
			}
			if len(w.lengths) != before {
				t.Errorf("write %d, took %v: got more writes after the failure", n, took)
			}
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	s := newSealer(b, io.Discard, result.Result, testKey(b))
	p := text(1 << 20)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.Records(p))
	}
}

func BenchmarkOpen(b *testing.B) {
	key := testKey(b)
	var w bytes.Buffer
	s := newSealer(b, &w, result.Result, key)
	must(b, s.Records(text(16<<20)), s.Close())
	b.SetBytes(int64(w.Len()))
	b.ReportAllocs()
	for b.Loop() {
		o, err := result.NewOpener(bytes.NewReader(w.Bytes()), result.Result, key, binding())
		must(b, err)
		for err == nil {
			_, _, err = o.Next()
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
