package spool_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
)

var errFault = errors.New("fault")

// faultOnce fails the n-th occurrence of a step: before it has happened, or after.
type faultOnce struct {
	step  string
	after bool
	n     int
	hit   bool
}

func (f *faultOnce) fault(step string, done bool) error {
	if f.hit || step != f.step || done != f.after {
		return nil
	}
	if f.n--; f.n >= 0 {
		return nil
	}
	f.hit = true
	return errFault
}

// Each side effect fails once, and once fails although it has happened. Whatever the call said,
// after a crash at that point: an accepted job is there with its body, a result is whole or absent,
// and repeating the call gets it done. Bodies are files, or lie in the database.
func TestFaultsInPairs(t *testing.T) {
	for inline, steps := range map[int64][]string{
		0:    {"create", "write", "sync", "rename", "audit", "accept", "start", "done", "remove"},
		1024: {"audit", "accept", "start", "done"},
	} {
		for _, step := range steps {
			for _, after := range []bool{false, true} {
				name := fmt.Sprintf("inline %d: %s failed", inline, step)
				if after {
					name += " but happened"
				}
				for n := range 3 {
					t.Run(name, func(t *testing.T) {
						f := &faultOnce{step: step, after: after, n: n}
						runFault(t, f, inline)
						if n == 0 && !f.hit {
							t.Error("the step never came: this tested nothing")
						}
					})
				}
			}
		}
	}
}

func runFault(t *testing.T, f *faultOnce, inline int64) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Fault: f.fault, Inline: inline})
	const body, output = "a job file", "a sealed result"
	reopen := func(t *testing.T, s *spool.Spool, dir string, f *faultOnce) *spool.Spool {
		return reopenInline(t, s, dir, f, inline)
	}
	j, _, err := add(s, meta("a", 1), body)
	if err != nil {
		if !errors.Is(err, errFault) {
			t.Fatalf("got %v, want the fault", err)
		}
		s = reopen(t, s, dir, f)
		if pending, err := s.Pending(); err != nil || len(pending) > 1 {
			t.Fatalf("got %v, %v after a refused job", pending, err)
		}
		if j, _, err = add(s, meta("a", 1), body); err != nil {
			t.Fatalf("got %v when repeated", err)
		}
	}
	err = finish(s, j.ID, output)
	s = reopen(t, s, dir, f)
	if now, lost := s.Get(j.ID); lost != nil {
		t.Fatalf("job lost after %v: %v", err, lost)
	} else if err == nil && now.State != spool.Done {
		t.Fatalf("got %s after a result that was committed", now.State)
	} else if now.State != spool.Done {
		if now.State != spool.Queued {
			t.Fatalf("got %s after a restart, want queued", now.State)
		}
		if ids, _ := pages(t, s, "a", 10); !slices.Equal(ids, []string{j.ID}) {
			t.Errorf("got %v in the list of open jobs, want %s", ids, j.ID)
		}
		if err := finish(s, j.ID, output); err != nil {
			t.Fatalf("got %v when repeated", err)
		}
	}
	if ids, _ := pages(t, s, "a", 10); len(ids) != 0 {
		t.Errorf("got %v in the list of open jobs, want none", ids)
	}
	if got := content(t, s, j.ID); got != output {
		t.Errorf("got result %q, want %q", got, output)
	}
	if _, err := s.Receipt(j.ID); err != nil {
		t.Errorf("receipt: %v", err)
	}
	s = reopen(t, s, dir, f)
	if got, want := s.Bytes(), int64(len(output)); got != want {
		t.Errorf("got %d bytes held, want %d", got, want)
	}
	files := 1
	if inline > 0 {
		files = 0
	}
	if got := list(t, dir, "bodies"); len(got) != files {
		t.Errorf("got bodies %v, want %d: the result only", got, files)
	}
	if files := list(t, dir, "partial"); len(files) != 0 {
		t.Errorf("got partial files %v", files)
	}
}

// reopen is a crash: nothing is tidied, and the next process opens the directory.
func reopen(t *testing.T, s *spool.Spool, dir string, f *faultOnce) *spool.Spool {
	t.Helper()
	return reopenInline(t, s, dir, f, 0)
}

func reopenInline(t *testing.T, s *spool.Spool, dir string, f *faultOnce, inline int64) *spool.Spool {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o := spool.Options{Dir: dir, Fault: f.fault, Inline: inline, MaxBytes: 1 << 30, MaxQueued: 100, Retention: 1 << 40}
	s, err := spool.Open(o)
	if errors.Is(err, errFault) {
		s, err = spool.Open(o)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The audit entry comes before the act: where it cannot be written, nothing is done.
func TestNoActWithoutAudit(t *testing.T) {
	broken := false
	s := open(t, spool.Options{Fault: func(step string, done bool) error {
		if broken && step == "audit" && !done {
			return errFault
		}
		return nil
	}})
	j := mustAdd(t, s, meta("a", 1), "x")
	broken = true
	if _, _, err := add(s, meta("a", 2), "x"); !errors.Is(err, spool.ErrAudit) {
		t.Errorf("accept: got %v, want ErrAudit", err)
	}
	if _, err := s.Start(j.ID, "e"); !errors.Is(err, spool.ErrAudit) {
		t.Errorf("start: got %v, want ErrAudit", err)
	}
	if err := s.Fail(j.ID, code.Internal, nil); !errors.Is(err, spool.ErrAudit) {
		t.Errorf("fail: got %v, want ErrAudit", err)
	}
	broken = false
	if got, err := s.Get(j.ID); err != nil || got.State != spool.Queued {
		t.Errorf("got %v, %v, want the job as it was", got.State, err)
	}
	if pending, _ := s.Pending(); len(pending) != 1 {
		t.Errorf("got %d jobs, want 1", len(pending))
	}
}

func TestLog(t *testing.T) {
	f := &faultOnce{step: "log", after: true, n: 0}
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Fault: f.fault})
	batches := []spool.Batch{{Number: 0, Document: []byte{0}}, {Number: 1, Document: []byte{1}}}
	// Failed but happened: appending again adds nothing twice.
	if _, err := s.Append("e", "b", batches); !errors.Is(err, errFault) {
		t.Fatalf("got %v, want the fault", err)
	}
	s = reopen(t, s, dir, f)
	if missed, err := s.Append("e", "b", append(batches, spool.Batch{Number: 2})); err != nil || missed != 0 {
		t.Fatalf("got %d missed, %v, want none", missed, err)
	}
	if _, err := s.Append("e", "b", []spool.Batch{{Number: 3}, {Number: 5}}); !errors.Is(err, spool.ErrGap) {
		t.Errorf("got %v, want a gap", err)
	}
	if missed, err := s.Append("e", "c", []spool.Batch{{Number: 0}}); err != nil || missed != 0 {
		t.Fatalf("got %d missed, %v, want none", missed, err)
	}
	got, err := s.Batches(1, 2)
	if err != nil || len(got) != 2 || got[0].Sequence != 1 || got[0].Number != 1 || got[1].Number != 2 {
		t.Errorf("got %+v, %v, want sequences 1 and 2", got, err)
	}
	if got, _ := s.Batches(0, 100); len(got) != 4 || got[3].Boot != "c" {
		t.Errorf("got %+v, want four batches", got)
	}
	// What the enclave has forgotten is gone; what it still has must not go too.
	if missed, err := s.Append("e", "b", []spool.Batch{{Number: 7}, {Number: 8}}); err != nil || missed != 4 {
		t.Fatalf("got %d missed, %v, want 4", missed, err)
	}
	if n, err := s.NextBatch("e", "b"); err != nil || n != 9 {
		t.Errorf("got next batch %d, %v, want 9", n, err)
	}
}

// A job that ran when the process ended is queued again, and the attempt counts, whether or not
// saying so failed at first.
func TestRunningAtACrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, spool.Options{Dir: dir})
		j := mustAdd(t, s, meta("a", 1), "x")
		if _, err := s.Start(j.ID, "e"); err != nil {
			t.Fatal(err)
		}
		r, err := s.NewResult(j.ID)
		if err != nil {
			t.Fatal(err)
		}
		r.Write([]byte("half a result"))
		f := &faultOnce{step: "requeue", after: after}
		s = reopen(t, s, dir, f)
		got, err := s.Get(j.ID)
		if err != nil || got.State != spool.Queued || got.Attempts != 1 || !f.hit {
			t.Errorf("got %+v, %v, want queued with one attempt", got, err)
		}
		if files := list(t, dir, "partial"); len(files) != 0 {
			t.Errorf("got partial files %v", files)
		}
		if got := s.Bytes(); got != 2 {
			t.Errorf("got %d bytes held, want 2", got)
		}
	}
}

// Neither a restart nor a crash of the parent is a death, nor does it take one away; and saying
// that an enclave died may fail, or fail after it has happened.
func TestDeathsAreDurable(t *testing.T) {
	for _, after := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, spool.Options{Dir: dir})
		j := mustAdd(t, s, meta("a", 1), "x")
		for range 3 {
			if _, err := s.Start(j.ID, "e"); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, s, dir, &faultOnce{}) // a crash while it runs
			if got, err := s.Get(j.ID); err != nil || got.Deaths != 0 || got.State != spool.Queued {
				t.Fatalf("got %d deaths, %s, %v, want none and queued after a crash of the parent", got.Deaths, got.State, err)
			}
		}
		f := &faultOnce{step: "died", after: after}
		s = reopen(t, s, dir, f)
		if _, err := s.Start(j.ID, "e"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Died(j.ID, 1, "h"); !errors.Is(err, errFault) {
			t.Fatalf("got %v, want the fault", err)
		}
		if _, err := s.Died(j.ID, 1, "h"); err != nil {
			t.Fatalf("got %v when repeated", err)
		}
		for crashes := range 2 {
			s = reopen(t, s, dir, f)
			got, err := s.Get(j.ID)
			if err != nil || got.Deaths != 1 || got.DeathHost != "h" || !got.Suspect() || got.State != spool.Queued {
				t.Errorf("got %d deaths in %q, %s, %v, want 1 in h and queued after a restart", got.Deaths, got.DeathHost, got.State, err)
			}
			// Those of crashes of the parent count, that of the death does not, nor does it take
			// one of them away when it is repeated.
			if want := 3 + crashes; got.Attempts != want {
				t.Errorf("got %d attempts, want %d", got.Attempts, want)
			}
			if _, err := s.Start(j.ID, "e"); err != nil { // and a crash while it runs alone
				t.Fatal(err)
			}
		}
		if err := s.Fail(j.ID, spool.Poison, nil); err != nil {
			t.Fatal(err)
		}
		// Attack: the client posts it again for ever. Each time would cost two enclaves.
		again, created, err := add(s, meta("a", 1), "x")
		if err != nil || created || again.ID != j.ID || again.Code != spool.Poison {
			t.Errorf("got %s %s, created %v, %v, want the job that failed", again.ID, again.Code, created, err)
		}
		if got := s.Bytes(); got != 0 {
			t.Errorf("got %d bytes held, want none", got)
		}
		if _, err := s.Died(j.ID, 2, "h"); !errors.Is(err, spool.ErrState) {
			t.Errorf("got %v for a job that has ended, want %v", err, spool.ErrState)
		}
	}
}
