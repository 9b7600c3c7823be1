package fleet_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
)

func TestEnclaveDies(t *testing.T) {
	for name, die := range map[string]enclavetest.Handler{
		"before any result":      enclavetest.Die(false),
		"after part of a result": enclavetest.Die(true),
		"failed but happened":    enclavetest.DieAfter,
	} {
		t.Run(name, func(t *testing.T) {
			bad := enclavetest.New(t, image)
			bad.Handle(die)
			bad.Start(t)
			r := start(t, t.TempDir(), spool.Options{}, options(), bad)
			id := r.submit(t, "t", image, "body")
			until(t, "an attempt", func() bool { return bad.Total.Load() > 0 })
			bad.Handle(enclavetest.Echo)
			if j := r.mustDone(t, id, "body"); j.Attempts < 2 {
				t.Errorf("got %d attempts, want more than one", j.Attempts)
			}
		})
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	e.Handle(enclavetest.Die(true))
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	j := r.wait(t, r.submit(t, "t", image, strings.Repeat("x", 1<<20)))
	if j.State != spool.Failed || j.Code != spool.EnclaveLost || e.Total.Load() != 3 {
		t.Errorf("got %s %s after %d attempts, want %s after 3", j.State, j.Code, e.Total.Load(), spool.EnclaveLost)
	}
	if got := r.spool.Bytes(); got != 0 {
		t.Errorf("got %d bytes held, want none", got)
	}
}

// An enclave that says done without a result, or before it can have seen the whole job, has not
// done it.
func TestDoneThatCannotBe(t *testing.T) {
	for name, h := range map[string]enclavetest.Handler{
		"without a result": func(j *enclavetest.Job) error {
			_, err := io.Copy(io.Discard, j.Input)
			return errors.Join(err, j.Conn.Send(message.Done{Receipt: enclavetest.Receipt}))
		},
		"before the end": func(j *enclavetest.Job) error {
			err := errors.Join(j.Conn.SendData(frame.Result, []byte("a result")), j.Conn.Send(message.Done{Receipt: enclavetest.Receipt}))
			return errors.Join(err, errors.New("reads no more"))
		},
	} {
		e := enclavetest.New(t, image).Start(t)
		e.Handle(h)
		r := start(t, t.TempDir(), spool.Options{}, options(), e)
		// More than kernels buffer, so that it cannot all have been sent.
		if j := r.wait(t, r.submit(t, "t", image, strings.Repeat("x", 16<<20))); j.State != spool.Failed || j.Code != spool.EnclaveLost {
			t.Errorf("%s: got %s %s, want %s", name, j.State, j.Code, spool.EnclaveLost)
		}
		r.stop()
	}
}

func TestRefusalKeepsTheConnection(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	e.Handle(enclavetest.Refuse(code.KMSDenied))
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	j := r.wait(t, r.submit(t, "t", image, strings.Repeat("x", 4<<20)))
	if j.Code != code.KMSDenied || e.Total.Load() != 1 {
		t.Errorf("got %s after %d attempts, want %s after 1", j.Code, e.Total.Load(), code.KMSDenied)
	}
	if b, err := r.spool.Receipt(j.ID); err != nil || string(b) != "failure leaf" {
		t.Errorf("got receipt %q, %v, want the failure leaf", b, err)
	}
	e.Handle(enclavetest.Echo)
	r.mustDone(t, r.submit(t, "t", image, "next"), "next")
}

func TestBusyDoesNotCount(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	e.Handle(enclavetest.Refuse(code.Busy))
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	id := r.submit(t, "t", image, "x")
	until(t, "many refusals", func() bool { return e.Total.Load() > 5 })
	e.Handle(enclavetest.Echo)
	if j := r.mustDone(t, id, "x"); j.Attempts != 1 {
		t.Errorf("got %d attempts, want 1: busy does not count", j.Attempts)
	}
}

// A wedged enclave is noticed within 10 s with the real timings, its jobs run elsewhere, and it is
// used again when it answers.
func TestWedgedEnclave(t *testing.T) {
	a, b := enclavetest.New(t, image), enclavetest.New(t, image)
	a.Capacity = 9
	a.Start(t)
	o := options()
	o.ProbeEvery, o.ProbeTime, o.ProbeAgain = 0, 0, 0 // the defaults
	r := start(t, t.TempDir(), spool.Options{}, o, a, b)
	until(t, "ready", r.fleet.Ready)
	release := make(chan struct{})
	defer close(release)
	a.Handle(enclavetest.Block(release))
	id := r.submit(t, "t", image, "x")
	until(t, "job on a", func() bool { return a.Running.Load() == 1 })
	a.Wedge()
	begun := time.Now()
	until(t, "a is out", func() bool { return !r.fleet.Ready() })
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("noticed after %s, want within 10 s", took)
	}
	b.Start(t)
	r.mustDone(t, id, "x")
	b.Kill()
	until(t, "b is out", func() bool { return !r.fleet.Ready() })
	a.Unwedge()
	until(t, "a is back", r.fleet.Ready)
}

func TestReplaceCommand(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	e := enclavetest.New(t, image).Start(t)
	o := options()
	o.Enclaves = []fleet.Enclave{{Name: "one", Replace: []string{"/bin/sh", "-c", `echo "$ANCHORHOLD_ENCLAVE" >> "$0"`, mark}}}
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	until(t, "ready", r.fleet.Ready)
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("replaced an enclave that answers")
	}
	e.Kill()
	until(t, "replaced", func() bool { b, _ := os.ReadFile(mark); return strings.HasPrefix(string(b), "one\n") })
	e.Start(t)
	until(t, "back", r.fleet.Ready)
	r.mustDone(t, r.submit(t, "t", image, "x"), "x")
}

// A replace command that hangs is ended with the fleet, its children too.
func TestReplaceCommandHangs(t *testing.T) {
	e := enclavetest.New(t, image)
	o := options()
	o.Enclaves = []fleet.Enclave{{Name: "one", Replace: []string{"/bin/sh", "-c", "sleep 1000; true"}}}
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	time.Sleep(100 * time.Millisecond)
	begun := time.Now()
	r.stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestRestartMidJob(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	release := make(chan struct{})
	e.Handle(enclavetest.Block(release))
	dir := t.TempDir()
	o := options()
	o.Drain = 10 * time.Millisecond
	r := start(t, dir, spool.Options{}, o, e)
	id := r.submit(t, "t", image, "x")
	until(t, "job runs", func() bool { return e.Running.Load() == 1 })
	r.stop()
	close(release)
	r = start(t, dir, spool.Options{}, o, e)
	if j := r.mustDone(t, id, "x"); j.Attempts != 1 {
		t.Errorf("got %d attempts, want 1: a stop of ours does not count", j.Attempts)
	}
}

func TestDrainLetsJobsEnd(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	release := make(chan struct{})
	e.Handle(enclavetest.Block(release))
	dir, o := t.TempDir(), options()
	o.Drain = 10 * time.Second
	r := start(t, dir, spool.Options{}, o, e)
	id := r.submit(t, "t", image, "x")
	until(t, "job runs", func() bool { return e.Running.Load() == 1 })
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	r.stop()
	r = start(t, dir, spool.Options{}, o)
	r.mustDone(t, id, "x")
}

func TestResultThatDoesNotFit(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	r := start(t, t.TempDir(), spool.Options{MaxBytes: 100}, options(), e)
	// The crosswalk takes the byte that is one too many.
	a := r.submit(t, "t", image, strings.Repeat("x", 50))
	if j := r.wait(t, a); j.Code != spool.SpoolFull || e.Total.Load() != 1 {
		t.Errorf("got %s %s after %d runs, want %s after one", j.State, j.Code, e.Total.Load(), spool.SpoolFull)
	}
	r.mustDone(t, r.submit(t, "t", image, strings.Repeat("x", 49)), strings.Repeat("x", 49))
}

func TestJobTime(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	release := make(chan struct{})
	defer close(release)
	e.Handle(enclavetest.Block(release))
	o := options()
	o.JobTime = 100 * time.Millisecond
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	if j := r.wait(t, r.submit(t, "t", image, "x")); j.Code != code.Timeout || e.Total.Load() != 1 {
		t.Errorf("got %s after %d runs, want %s after one", j.Code, e.Total.Load(), code.Timeout)
	}
}

func TestQueueTime(t *testing.T) {
	e := enclavetest.New(t, image) // never started
	o := options()
	o.QueueTime = 50 * time.Millisecond
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	if j := r.wait(t, r.submit(t, "t", image, "x")); j.Code != code.Timeout {
		t.Errorf("got %s, want %s", j.Code, code.Timeout)
	}
}
