package spool

import "sync"

// usage counts the bytes of bodies, with what is reserved for those still being written. Reserving first means that a
// spool that is full refuses the next job instead of losing the result of one that has run.
type usage struct {
	mu    sync.Mutex
	bytes int64 // guarded by mu
	max   int64
}

// take reserves n bytes, or returns ErrFull and reserves none.
func (u *usage) take(n int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n < 0 || n > u.max-u.bytes {
		return ErrFull
	}
	u.bytes += n
	return nil
}

// force counts bytes that are there already, whatever the limit: after a restart with a lower one.
func (u *usage) force(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes += n
}

func (u *usage) give(n int64) { u.force(-n) }

func (u *usage) used() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes
}
