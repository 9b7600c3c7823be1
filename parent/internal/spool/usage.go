package spool

import "sync"

// usage counts the bytes of bodies, with what is reserved for those still being written. Reserving
// first means that a spool that is full refuses the next job instead of losing the result of one
// that has run.
type usage struct {
	mu    sync.Mutex
	bytes int64            // guarded by mu
	held  map[string]int64 // of bytes, by tenant; guarded by mu
	max   int64
	// most of one tenant: lengths that it declares and never sends must leave room for another's
	// jobs
	each int64
}

func newUsage(most, each int64) *usage {
	if each <= 0 || each > most {
		each = most
	}
	return &usage{held: map[string]int64{}, max: most, each: each}
}

// share is a tenant's part of the usage.
type share struct {
	u      *usage
	tenant string
}

func (u *usage) of(tenant string) share { return share{u, tenant} }

// take reserves n bytes, or returns ErrFull and reserves none.
func (s share) take(n int64) error {
	u := s.u
	u.mu.Lock()
	defer u.mu.Unlock()
	if n < 0 || n > u.max-u.bytes || n > u.each-u.held[s.tenant] {
		return ErrFull
	}
	s.add(n)
	return nil
}

// force counts bytes that are there already, whatever the limit: after a restart with a lower one.
func (s share) force(n int64) {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	s.add(n)
}

func (s share) give(n int64) { s.force(-n) }

// add with mu held.
func (s share) add(n int64) {
	s.u.bytes += n
	if s.u.held[s.tenant] += n; s.u.held[s.tenant] == 0 {
		delete(s.u.held, s.tenant)
	}
}

func (u *usage) used() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes
}
