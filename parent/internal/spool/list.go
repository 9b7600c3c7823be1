package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// Position is a place in the list of a tenant's jobs that have not ended, which is ordered by
// acceptance: bytes that only this package reads. The empty one is before the first job.
type Position string

func positionOf(j Job) Position {
	return Position(append(binary.BigEndian.AppendUint64(nil, uint64(j.Accepted.UnixNano())), j.ID...))
}

// Page is a part of that list.
type Page struct {
	Jobs  []Job
	Next  Position // of the last job in Jobs, when More
	More  bool     // there are jobs after Next
	Steps int      // index entries visited: at most one more than the limit
}

// Keys of bucketOpen: the tenant's length and name, then the position. Only a tenant's own entries
// have its prefix: with the length in front, no name is the start of another's key.
func openPrefix(tenant string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(tenant))), tenant...)
}

func openKey(tenant string, p Position) []byte {
	return append(openPrefix(tenant), p...)
}

// List returns up to limit of the tenant's jobs that have not ended, those accepted after the
// position, oldest first. What it reads is bounded by limit, whatever the spool holds.
func (s *Spool) List(tenant string, after Position, limit int) (Page, error) {
	var p Page
	prefix := openPrefix(tenant)
	from := openKey(tenant, after)
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketOpen).Cursor()
		for k, _ := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if p.Steps++; len(p.Jobs) == limit {
				p.More = true
				return nil
			}
			if bytes.Equal(k, from) {
				p.Steps-- // the position itself, at most once
				continue
			}
			j, err := openJob(tx, k)
			if err != nil {
				return err
			}
			p.Jobs, p.Next = append(p.Jobs, j), positionOf(j)
		}
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	return p, nil
}

// openJob returns the job that a key of bucketOpen names.
func openJob(tx *bbolt.Tx, key []byte) (Job, error) {
	if len(key) < idChars {
		return Job{}, errors.New("malformed index of jobs")
	}
	j, err := get(tx, string(key[len(key)-idChars:]))
	if err != nil || j.Ended() {
		return Job{}, fmt.Errorf("index of jobs names one that is not there: %w", err)
	}
	return j, nil
}

// Pending returns the jobs that have not ended, oldest first.
func (s *Spool) Pending() ([]Job, error) {
	var jobs []Job
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketOpen).ForEach(func(k, _ []byte) error {
			j, err := openJob(tx, k)
			jobs = append(jobs, j)
			return err
		})
	})
	sortByAge(jobs)
	return jobs, err
}

func indexOpen(tx *bbolt.Tx, j Job) error {
	return tx.Bucket(bucketOpen).Put(openKey(j.Tenant, positionOf(j)), []byte{})
}

func unindexOpen(tx *bbolt.Tx, j Job) error {
	return tx.Bucket(bucketOpen).Delete(openKey(j.Tenant, positionOf(j)))
}

// repairIndex makes bucketOpen that of the keys in want, in one transaction. Spools of earlier
// versions have none, and an earlier version that was run in between leaves one that is out of
// date.
func (s *Spool) repairIndex(want map[string]bool) error {
	same := true
	if err := s.db.View(func(tx *bbolt.Tx) error {
		n := 0
		err := tx.Bucket(bucketOpen).ForEach(func(k, _ []byte) error {
			n++
			same = same && want[string(k)]
			return nil
		})
		same = same && n == len(want)
		return err
	}); err != nil || same {
		return err
	}
	s.opts.Log.Info("index of jobs is built anew", "jobs", len(want))
	return s.fault("index", func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			if err := tx.DeleteBucket(bucketOpen); err != nil {
				return err
			}
			b, err := tx.CreateBucket(bucketOpen)
			if err != nil {
				return err
			}
			keys := make([]string, 0, len(want))
			for k := range want {
				keys = append(keys, k)
			}
			slices.Sort(keys) // pages of the database are then filled in order
			for _, k := range keys {
				if err := b.Put([]byte(k), []byte{}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

const secretBytes = 32

var secretKey = []byte("secret")

// Secret returns 32 random bytes that were made with the spool and stay: the key of the cursors
// that clients are given.
func (s *Spool) Secret() [secretBytes]byte { return s.secret }

// loadSecret reads or makes the secret.
func (s *Spool) loadSecret() error {
	return s.fault("secret", func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketSettings)
			if v := b.Get(secretKey); len(v) == secretBytes {
				copy(s.secret[:], v)
				return nil
			}
			rand.Read(s.secret[:]) // never fails, crypto/rand
			return b.Put(secretKey, s.secret[:])
		})
	})
}
