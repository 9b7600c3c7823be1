package spool

import (
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// Input opens the job file of a job that has not ended. The caller closes it.
func (s *Spool) Input(id string) (*os.File, error) {
	j, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	if j.Ended() {
		return nil, ErrState
	}
	return os.Open(s.path(bodies, id+"."+kindInput))
}

// OpenResult opens the sealed result of a job that is done, after an audit entry. The caller closes the file, which
// stays readable when the job expires meanwhile.
func (s *Spool) OpenResult(id string) (*os.File, error) {
	return s.open(id, kindOutput, func(j Job) bool { return j.State == Done })
}

// OpenCrosswalk opens the sealed crosswalk likewise. The error is ErrNotFound for a job without one.
func (s *Spool) OpenCrosswalk(id string) (*os.File, error) {
	return s.open(id, kindCrosswalk, func(j Job) bool { return j.State == Done && j.Crosswalk != "" })
}

func (s *Spool) open(id, kind string, has func(Job) bool) (*os.File, error) {
	j, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	if !has(j) {
		return nil, ErrNotFound
	}
	if err := s.audit.write(entry{Act: "read", Part: kind, Job: &j}); err != nil {
		return nil, err
	}
	return os.Open(s.path(bodies, id+"."+kind))
}

// Receipt returns the receipt file of a job that has ended, or ErrNotFound when there is none.
func (s *Spool) Receipt(id string) ([]byte, error) {
	var receipt []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketReceipts).Get([]byte(id))
		if b == nil {
			return ErrNotFound
		}
		receipt = slices.Clone(b) // b is gone with the transaction
		return nil
	})
	return receipt, err
}
