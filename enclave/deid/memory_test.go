package deid_test

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// Long lines must not fill every block that a machine of many cores has: one
// tenant would end the jobs of all.
func TestMemoryOfLongLines(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 160 MB")
	}
	head, item := `{"resourceType":"Patient","identifier":[{"value":"1"}`, `,{"value":"1"}`
	line := append([]byte(head), bytes.Repeat([]byte(item), (8<<20-len(head)-3)/len(item))...)
	line = append(line, "]}\n"...)
	var in []io.Reader
	for range 20 {
		in = append(in, bytes.NewReader(line))
	}
	o := options()
	o.Workers = 16
	w := &peak{}
	base := heap()
	r, err := safeHarbor(t).Process(context.Background(), io.MultiReader(in...), w, o)
	if err != nil || r.RecordsOut != 20 {
		t.Fatalf("got %v, %+v, want 20 records", err, r)
	}
	const most = 450 << 20
	if w.worst-base > most {
		t.Errorf("got %d MB on the heap, want at most %d", (w.worst-base)>>20, most>>20)
	}
	t.Logf("at most %d MB", (w.worst-base)>>20)
}

// peak measures the heap at each write.
type peak struct{ worst uint64 }

func (p *peak) Write(b []byte) (int, error) {
	p.worst = max(p.worst, heap())
	return len(b), nil
}
