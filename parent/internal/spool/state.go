package spool

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// Get returns the job, or ErrNotFound.
func (s *Spool) Get(id string) (Job, error) {
	if j, ok := s.recent.get(id); ok {
		return j, nil
	}
	var j Job
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		j, err = get(tx, id)
		return err
	})
	return j, err
}

func get(tx *bbolt.Tx, id string) (Job, error) {
	b := tx.Bucket(bucketJobs).Get([]byte(id))
	if b == nil {
		return Job{}, ErrNotFound
	}
	return decodeJob(b)
}

// waiting is for calls of Wait for one job.
type waiting struct {
	ended chan struct{} // closed when the job ends
	calls int           // guarded by Spool.mu
}

// Wait returns the job once it has ended, or as it stands when ctx is done, with ctx's error.
func (s *Spool) Wait(ctx context.Context, id string) (Job, error) {
	w := s.await(id)
	defer s.unwait(id, w)
	// Read after w was entered: an end in between closes the channel we hold.
	j, err := s.Get(id)
	if err != nil || j.Ended() {
		return j, err
	}
	select {
	case <-w.ended:
		return s.Get(id)
	case <-ctx.Done():
		return j, ctx.Err()
	}
}

func (s *Spool) await(id string) *waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[id]
	if w == nil {
		w = &waiting{ended: make(chan struct{})}
		s.waiting[id] = w
	}
	w.calls++
	return w
}

func (s *Spool) unwait(id string, w *waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.calls--; w.calls == 0 && s.waiting[id] == w {
		delete(s.waiting, id)
	}
}

// Start marks a job as running on the enclave and counts the attempt. It is durable, and audited,
// when it returns: the caller may then send the job. A job that is running already is accepted,
// because a Start that failed may have happened.
func (s *Spool) Start(id, enclave string) (Job, error) {
	return s.change(id, "start", func(j *Job) error {
		if j.Ended() {
			return ErrState
		}
		j.State, j.Enclave = Running, enclave
		j.Attempts++
		j.Started = s.opts.Now().UTC()
		return nil
	})
}

// uncount takes back the attempt under way. A job that is queued already has been here before.
func (j *Job) uncount() {
	if j.State == Running && j.Attempts > 0 {
		j.Attempts--
	}
}

// Requeue puts a running job back. An attempt that the enclave refused for lack of room does not
// count.
func (s *Spool) Requeue(id string, counts bool) (Job, error) {
	return s.change(id, "requeue", func(j *Job) error {
		if j.Ended() {
			return ErrState
		}
		if !counts {
			j.uncount()
		}
		j.State = Queued
		return nil
	})
}

// Died queues a running job again after the enclave that it ran on has died, the deaths-th that did
// in this boot of the host. The number is absolute, so that repeating a call that failed but
// happened counts nothing twice. The attempt is not counted.
func (s *Spool) Died(id string, deaths int, host string) (Job, error) {
	return s.change(id, "died", func(j *Job) error {
		if j.Ended() {
			return ErrState
		}
		j.uncount()
		j.State, j.Deaths, j.DeathHost = Queued, deaths, host
		return nil
	})
}

// Fail ends a job with a code, and the receipt file of a failure leaf when there is one.
func (s *Spool) Fail(id string, c code.Code, receipt []byte) error {
	j, file, err := s.end(id, "fail", receipt, func(j *Job) { j.State, j.Code = Failed, c }, nil)
	if err != nil {
		return err
	}
	s.usage.of(j.Tenant).give(2 * j.InputBytes) // its own, and the room for a result
	s.over(j, file)
	return nil
}

// change writes the audit entry, then the record.
func (s *Spool) change(id, act string, f func(*Job) error) (Job, error) {
	j, err := s.Get(id)
	if err != nil {
		return Job{}, err
	}
	if err := f(&j); err != nil {
		return Job{}, err
	}
	err = s.record(act, &entry{Act: act, Job: &j}, func(tx *bbolt.Tx) error {
		now, err := get(tx, id)
		if err != nil {
			return err
		}
		if now.Ended() {
			return ErrState
		}
		return tx.Bucket(bucketJobs).Put([]byte(id), j.encode())
	}, always)
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// end writes the last record of a job, with its receipt and what put adds, and drops the input if
// it lies in the database; file says that it does not. When the transaction fails, the record
// decides whether it has happened all the same.
func (s *Spool) end(id, act string, receipt []byte, f func(*Job), put func(*bbolt.Tx) error) (j Job, file bool, err error) {
	if j, err = s.Get(id); err != nil {
		return Job{}, false, err
	}
	if j.Ended() {
		return Job{}, false, ErrState
	}
	f(&j)
	j.Finished = s.opts.Now().UTC()
	j.Expires = j.Finished.Add(s.opts.Retention)
	if j.ReceiptBytes = len(receipt); len(receipt) > 0 {
		j.Receipt = digest.SumStream(receipt).String()
	}
	err = s.record(act, &entry{Act: act, Job: &j}, func(tx *bbolt.Tx) error {
		if len(receipt) > 0 {
			if err := tx.Bucket(bucketReceipts).Put([]byte(id), receipt); err != nil {
				return err
			}
		}
		if put != nil {
			if err := put(tx); err != nil {
				return err
			}
		}
		taken, err := take(tx, id, kindInput)
		if err != nil {
			return err
		}
		file = !taken
		if err := unindexOpen(tx, j); err != nil {
			return err
		}
		return tx.Bucket(bucketJobs).Put([]byte(id), j.encode())
	}, always)
	if err != nil {
		if now, lost := s.Get(id); lost != nil || !now.Ended() {
			return Job{}, false, err
		}
	}
	return j, file, nil
}

// over tells who waits, and drops an input that is a file: it is not kept longer than it is needed.
func (s *Spool) over(j Job, file bool) {
	s.leave(j.Tenant)
	s.mu.Lock()
	if w := s.waiting[j.ID]; w != nil {
		close(w.ended)
		delete(s.waiting, j.ID)
	}
	s.mu.Unlock()
	if file {
		s.remove(j.ID, kindInput)
	}
}

// each calls f for every job of the database.
func (s *Spool) each(f func(Job) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketJobs).ForEach(func(k, v []byte) error {
			j, err := decodeJob(v)
			if err != nil {
				return err
			}
			if j.ID != string(k) || !validID(j.ID) {
				return fmt.Errorf("malformed job record: %w", errors.New("id differs from its key"))
			}
			return f(j)
		})
	})
}
