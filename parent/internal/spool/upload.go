package spool

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// Upload receives a job file. One goroutine owns it; it ends with Commit or Abort, and Abort after
// Commit does nothing.
type Upload struct {
	b *body
}

// NewUpload starts an upload of size bytes, or of unknown size when size is negative, for the
// tenant that Commit names too. It returns ErrFull when the spool, or the tenant's share of it, has
// no room for it and its result.
func (s *Spool) NewUpload(tenant string, size int64) (*Upload, error) {
	reserve := max(size, 0)
	if reserve > s.usage.each/2 {
		return nil, ErrFull
	}
	b, err := s.newBody(tenant, reserve, 0)
	if err != nil {
		return nil, err
	}
	return &Upload{b: b}, nil
}

// Write appends p. The error is ErrFull when the spool or its disk has no room.
func (u *Upload) Write(p []byte) (int, error) { return u.b.Write(p) }

// Size returns the bytes written so far.
func (u *Upload) Size() int64 { return u.b.size }

// Abort removes the upload.
func (u *Upload) Abort() {
	if u.b != nil {
		u.b.abort()
		u.b = nil
	}
}

// Commit makes the upload a queued job and returns it, durable, with created true. When the same
// job is there already and has not failed, or has failed with Poison, it returns that one and drops
// the upload; another failed job is run anew under a new id. The errors ErrFull and ErrTooMany may
// be tested for.
func (u *Upload) Commit(m Meta) (job Job, created bool, err error) {
	defer u.Abort()
	s := u.b.s
	if old, err := s.same(m); err != nil || old.ID != "" {
		return old, false, err
	}
	// Reserved now, when the client can be told, and not when the result has been computed.
	room := u.b.size
	if err := u.b.usage.take(room); err != nil {
		return Job{}, false, err
	}
	job = Job{ID: newID(), Meta: m, State: Queued, InputBytes: u.b.size, Accepted: s.opts.Now().UTC()}
	kept, usage := false, u.b.usage
	defer func() {
		if !kept {
			usage.give(room)
		}
	}()
	if err := s.enter(m.Tenant); err != nil {
		return Job{}, false, err
	}
	job, kept, err = u.store(job)
	if !kept {
		s.leave(m.Tenant)
	}
	if err == nil && kept {
		u.b.settle()
		u.b = nil
	}
	return job, kept && err == nil, err
}

// store makes body and record durable. kept says that the record stands.
func (u *Upload) store(job Job) (Job, bool, error) {
	s := u.b.s
	if err := u.b.place(job.ID, kindInput); err != nil {
		u.remove(job.ID)
		return Job{}, false, err
	}
	var other Job
	same := false
	err := s.record("accept", &entry{Act: "accept", Job: &job}, func(tx *bbolt.Tx) (err error) {
		// Looked up again inside the transaction: two uploads of one job may get here together.
		if other, err = lookup(tx, job.Meta); err != nil {
			return err
		}
		if same = other.ID != "" && (other.State != Failed || other.final()); same {
			return nil
		}
		if err := tx.Bucket(bucketIdentity).Put(job.identity(), []byte(job.ID)); err != nil {
			return err
		}
		if err := u.b.keep(tx, job.ID, kindInput); err != nil {
			return err
		}
		if err := indexOpen(tx, job); err != nil {
			return err
		}
		return tx.Bucket(bucketJobs).Put([]byte(job.ID), job.encode())
	}, func() bool { return !same })
	if same {
		u.remove(job.ID)
		return other, false, err
	}
	if err != nil {
		// The commit may have happened all the same. The record decides: a body must not be taken
		// from under it.
		if _, gone := s.Get(job.ID); gone != nil {
			u.remove(job.ID)
			return Job{}, false, err
		}
	}
	return job, true, nil
}

// remove takes back a file that was put in place.
func (u *Upload) remove(id string) {
	if u.b.f != nil {
		u.b.s.remove(id, kindInput)
	}
}

// same returns the job that m is already and that is not to be run anew, or a Job without ID.
func (s *Spool) same(m Meta) (old Job, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		old, err = lookup(tx, m)
		return err
	})
	if err != nil || old.ID == "" || old.State == Failed && !old.final() {
		return Job{}, err
	}
	return old, nil
}

func lookup(tx *bbolt.Tx, m Meta) (Job, error) {
	id := tx.Bucket(bucketIdentity).Get(m.identity())
	if id == nil {
		return Job{}, nil
	}
	b := tx.Bucket(bucketJobs).Get(id)
	if b == nil {
		return Job{}, fmt.Errorf("identity names job %s, which is not there", id)
	}
	return decodeJob(b)
}

// enter counts a job of the tenant, or returns ErrTooMany.
func (s *Spool) enter(tenant string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[tenant] >= s.opts.MaxQueued {
		return ErrTooMany
	}
	s.active[tenant]++
	return nil
}

func (s *Spool) leave(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active[tenant]--
}

// Room reports whether the tenant may have another job, so that a client is told before it sends
// the body.
func (s *Spool) Room(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[tenant] < s.opts.MaxQueued
}
