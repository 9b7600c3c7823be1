package fhirpath

// An arena hands out memory by the block, and all of it again after a reset.
type arena[T any] struct {
	blocks [][]T
	at     int // the block that is handed out
	used   int // of it
}

const (
	blockLength = 32
	blocksKept  = 256 // what goes beyond is for the garbage collector: one record may be large
)

// take returns room for n values, at most blockLength.
func (a *arena[T]) take(n int) []T {
	if len(a.blocks) > 0 && a.used+n > blockLength {
		a.at, a.used = a.at+1, 0
	}
	if a.at == len(a.blocks) {
		a.blocks = append(a.blocks, make([]T, blockLength))
	}
	a.used += n
	return a.blocks[a.at][a.used-n : a.used : a.used]
}

// reset takes back what was handed out, and leaves nothing of it.
func (a *arena[T]) reset() {
	if a.used == 0 {
		return
	}
	for i := range min(a.at+1, len(a.blocks)) {
		clear(a.blocks[i])
	}
	if len(a.blocks) > blocksKept {
		clear(a.blocks[blocksKept:])
		a.blocks = a.blocks[:blocksKept]
	}
	a.at, a.used = 0, 0
}
