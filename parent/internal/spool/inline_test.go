package spool_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"anchorhold/parent/internal/spool"
)

// A small body lies in the database from the moment that its record does, and goes with it; a
// larger one is a file.
func TestInlineBodies(t *testing.T) {
	c := &clock{}
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Inline: 16, Now: c.now})
	small, large := strings.Repeat("s", 16), strings.Repeat("l", 17)
	for i, tc := range []struct {
		in, out     string
		held, after int // files
	}{
		{small, small, 0, 0},
		{small, large, 0, 1},
		{large, small, 1, 0},
		{large, large, 1, 1},
	} {
		before := len(list(t, dir, "bodies"))
		j := mustAdd(t, s, meta("a", byte(i)), tc.in)
		if got := len(list(t, dir, "bodies")) - before; got != tc.held {
			t.Errorf("%d: got %d files for the job, want %d", i, got, tc.held)
		}
		if err := finish(s, j.ID, tc.out); err != nil {
			t.Fatal(err)
		}
		if got := len(list(t, dir, "bodies")) - before; got != tc.after {
			t.Errorf("%d: got %d files for the result, want %d", i, got, tc.after)
		}
		// Another process, with another limit, finds what this one has stored.
		s.Close()
		s = open(t, spool.Options{Dir: dir, Inline: int64(i % 2 * 16), Now: c.now})
		if got := content(t, s, j.ID); got != tc.out {
			t.Errorf("%d: got result %q, want %q", i, got, tc.out)
		}
		s.Close()
		s = open(t, spool.Options{Dir: dir, Inline: 16, Now: c.now})
	}
	c.t = c.t.Add(1 << 50)
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if got := s.Bytes(); got != 0 || len(list(t, dir, "bodies")) != 0 {
		t.Errorf("got %d bytes and %v after expiry, want none", got, list(t, dir, "bodies"))
	}
}

// Acts that share a transaction fail each for itself: a fault of one, or a state that does not
// allow it, leaves the others be.
func TestGroupedActsFailAlone(t *testing.T) {
	var mu sync.Mutex
	broken := 0
	s := open(t, spool.Options{Inline: 1024, Fault: func(step string, done bool) error {
		mu.Lock()
		defer mu.Unlock()
		if step == "accept" && !done {
			if broken++; broken%3 == 0 {
				return errFault
			}
		}
		return nil
	}})
	var all sync.WaitGroup
	const n = 60
	jobs, errs := make([]spool.Job, n), make([]error, n)
	for i := range n {
		all.Go(func() { jobs[i], _, errs[i] = add(s, meta("a", byte(i)), "body") })
	}
	all.Wait()
	failed := 0
	for i := range n {
		switch {
		case errors.Is(errs[i], errFault):
			failed++
		case errs[i] != nil:
			t.Errorf("got %v", errs[i])
		default:
			if j, err := s.Get(jobs[i].ID); err != nil || j.State != spool.Queued {
				t.Errorf("job %d: got %v, %v, want it queued", i, j.State, err)
			}
		}
	}
	if pending, err := s.Pending(); err != nil || failed != n/3 || len(pending) != n-failed {
		t.Errorf("got %d failed and %d pending (%v), want %d and %d", failed, len(pending), err, n/3, n-n/3)
	}
}

// After Close nothing is accepted, and nothing hangs.
func TestClosedSpool(t *testing.T) {
	s := open(t, spool.Options{Inline: 1024})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := add(s, meta("a", 1), "body"); err == nil {
		t.Error("got a job from a spool that is closed")
	}
}
