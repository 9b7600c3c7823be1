package deid

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// TestInvariant1_PseudonymKeysAreZeroed looks inside: what a job leaves behind holds neither its key nor one derived from it.
func TestInvariant1_PseudonymKeysAreZeroed(t *testing.T) {
	rules, err := Preset("safe-harbor")
	if err != nil {
		t.Fatal(err)
	}
	e, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	in := `{"resourceType":"Patient","id":"1","identifier":[{"system":"urn:a","value":"` + strings.Repeat("v", 3000) + `"}]}` + "\n"
	o := Options{ReferenceDate: "2026-12-31", SurrogateKey: [32]byte(bytes.Repeat([]byte{0xa5}, 32)), Workers: 2}
	for name, out := range map[string]io.Writer{"success": io.Discard, "failure": failingWriter{}} {
		p, err := e.newPipeline(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		var buffers [][]byte // grown before the job, so that it uses these
		for _, h := range p.hashers {
			h.grow(1 << 12)
			buffers = append(buffers, h.buf[:cap(h.buf)])
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
		for i, h := range p.hashers {
			if h.key != [32]byte{} || len(bytes.Trim(buffers[i], "\x00")) != 0 {
				t.Errorf("%s: a worker's key is still in memory", name)
			}
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
