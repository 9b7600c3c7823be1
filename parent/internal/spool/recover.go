package spool

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/bbolt"
)

// recover repairs what a crash left: partial bodies and bodies that no record needs are removed,
// jobs that were running are queued again, reservations are counted anew. It runs before anything
// else.
func (s *Spool) recover() error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketJobs, bucketIdentity, bucketReceipts, bucketLog, bucketNext, bucketBodies, bucketOpen, bucketSettings} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.clear(partial, func(string) bool { return false }); err != nil {
		return err
	}
	if err := s.loadSecret(); err != nil {
		return err
	}
	needed, open, running := map[string]bool{}, map[string]bool{}, []string{}
	err = s.each(func(j Job) error {
		switch {
		case j.State == Done:
			needed[j.ID+"."+kindOutput] = true
			needed[j.ID+"."+kindCrosswalk] = j.HasCrosswalk()
			s.usage.of(j.Tenant).force(j.OutputBytes + j.CrosswalkBytes)
		case !j.Ended():
			needed[j.ID+"."+kindInput] = true
			open[string(openKey(j.Tenant, positionOf(j)))] = true
			s.usage.of(j.Tenant).force(2 * j.InputBytes)
			s.active[j.Tenant]++
			if j.State == Running {
				running = append(running, j.ID)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.repairIndex(open); err != nil {
		return err
	}
	if err := s.clear(bodies, func(name string) bool { return needed[name] }); err != nil {
		return err
	}
	for _, id := range running {
		// The attempt counts: a job that takes the parent down with it must not do so for ever.
		if _, err := s.Requeue(id, true); err != nil {
			return err
		}
		s.opts.Log.Warn("job queued again after a restart", "job", id)
	}
	return nil
}

// clear removes the files of a folder that keep does not want.
func (s *Spool) clear(dir string, keep func(name string) bool) error {
	entries, err := os.ReadDir(s.path(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if keep(e.Name()) {
			continue
		}
		if err := os.Remove(s.path(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(s.path(dir))
}

// Sweep forgets jobs whose retention has passed, their results and receipts with them. Run it now
// and then.
func (s *Spool) Sweep() error {
	now := s.opts.Now()
	var old []Job
	err := s.each(func(j Job) error {
		if j.Ended() && now.After(j.Expires) {
			old = append(old, j)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(old, sweepGroup) {
		errs := make([]error, len(some))
		var all sync.WaitGroup
		for i, j := range some {
			all.Go(func() { errs[i] = s.expire(j) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// sweepGroup is how many jobs expire at once and share their syncs: one by one they might not keep
// up with those that come.
const sweepGroup = 64

func (s *Spool) expire(j Job) error {
	inline := map[string]bool{}
	err := s.do("expire", &entry{Act: "expire", Job: &j}, func(tx *bbolt.Tx) (err error) {
		ids := tx.Bucket(bucketIdentity)
		// The identity may belong to a later run of a job that failed.
		if string(ids.Get(j.identity())) == j.ID {
			if err := ids.Delete(j.identity()); err != nil {
				return err
			}
		}
		for _, kind := range []string{kindOutput, kindCrosswalk} {
			if inline[kind], err = take(tx, j.ID, kind); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bucketReceipts).Delete([]byte(j.ID)); err != nil {
			return err
		}
		return tx.Bucket(bucketJobs).Delete([]byte(j.ID))
	})
	if err != nil {
		if _, there := s.Get(j.ID); !errors.Is(there, ErrNotFound) {
			return err
		}
	}
	if j.State == Done {
		s.usage.of(j.Tenant).give(j.OutputBytes + j.CrosswalkBytes)
		if !inline[kindOutput] {
			s.remove(j.ID, kindOutput)
		}
		if j.HasCrosswalk() && !inline[kindCrosswalk] {
			s.remove(j.ID, kindCrosswalk)
		}
	}
	return nil
}

func sortByAge(jobs []Job) {
	slices.SortFunc(jobs, func(a, b Job) int {
		if c := a.Accepted.Compare(b.Accepted); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}
