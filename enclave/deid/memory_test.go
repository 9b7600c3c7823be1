package deid_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"anchorhold/protocol/code"
)

// Long lines must not fill every block that a machine of many cores has: one
// tenant would end the jobs of all.
func TestMemoryOfLongLines(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 160 MB")
	}
	head, item := `{"resourceType":"Patient","identifier":[{"value":"1"}`, `,{"value":"12345"}`
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

// A line that is longer than all the room for long lines gets all of it, and
// nobody waits for room once the job has ended.
func TestLinesLongerThanTheRoom(t *testing.T) {
	line := []byte(`{"resourceType":"Patient","x":"` + strings.Repeat("y", 20<<20) + "\"}\n")
	in := func() io.Reader {
		return io.MultiReader(bytes.NewReader(line), bytes.NewReader(line), bytes.NewReader(line), bytes.NewReader(line))
	}
	o := options()
	o.MaxRecord = 32 << 20
	var out bytes.Buffer
	r, err := safeHarbor(t).Process(context.Background(), in(), &out, o)
	if err != nil || r.RecordsOut != 4 {
		t.Errorf("got %v, %+v, want 4 records", err, r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = safeHarbor(t).Process(ctx, in(), writer(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	}), o)
	if code.Of(err) != code.Canceled {
		t.Errorf("got %v, want canceled", err)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// peak measures the heap at each write.
type peak struct{ worst uint64 }

func (p *peak) Write(b []byte) (int, error) {
	p.worst = max(p.worst, heap())
	return len(b), nil
}
