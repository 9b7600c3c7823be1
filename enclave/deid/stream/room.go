package stream

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// A Room is the memory that jobs share for their records, so that no input takes all of it: Go
// cannot survive being out of memory, and with the process the jobs of all tenants would end. It is
// safe for concurrent use.
type Room struct {
	trees *semaphore.Weighted // bytes of the trees that are built of records, all jobs together
	most  int64               // of them
	long  int                 // pieces of long lines on the way in one job
}

// Shares of the memory. With the half that identifiers may take (package job) they come to three
// quarters, where the collector begins to work harder.
const (
	treeShare = 8 // an eighth is for trees
	// another eighth for long lines and what becomes of them, in equal parts for the jobs
	lineShare = 8

	// lineBytes is what a byte of a long line takes at most, with what becomes of it.
	lineBytes = 10

	defaultTrees = 1 << 30
)

// NewRoom returns the room of a machine with so many bytes of memory, 0 for an unknown number, and
// so many jobs at once.
func NewRoom(memory, jobs uint64) *Room {
	r := &Room{most: defaultTrees, long: maxLong}
	if memory > 0 {
		r.most = int64(memory / treeShare)
		pieces := memory / lineShare / lineBytes / longPiece / max(jobs, 1)
		r.long = int(max(min(pieces, maxLong), 1))
	}
	r.trees = semaphore.NewWeighted(r.most)
	return r
}

// enter waits until there is room for n bytes of a tree, and returns false when there never is:
// more than all of it, or the job has ended. The caller holds nothing that others wait for, and
// leaves when its tree is gone.
func (r *Room) enter(ctx context.Context, n int64) bool {
	return n <= r.most && r.trees.Acquire(ctx, n) == nil
}

func (r *Room) leave(n int64) { r.trees.Release(n) }

// TreeWorker is a Worker that builds a tree of each record. A record gets to Resource when there is
// room for it.
type TreeWorker interface {
	Worker
	// TreeBytes returns the most memory that work on a record of so many values takes, of which so
	// many are objects.
	TreeBytes(values, objects int) int
}
