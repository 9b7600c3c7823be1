package job_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"anchorhold/enclave/deid/stream"
)

// roomOf is an engine that notes the memory it is given.
type roomOf struct {
	mu    sync.Mutex
	rooms []*stream.Room // guarded by mu
}

func (r *roomOf) Process(_ context.Context, in io.Reader, _ io.Writer, o stream.Options) (*stream.Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms = append(r.rooms, o.Room)
	_, err := io.Copy(io.Discard, in)
	return &stream.Report{}, err
}

// TestInvariant8_JobsShareTheMemoryForRecords: what each job could take for itself, several would
// take together.
func TestInvariant8_JobsShareTheMemoryForRecords(t *testing.T) {
	e := &roomOf{}
	b := newBench(t, options{engine: e, memory: 1 << 30})
	for range 2 {
		b.dial(t).run(t, newOrder(t, b).seal(t, b).job())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.rooms) != 2 || e.rooms[0] == nil || e.rooms[0] != e.rooms[1] {
		t.Errorf("got rooms %v, want one for both jobs", e.rooms)
	}
}
