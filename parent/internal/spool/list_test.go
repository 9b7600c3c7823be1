package spool_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
)

// pages lists the tenant's open jobs in pages and returns the ids, and the most steps that a page
// took.
func pages(t *testing.T, s *spool.Spool, tenant string, limit int) (ids []string, steps int) {
	t.Helper()
	for after := spool.Position(""); ; {
		p, err := s.List(tenant, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Jobs) > limit || p.More && len(p.Jobs) == 0 {
			t.Fatalf("got %d jobs, more %v, want 1 to %d", len(p.Jobs), p.More, limit)
		}
		steps = max(steps, p.Steps)
		for _, j := range p.Jobs {
			if j.Tenant != tenant || j.Ended() {
				t.Fatalf("got a job of %s, %s, want open ones of %s", j.Tenant, j.State, tenant)
			}
			ids = append(ids, j.ID)
		}
		if !p.More {
			return ids, steps
		}
		after = p.Next
	}
}

// fill writes jobs into the database of a closed spool, as an earlier version did: without an
// index.
func fill(t *testing.T, dir string, jobs []spool.Job) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "state.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"open", "settings"} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		// In the order of the keys: otherwise bbolt moves half of what was put before for each.
		slices.SortFunc(jobs, func(a, b spool.Job) int { return strings.Compare(a.ID, b.ID) })
		for _, j := range jobs {
			b, err := json.Marshal(j)
			if err != nil {
				return err
			}
			if err := tx.Bucket([]byte("jobs")).Put([]byte(j.ID), b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// job returns the n-th job record of a test. Ids come in another order than times.
func job(n int, tenant string, state spool.State) spool.Job {
	digits := strings.NewReplacer("0", "a", "1", "b", "8", "c", "9", "d").Replace(fmt.Sprintf("%032d", n*7919%1_000_003))
	m := meta(tenant, 0)
	m.MessageID = [32]byte{byte(n), byte(n >> 8), byte(n >> 16)}
	at := time.Date(2026, 1, 1, 0, 0, 0, n*1000, time.UTC)
	j := spool.Job{ID: digits, Meta: m, State: state, Accepted: at, InputBytes: 1}
	if j.Ended() {
		j.Finished, j.Expires = at, at.Add(1<<40)
	}
	return j
}

// A page costs what it holds, among 100,000 jobs of others and of the tenant's own that have ended,
// and however many of its own are open.
func TestWorkPerPageIsBoundedByThePage(t *testing.T) {
	dir := t.TempDir()
	open(t, spool.Options{Dir: dir}).Close()
	var jobs []spool.Job
	want := map[string]int{}
	for n := range 100_000 {
		tenant, state := "a", spool.Done
		switch {
		case n%10 < 3:
			tenant, state = "ab", spool.Queued
		case n%10 < 6:
			state = spool.Queued
		case n%100 == 99:
			tenant, state = "b", spool.Queued
		}
		if state == spool.Queued {
			want[tenant]++
		}
		jobs = append(jobs, job(n, tenant, state))
	}
	fill(t, dir, jobs)
	s := open(t, spool.Options{Dir: dir}) // builds the index
	for tenant, want := range want {
		const limit = 250
		ids, steps := pages(t, s, tenant, limit)
		if len(ids) != want {
			t.Errorf("%s: got %d jobs, want %d", tenant, len(ids), want)
		}
		if steps > limit+1 {
			t.Errorf("%s: a page took %d steps, want at most %d", tenant, steps, limit+1)
		}
	}
	if ids, steps := pages(t, s, "nobody", 10); len(ids) != 0 || steps != 0 {
		t.Errorf("got %d jobs in %d steps of a tenant without any", len(ids), steps)
	}
	first, _ := pages(t, s, "b", 7)
	again, _ := pages(t, s, "b", 1000)
	if !slices.Equal(first, again) {
		t.Error("the order depends on the size of the pages")
	}
	byAge := func(a, b string) int { x, _ := s.Get(a); y, _ := s.Get(b); return x.Accepted.Compare(y.Accepted) }
	if !slices.IsSortedFunc(first, byAge) {
		t.Error("the jobs are not in the order of their acceptance")
	}
}

// Jobs end and arrive between two pages: those that stay are listed once each.
func TestListWhileJobsEnd(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := open(t, spool.Options{Now: c.now})
	var ids []string
	next := func(n byte) {
		c.t = c.t.Add(time.Second)
		ids = append(ids, mustAdd(t, s, meta("a", n), "x").ID)
	}
	for n := range byte(6) {
		next(n)
	}
	p, err := s.List("a", "", 3)
	if err != nil || len(p.Jobs) != 3 || !p.More {
		t.Fatalf("got %d jobs, %v", len(p.Jobs), err)
	}
	// The one that the position names, one before and one after.
	for _, i := range []int{2, 0, 4} {
		if err := s.Fail(ids[i], code.Internal, nil); err != nil {
			t.Fatal(err)
		}
	}
	next(6)
	p, err = s.List("a", p.Next, 10)
	if err != nil || p.More {
		t.Fatalf("got %v, more %v", err, p.More)
	}
	var got []string
	for _, j := range p.Jobs {
		got = append(got, j.ID)
	}
	if want := []string{ids[3], ids[5], ids[6]}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Names of which one is the start of the other, and positions of another tenant, lead nowhere else.
func TestListKeepsTenantsApart(t *testing.T) {
	s := open(t, spool.Options{})
	mine := mustAdd(t, s, meta("a", 1), "x").ID
	for i, other := range []string{"aa", "ab", "a.", "b"} {
		mustAdd(t, s, meta(other, byte(2+i)), "x")
	}
	if ids, _ := pages(t, s, "a", 10); !slices.Equal(ids, []string{mine}) {
		t.Errorf("got %v, want the tenant's own", ids)
	}
	p, err := s.List("b", "", 10)
	if err != nil || len(p.Jobs) != 1 {
		t.Fatalf("got %d jobs, %v", len(p.Jobs), err)
	}
	if q, err := s.List("a", p.Next, 10); err != nil || len(q.Jobs) != 0 {
		t.Errorf("got %d jobs, %v, after another tenant's position", len(q.Jobs), err)
	}
}

// A spool of an earlier version, and one that an earlier version has been at in between, get their
// index when they are opened; doing so may fail, or fail after it has happened.
func TestIndexIsBuiltAtOpen(t *testing.T) {
	for _, after := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, spool.Options{Dir: dir})
		stale := mustAdd(t, s, meta("a", 9), "x").ID
		s.Close()
		fill(t, dir, []spool.Job{job(1, "a", spool.Queued), job(2, "b", spool.Queued), job(3, "a", spool.Done), job(4, "a", spool.Queued)})
		f := &faultOnce{step: "index", after: after}
		if _, err := spool.Open(spool.Options{Dir: dir, Fault: f.fault, MaxBytes: 1 << 30, MaxQueued: 9, Retention: time.Hour}); !errors.Is(err, errFault) {
			t.Fatalf("got %v, want the fault", err)
		}
		s = open(t, spool.Options{Dir: dir})
		if ids, _ := pages(t, s, "a", 1); !slices.Equal(ids, []string{job(1, "a", "").ID, job(4, "a", "").ID, stale}) {
			t.Errorf("got %v, want the three open jobs", ids)
		}
		s.Close()
		// The earlier version ends one and accepts one.
		db, err := bbolt.Open(filepath.Join(dir, "state.db"), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			for _, j := range []spool.Job{job(1, "a", spool.Failed), job(5, "a", spool.Queued)} {
				b, _ := json.Marshal(j)
				if err := tx.Bucket([]byte("jobs")).Put([]byte(j.ID), b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
		s = open(t, spool.Options{Dir: dir})
		if ids, _ := pages(t, s, "a", 2); !slices.Equal(ids, []string{job(4, "a", "").ID, job(5, "a", "").ID, stale}) {
			t.Errorf("got %v, want the index to follow the records", ids)
		}
		s.Close()
	}
}

// The secret of the cursors stays from one start to the next, and no two spools have the same.
func TestSecretStays(t *testing.T) {
	dir := t.TempDir()
	f := &faultOnce{step: "secret", after: true}
	if _, err := spool.Open(spool.Options{Dir: dir, Fault: f.fault, MaxBytes: 1}); !errors.Is(err, errFault) {
		t.Fatalf("got %v, want the fault", err)
	}
	s := open(t, spool.Options{Dir: dir})
	first := s.Secret()
	s.Close()
	if s = open(t, spool.Options{Dir: dir}); s.Secret() != first || first == [32]byte{} {
		t.Error("the secret changes, or is zero")
	}
	if open(t, spool.Options{}).Secret() == first {
		t.Error("two spools have one secret")
	}
}
