package stream

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// TestInvariant1_PseudonymKeysAreZeroed looks inside: what a job leaves behind holds neither its
// key nor one derived from it.
func TestInvariant1_PseudonymKeysAreZeroed(t *testing.T) {
	in := `{"value":"` + strings.Repeat("v", 3000) + `"}` + "\n"
	o := Options{ReferenceDate: "2026-12-31", SurrogateKey: [32]byte(bytes.Repeat([]byte{0xa5}, 32)), Workers: 2}
	for name, out := range map[string]io.Writer{"success": io.Discard, "failure": failingWriter{}} {
		p, err := newPipeline(context.Background(), surrogates{}, o)
		if err != nil {
			t.Fatal(err)
		}
		var buffers [][]byte // grown before the job, so that it uses these
		for _, d := range p.desks {
			d.sink.hasher.grow(1 << 12)
			buffers = append(buffers, d.sink.hasher.buf[:cap(d.sink.hasher.buf)])
		}
		if _, err := p.run(strings.NewReader(in), out); (err == nil) != (name == "success") {
			t.Fatalf("%s: got %v", name, err)
		}
		if p.options.SurrogateKey != [32]byte{} {
			t.Errorf("%s: the job's key is still in memory", name)
		}
		if len(buffers) != o.Workers {
			t.Errorf("%s: got %d hashers, want one for each of %d workers", name, len(buffers), o.Workers)
		}
		for i, d := range p.desks {
			if d.sink.hasher.key != [32]byte{} || len(bytes.Trim(buffers[i], "\x00")) != 0 {
				t.Errorf("%s: a worker's key is still in memory", name)
			}
			if w := d.worker.(*surrogateWorker); w.secret != [32]byte{} || !w.forgotten {
				t.Errorf("%s: the worker was not told to forget its secret", name)
			}
		}
	}
}

// surrogates are rules that replace every record by a surrogate.
type surrogates struct{}

func (surrogates) Types() []string   { return nil }
func (surrogates) Rules() []Rule     { return nil }
func (surrogates) DefaultDeny() bool { return true }
func (surrogates) Surrogates() bool  { return true }

func (surrogates) NewWorker(j *Job) (Worker, error) {
	return &surrogateWorker{secret: j.Secret("anchorhold/v1 test")}, nil
}

type surrogateWorker struct {
	secret    [32]byte
	forgotten bool
}

func (w *surrogateWorker) Resource(dst, r []byte, s *Sink) ([]byte, Verdict) {
	if w.secret == [32]byte{} {
		panic("no secret")
	}
	return s.Surrogate(dst, ID, nil, r), Verdict{Type: -1}
}

func (w *surrogateWorker) Forget() { w.secret, w.forgotten = [32]byte{}, true }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
