package fleet

import (
	"context"
	"os"
	"time"

	"anchorhold/parent/internal/spool"
)

// maxDeaths is how many enclaves may die while a job runs: the first time it may have been another
// job's doing; the second time it ran alone.
const maxDeaths = 2

// fate is what became of the process that a job was sent to and that did not answer.
type fate int

const (
	unknown fate = iota // the parent stops, and the enclave perhaps with it
	alive               // only the connection broke
	dead                // it ended, or does not answer any more
	stopped             // the same, as the operator had announced
)

// fateOf waits until the watcher knows: it asks the enclave anew, and takes it out if there is no
// answer.
func (f *Fleet) fateOf(ctx context.Context, e *enclave, t trial) fate {
	for first := true; ; first = false {
		f.mu.Lock()
		asked := f.asked
		f.mu.Unlock()
		if ctx.Err() != nil || f.draining.Err() != nil {
			return unknown // who stops the parent may stop enclaves at the same time
		}
		switch now := e.fate(t.link.boot, t.ended); {
		case now == dead && e.stopAnnouncedSince(t.begun):
			return stopped
		case now != unknown:
			return now
		}
		if first {
			e.hurry()
		}
		select {
		case <-asked:
		case <-ctx.Done():
		case <-f.draining.Done():
		}
	}
}

// fate says what has become of the process with that boot id, by questions asked after since.
func (e *enclave) fate(boot [16]byte, since time.Time) fate {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.up:
		return dead
	case !e.heard.After(since):
		return unknown
	case e.desc.Boot != boot:
		return dead
	}
	return alive
}

// stopAnnounced reports whether the operator is stopping the enclave.
func (e *enclave) stopAnnounced() bool {
	if e.stopFile == "" {
		return false
	}
	_, err := os.Lstat(e.stopFile)
	return err == nil
}

// stopAnnouncedSince reports whether the operator is stopping the enclave, or was seen to do so
// after t: when the end of a job shows, the stop may be over and its file gone.
func (e *enclave) stopAnnouncedSince(t time.Time) bool {
	if e.stopAnnounced() {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left.After(t)
}

func (e *enclave) setLeave(leave bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leave = leave; leave {
		e.left = time.Now()
	}
}

// died handles the death of an enclave while the job ran. Every job that ran there comes here; each
// is tried once more, alone, and only one that kills again is to blame. The attempt does not count:
// a job must not fail because of its neighbours. Nor does a death before the host started: the end
// of the host may have been its cause.
func (f *Fleet) died(ctx context.Context, it *item, job spool.Job) {
	deaths := 1
	if job.DeathHost == f.opts.HostBoot {
		deaths = job.Deaths + 1
	}
	if deaths >= maxDeaths {
		f.fail(ctx, job, spool.Poison, nil)
		return
	}
	f.opts.Metrics.JobsRetried.WithLabelValues("died").Inc()
	queued := f.persist(ctx, it.id, func() error {
		_, err := f.opts.Spool.Died(it.id, deaths, f.opts.HostBoot)
		return err
	})
	if !queued {
		return
	}
	it.deaths = deaths
	it.notBefore = time.Now().Add(f.opts.RetryAfter)
	f.push(it)
}
