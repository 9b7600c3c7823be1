package spool

import (
	"bytes"
	"io"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// Body is a stored body. Its holder closes it.
type Body interface {
	io.ReadSeeker
	io.Closer
}

// inline is a body out of the database.
type inline struct{ *bytes.Reader }

func (inline) Close() error { return nil }

// body opens a stored body.
func (s *Spool) body(id, kind string) (b Body, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(bucketBodies).Get([]byte(id + "." + kind)); v != nil {
			b = inline{bytes.NewReader(slices.Clone(v))} // v is gone with the transaction
		}
		return nil
	})
	if err != nil || b != nil {
		return b, err
	}
	f, err := os.Open(s.path(bodies, id+"."+kind))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Input opens the job file of a job that has not ended.
func (s *Spool) Input(id string) (Body, error) {
	j, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	if j.Ended() {
		return nil, ErrState
	}
	return s.body(id, kindInput)
}

// OpenResult opens the sealed result of a job that is done, after an audit entry. It stays readable
// when the job expires meanwhile.
func (s *Spool) OpenResult(id string) (Body, error) {
	return s.open(id, kindOutput, func(j Job) bool { return j.State == Done })
}

// OpenCrosswalk opens the sealed crosswalk likewise. The error is ErrNotFound for a job without
// one.
func (s *Spool) OpenCrosswalk(id string) (Body, error) {
	return s.open(id, kindCrosswalk, func(j Job) bool { return j.State == Done && j.HasCrosswalk() })
}

func (s *Spool) open(id, kind string, has func(Job) bool) (Body, error) {
	j, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	if !has(j) {
		return nil, ErrNotFound
	}
	if err := s.do("read", &entry{Act: "read", Part: kind, Job: &j}, nil); err != nil {
		return nil, err
	}
	return s.body(id, kind)
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
