package spool

import (
	"errors"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// maxGroup is how many acts share one sync of the audit log, and one transaction.
	maxGroup = 256
	// pace is the least time from one group to the next. A disk that syncs faster would be given
	// groups of one act each, and what each sync costs the processor would be most of what a small
	// job costs. An act that comes after a pause does not wait.
	pace = time.Millisecond
)

var errClosed = errors.New("spool is closed")

// act is one change on its way: its audit entry, then its transaction. Acts that come together
// share the syncs, which are what a small job costs; each is answered for itself when its own part
// is durable.
type act struct {
	step  string                // names the transaction in faults
	entry *entry                // nil: not audited
	f     func(*bbolt.Tx) error // nil: the entry is all. May run more than once.
	keep  func() bool           // after the transaction: whether entry.Job is now the job's record
	done  chan error            // has room for the answer
}

// do returns when entry and transaction are durable, in this order: the entry is written before the
// act. f sees the transaction of several acts; when it fails, nothing of it is kept and the others
// do not notice.
func (s *Spool) do(step string, e *entry, f func(*bbolt.Tx) error) error {
	return s.wait(&act{step: step, entry: e, f: f, done: make(chan error, 1)})
}

// record is do for a change of which the entry's job is the new record, unless keep, asked after
// the transaction, says otherwise.
func (s *Spool) record(step string, e *entry, f func(*bbolt.Tx) error, keep func() bool) error {
	return s.wait(&act{step: step, entry: e, f: f, keep: keep, done: make(chan error, 1)})
}

func always() bool { return true }

func (s *Spool) wait(a *act) error {
	select {
	case s.acts <- a:
	case <-s.closing:
		return errClosed
	}
	select {
	case err := <-a.done:
		return err
	case <-s.stopped:
	}
	select { // answered with the last group, or left behind
	case err := <-a.done:
		return err
	default:
		return errClosed
	}
}

// start runs the two stages: while a transaction is being synced, the entries of the next are
// written.
func (s *Spool) start() {
	s.acts, s.audited = make(chan *act, maxGroup), make(chan []*act, 4)
	s.closing, s.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.audited)
		var last time.Time
		for {
			select {
			case first := <-s.acts:
				time.Sleep(pace - time.Since(last))
				last = time.Now()
				if group := s.audit.writeAll(gather(s.acts, first)); len(group) > 0 {
					s.audited <- group
				}
			case <-s.closing:
				return
			}
		}
	}()
	go func() {
		defer close(s.stopped)
		for group := range s.audited {
			s.commit(group)
		}
	}()
}

// stop ends the stages and waits for them.
func (s *Spool) stop() {
	s.stopOnce.Do(func() { close(s.closing) })
	<-s.stopped
}

// gather takes what waits now. While one group is synced, the next gathers.
func gather(acts <-chan *act, first *act) []*act {
	group := []*act{first}
	for len(group) < maxGroup {
		select {
		case a := <-acts:
			group = append(group, a)
		default:
			return group
		}
	}
	return group
}

// commit runs the group in one transaction and answers everybody in it.
func (s *Spool) commit(group []*act) {
	group = slices.DeleteFunc(group, func(a *act) bool { return a.refused(s.before(a.step)) })
	for len(group) > 0 {
		failed := -1
		err := s.db.Update(func(tx *bbolt.Tx) error {
			for i, a := range group {
				if err := a.f(tx); err != nil {
					failed = i
					return err
				}
			}
			return nil
		})
		if failed < 0 {
			for _, a := range group {
				a.done <- s.committed(a, err)
			}
			return
		}
		// What it wrote was rolled back with the rest, so the others run again without it.
		group[failed].done <- full(err)
		group = slices.Delete(group, failed, failed+1)
	}
}

// committed returns what the act is told once its transaction has ended with err.
func (s *Spool) committed(a *act, err error) error {
	if a.entry != nil {
		if err == nil && a.keep != nil && a.keep() {
			s.recent.set(*a.entry.Job)
		} else {
			s.recent.forget(a.entry.Job.ID)
		}
	}
	if err != nil {
		return full(err)
	}
	return s.after(a.step)
}

// refused answers the act if there is an error.
func (a *act) refused(err error) bool {
	if err != nil {
		a.done <- err
	}
	return err != nil
}
