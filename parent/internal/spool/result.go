package spool

import (
	"errors"

	"go.etcd.io/bbolt"
)

// Result receives what an enclave sends for a job. One goroutine owns it; it ends with Commit or
// Abort, and Abort after Commit does nothing.
type Result struct {
	s         *Spool
	job       Job
	output    *body
	crosswalk *body // nil until the first byte
}

// NewResult starts to receive the result of a job that runs. The room for it was reserved when the
// job was accepted.
func (s *Spool) NewResult(id string) (*Result, error) {
	j, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	if j.State != Running {
		return nil, ErrState
	}
	b, err := s.newBody(j.Tenant, 0, j.InputBytes)
	if err != nil {
		return nil, err
	}
	return &Result{s: s, job: j, output: b}, nil
}

// Write appends to the sealed result. The error is ErrFull when the spool or its disk has no room.
func (r *Result) Write(p []byte) (int, error) { return r.output.Write(p) }

// WriteCrosswalk appends to the sealed crosswalk.
func (r *Result) WriteCrosswalk(p []byte) (int, error) {
	if r.crosswalk == nil {
		b, err := r.s.newBody(r.job.Tenant, 0, 0)
		if err != nil {
			return 0, err
		}
		r.crosswalk = b
	}
	return r.crosswalk.Write(p)
}

// Size returns the bytes received so far.
func (r *Result) Size() int64 {
	n := r.output.size
	if r.crosswalk != nil {
		n += r.crosswalk.size
	}
	return n
}

// Abort removes what was received. The job still runs, as far as the spool knows.
func (r *Result) Abort() {
	if r.output != nil {
		r.output.abort()
		r.output = nil
	}
	if r.crosswalk != nil {
		r.crosswalk.abort()
		r.crosswalk = nil
	}
}

// Commit ends the job with this result and its receipt file. Everything is durable when it returns,
// and the job can be fetched until it expires. After an error the job still runs, as far as the
// spool knows.
func (r *Result) Commit(receipt []byte) error {
	s, id := r.s, r.job.ID
	defer r.Abort()
	// Written before any of it is placed: a body that was put in place must be taken back when
	// anything fails.
	err := r.output.place(id, kindOutput)
	if err == nil && r.crosswalk != nil {
		err = r.crosswalk.place(id, kindCrosswalk)
	}
	var j Job
	var file bool
	if err == nil {
		j, file, err = s.end(id, "done", receipt, r.record, r.put)
	}
	if err != nil {
		if !errors.Is(err, ErrState) { // or the files belong to a job that has ended
			s.remove(id, kindOutput)
			s.remove(id, kindCrosswalk)
		}
		return err
	}
	room, size := j.InputBytes, j.OutputBytes
	r.output.settle()
	if r.crosswalk != nil {
		r.crosswalk.settle()
	}
	r.output, r.crosswalk = nil, nil
	// Held so far: the input, the room, and what the result took beyond the room. From now on: the
	// result.
	s.usage.of(j.Tenant).give(j.InputBytes + room + max(size-room, 0) - size)
	s.over(j, file)
	return nil
}

// put stores what is not a file.
func (r *Result) put(tx *bbolt.Tx) error {
	if err := r.output.keep(tx, r.job.ID, kindOutput); err != nil || r.crosswalk == nil {
		return err
	}
	return r.crosswalk.keep(tx, r.job.ID, kindCrosswalk)
}

func (r *Result) record(j *Job) {
	j.State, j.Code = Done, ""
	j.OutputBytes = r.output.size
	if r.crosswalk != nil {
		j.CrosswalkBytes = r.crosswalk.size
	}
}
