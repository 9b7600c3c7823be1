package fleet_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// Attack: the parent has given a job up, but the enclave still runs it, and it kills the enclave
// then. A job that must run alone is not placed with it, and not charged with that death.
func TestSuspectWaitsForJobsThatWereGivenUp(t *testing.T) {
	for name, want := range map[string]code.Code{"connection lost": spool.EnclaveLost, "timeout": code.Timeout, "parent restarted": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 4)
			release := make(chan struct{})
			var early atomic.Bool
			w.Handle(func(j *enclavetest.Job) error {
				b, err := io.ReadAll(j.Input)
				if err != nil {
					return err
				}
				if j.Input = bytes.NewReader(b); string(b) != poison || w.Total.Load() > 1 {
					early.Store(early.Load() || string(b) != poison && w.deaths.Load() == 0)
					return enclavetest.Echo(j)
				}
				if want == spool.EnclaveLost {
					j.Conn.Close()
				}
				select {
				case <-release:
				case <-j.Stop:
				}
				return w.die(j)
			})
			o := options()
			o.Attempts, o.Drain = 1, time.Millisecond
			o.ProbeEvery = time.Minute // what the parent knows is from before the job
			if want == code.Timeout {
				o.JobTime = 2 * time.Second
			}
			dir := t.TempDir()
			r := start(t, dir, spool.Options{}, o, w.Enclave)
			ghost := r.submit(t, "hostile", image, poison)
			if want == "" {
				until(t, "the job runs", func() bool { return w.Running.Load() == 1 })
				r.stop()
				n := r.n
				r = start(t, dir, spool.Options{}, o, w.Enclave)
				r.n = n
			} else if j := r.wait(t, ghost); j.Code != want {
				t.Fatalf("got %s %s, want %s", j.State, j.Code, want)
			}
			id := r.suspect(t, "t", "y")
			other := digest.Digest{9}
			for range 5 {
				r.fleet.Ask(t.Context(), other) // it would be placed now,
				// and this takes as long as the record of it
				r.accept(t, "t", image, "never submitted")
			}
			if j, err := r.spool.Get(id); err != nil || j.State != spool.Queued {
				t.Errorf("got %s, %v, want the job to wait for the one that was given up", j.State, err)
			}
			close(release)
			until(t, "the enclave has died and answers again", func() bool {
				return w.deaths.Load() == 1 && r.fleet.Ask(t.Context(), other) == fleet.No && w.Running.Load() == 0
			})
			if j := r.mustDone(t, id, "y"); j.Deaths != 1 || j.Attempts != 1 {
				t.Errorf("got %d deaths in %d attempts, want the one from before in 1", j.Deaths, j.Attempts)
			}
			if early.Load() {
				t.Error("the job ran while one that was given up still did")
			}
			if w.deaths.Load() != 1 {
				t.Errorf("got %d deaths, want 1: the attack did not happen", w.deaths.Load())
			}
		})
	}
}

// The host is restarted again and again, and the enclave is gone before the parent is: the job is
// not to blame. A second death in one boot counts.
func TestEndsOfTheHostAreNoPoison(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	never := make(chan struct{})
	defer close(never)
	e.Handle(enclavetest.Block(never))
	dir := t.TempDir()
	o := options()
	o.RetryAfter = time.Hour // not again in the same boot
	var id string
	for _, boot := range []string{"1", "2", "3"} {
		o.HostBoot = boot
		r := start(t, dir, spool.Options{}, o, e)
		if id == "" {
			id = r.submit(t, "t", image, "x")
		}
		until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
		e.Kill()
		until(t, "the death is recorded", func() bool {
			j, err := r.spool.Get(id)
			return err == nil && (j.Ended() || j.DeathHost == boot && j.State == spool.Queued)
		})
		if j, err := r.spool.Get(id); err != nil || j.State != spool.Queued || j.Deaths != 1 || j.Attempts != 0 {
			t.Fatalf("boot %s: got %s %s, %d deaths, %d attempts, %v, want queued with 1 death and no attempt", boot, j.State, j.Code, j.Deaths, j.Attempts, err)
		}
		r.stop()
		e.Start(t)
	}
	r := start(t, dir, spool.Options{}, o, e) // in boot 3 still
	until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
	e.Kill()
	if j := r.wait(t, id); j.Code != spool.Poison {
		t.Errorf("got %s %s after two deaths in one boot, want %s", j.State, j.Code, spool.Poison)
	}
}

// Attack: a neighbour kills the enclave. That takes none of the attempts that a job has against
// lost connections.
func TestDeathTakesNoAttempt(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	never := make(chan struct{})
	defer close(never)
	e.Handle(enclavetest.Block(never))
	o := options()
	o.Attempts = 2
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	id := r.submit(t, "t", image, "x")
	until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
	e.Kill()
	var lost atomic.Bool
	e.Handle(func(j *enclavetest.Job) error {
		if lost.CompareAndSwap(false, true) {
			return enclavetest.Die(true)(j)
		}
		return enclavetest.Echo(j)
	})
	e.Start(t)
	if j := r.mustDone(t, id, "x"); j.Deaths != 1 || j.Attempts != 2 {
		t.Errorf("got %d deaths and %d attempts, want 1 and 2", j.Deaths, j.Attempts)
	}
}

// The operator's stop is over, and its file gone, when the end of the enclave shows.
func TestStopThatIsOverIsNoDeath(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	never := make(chan struct{})
	defer close(never)
	e.Handle(enclavetest.Block(never))
	file := filepath.Join(t.TempDir(), "stop")
	o := options()
	o.Enclaves = []fleet.Enclave{{Name: "one", StopFile: file}}
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	id := r.submit(t, "t", image, "x")
	until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	from := e.Describes.Load()
	until(t, "the watcher has looked", func() bool { return e.Describes.Load() >= from+3 })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	e.Kill()
	e.Handle(enclavetest.Echo)
	e.Start(t)
	if j := r.mustDone(t, id, "x"); j.Deaths != 0 {
		t.Errorf("got %d deaths, want none", j.Deaths)
	}
}
