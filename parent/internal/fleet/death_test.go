package fleet_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
)

const poison = "P" // jobs whose body starts so kill the enclave

// ward is an enclave that a launcher starts again whenever a job has killed it.
type ward struct {
	*enclavetest.Enclave
	deaths atomic.Int64
	crash  chan struct{}
	mu     sync.Mutex
	alone  []bool // guarded by mu: of each run of a poison job, whether no other job ran
	gather int64  // the first poison job waits until so many jobs run
	// innocent jobs wait until it is closed, or they are killed; nil: they do not
	hold     chan struct{}
	inhabits func() // called by a poison job before it kills; nil: nothing
}

// newWard returns a started enclave whose innocent jobs wait to be killed until a poison job has
// run once.
func newWard(t *testing.T, capacity uint64) *ward {
	t.Helper()
	w := &ward{Enclave: enclavetest.New(t, image), crash: make(chan struct{})}
	w.Capacity = capacity
	w.Handle(w.run)
	w.Start(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range w.crash {
			w.Kill()
			w.Start(t)
		}
	}()
	t.Cleanup(func() {
		w.Kill()
		close(w.crash)
		<-ended
	})
	return w
}

func (w *ward) run(j *enclavetest.Job) error {
	b, err := io.ReadAll(j.Input)
	if err != nil {
		return err
	}
	j.Input = bytes.NewReader(b)
	if !bytes.HasPrefix(b, []byte(poison)) {
		if w.hold != nil && w.deaths.Load() == 0 {
			return enclavetest.Block(w.hold)(j)
		}
		return enclavetest.Echo(j)
	}
	for w.deaths.Load() == 0 && w.Running.Load() < w.gather {
		select {
		case <-j.Stop:
			return errors.New("killed")
		case <-time.After(time.Millisecond):
		}
	}
	if w.inhabits != nil {
		w.inhabits()
	}
	w.mu.Lock()
	w.alone = append(w.alone, w.Running.Load() == 1)
	w.mu.Unlock()
	return w.die(j)
}

// die ends the enclave from within a job, as the runtime does when memory is out.
func (w *ward) die(j *enclavetest.Job) error {
	w.deaths.Add(1)
	w.crash <- struct{}{}
	<-j.Stop
	return errors.New("killed")
}

// probes waits until the parent has asked the enclave n times more: it has looked at its queue each
// time.
func (w *ward) probes(t *testing.T, n int64) {
	t.Helper()
	from := w.Describes.Load()
	until(t, "more probes", func() bool { return w.Describes.Load() >= from+n })
}

// Attack: a job kills each enclave that it meets. It costs two, it is the only one that fails, and
// the single enclave of the fleet goes on with the jobs that waited.
func TestPoisonJobFailsAlone(t *testing.T) {
	w := newWard(t, 4)
	w.gather, w.hold = 4, make(chan struct{})
	defer close(w.hold)
	r := start(t, t.TempDir(), spool.Options{}, options(), w.Enclave)
	w.inhabits = func() {
		if w.deaths.Load() > 0 {
			w.probes(t, 5) // another job would be placed here now
		}
	}
	bad := r.submit(t, "hostile", image, poison)
	innocent := map[string]string{}
	for i := range 9 {
		body := "innocent " + strconv.Itoa(i)
		innocent[r.submit(t, "t"+strconv.Itoa(i%3), image, body)] = body
	}
	if j := r.wait(t, bad); j.State != spool.Failed || j.Code != spool.Poison {
		t.Errorf("got %s %s, want %s", j.State, j.Code, spool.Poison)
	}
	suspects := 0
	for id, body := range innocent {
		j := r.mustDone(t, id, body)
		if suspects += j.Deaths; j.Deaths > 1 {
			t.Errorf("an innocent job is charged with %d deaths", j.Deaths)
		}
	}
	if got := w.deaths.Load(); got != 2 {
		t.Errorf("got %d deaths of enclaves, want 2", got)
	}
	if suspects != 3 {
		t.Errorf("got %d innocent jobs that ran when the enclave died, want 3: the attack did not happen", suspects)
	}
	if len(w.alone) != 2 || w.alone[0] || !w.alone[1] {
		t.Errorf("got alone %v, want the job among others first and alone then", w.alone)
	}
}

// With several enclaves one is kept free; the other goes on.
func TestOtherEnclavesGoOn(t *testing.T) {
	a, b := newWard(t, 2), newWard(t, 2)
	r := start(t, t.TempDir(), spool.Options{}, options(), a.Enclave, b.Enclave)
	until(t, "ready", r.fleet.Ready)
	bad := r.submit(t, "hostile", image, poison)
	var good []string
	for range 20 {
		good = append(good, r.submit(t, "t", image, "x"))
	}
	if j := r.wait(t, bad); j.Code != spool.Poison {
		t.Errorf("got %s %s, want %s", j.State, j.Code, spool.Poison)
	}
	for _, id := range good {
		r.mustDone(t, id, "x")
	}
	if got := a.deaths.Load() + b.deaths.Load(); got != 2 {
		t.Errorf("got %d deaths, want 2", got)
	}
}

// The parent is stopped and started between the two deaths.
func TestDeathsSurviveARestart(t *testing.T) {
	w := newWard(t, 2)
	dir := t.TempDir()
	o := options()
	o.RetryAfter = time.Hour // the second run must not come before the stop
	r := start(t, dir, spool.Options{}, o, w.Enclave)
	bad := r.submit(t, "t", image, poison)
	until(t, "the first death is recorded", func() bool { j, _ := r.spool.Get(bad); return j.Deaths == 1 })
	r.stop()
	r = start(t, dir, spool.Options{}, options(), w.Enclave)
	if j := r.wait(t, bad); j.Code != spool.Poison || w.deaths.Load() != 2 {
		t.Errorf("got %s after %d deaths in all, want %s after 2", j.Code, w.deaths.Load(), spool.Poison)
	}
}

// Each durable write of a poison job fails once, and once fails although it has happened. It costs
// two enclaves all the same, and its neighbour is done.
func TestFaultsAroundADeath(t *testing.T) {
	for _, step := range []string{"start", "died", "fail", "audit"} {
		for _, after := range []bool{false, true} {
			for n := range 2 {
				t.Run(step+" "+strconv.FormatBool(after)+" "+strconv.Itoa(n), func(t *testing.T) {
					t.Parallel()
					var hit atomic.Bool
					var left atomic.Int64
					left.Store(int64(n))
					w := newWard(t, 2)
					w.gather, w.hold = 2, make(chan struct{})
					defer close(w.hold)
					armed := atomic.Bool{}
					fault := func(s string, done bool) error {
						if !armed.Load() || s != step || done != after || hit.Load() || left.Add(-1) >= 0 {
							return nil
						}
						hit.Store(true)
						return errors.New("fault")
					}
					r := start(t, t.TempDir(), spool.Options{Fault: fault}, options(), w.Enclave)
					bad := r.submit(t, "hostile", image, poison)
					good := r.submit(t, "t", image, "x")
					armed.Store(true)
					if j := r.wait(t, bad); j.Code != spool.Poison {
						t.Errorf("got %s %s, want %s", j.State, j.Code, spool.Poison)
					}
					r.mustDone(t, good, "x")
					if got := w.deaths.Load(); got != 2 {
						t.Errorf("got %d deaths, want 2", got)
					}
					if !hit.Load() && n == 0 {
						t.Error("the step never came: this tested nothing")
					}
				})
			}
		}
	}
}

// A job that hangs the enclave so that it answers nobody is as bad as one that ends it.
func TestJobThatWedgesEnclaves(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	e.Handle(func(j *enclavetest.Job) error {
		b, err := io.ReadAll(j.Input)
		if err != nil {
			return err
		}
		if j.Input = bytes.NewReader(b); string(b) != poison {
			return enclavetest.Echo(j)
		}
		e.Wedge()
		<-j.Stop
		return errors.New("killed")
	})
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	bad := r.submit(t, "hostile", image, poison)
	for deaths := 1; deaths <= 2; deaths++ {
		until(t, "the death is recorded", func() bool {
			j, _ := r.spool.Get(bad)
			return j.Deaths == deaths || j.Ended()
		})
		e.Kill() // the replace command
		e.Start(t)
	}
	if j := r.wait(t, bad); j.Code != spool.Poison {
		t.Errorf("got %s %s, want %s", j.State, j.Code, spool.Poison)
	}
	r.mustDone(t, r.submit(t, "t", image, "x"), "x")
}

// The operator stops the enclave, having said so: that is no death, however often; and it gets no
// new jobs meanwhile.
func TestAnnouncedStopIsNoDeath(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	release := make(chan struct{})
	e.Handle(enclavetest.Block(release))
	file := filepath.Join(t.TempDir(), "stop")
	o := options()
	o.Enclaves = []fleet.Enclave{{Name: "one", StopFile: file}}
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	id := r.submit(t, "t", image, "x")
	for range 3 {
		until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		e.Kill()
		e.Start(t)
		until(t, "the job waits", func() bool { j, _ := r.spool.Get(id); return j.State == spool.Queued })
		from := e.Describes.Load()
		until(t, "more probes", func() bool { return e.Describes.Load() > from+5 })
		if got := e.Running.Load(); got != 0 {
			t.Fatalf("got %d jobs on an enclave that is being stopped", got)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
	close(release)
	if j := r.mustDone(t, id, "x"); j.Deaths != 0 || j.Attempts != 1 {
		t.Errorf("got %d deaths in %d attempts, want none in 1", j.Deaths, j.Attempts)
	}
}

// A broken connection to an enclave that lives is no death, and neither is one that ends while the
// parent drains.
func TestWhatIsNoDeath(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	e.Handle(enclavetest.Die(true))
	dir := t.TempDir()
	o := options()
	o.Drain = 10 * time.Second
	r := start(t, dir, spool.Options{}, o, e)
	if j := r.wait(t, r.submit(t, "t", image, "x")); j.Code != spool.EnclaveLost || j.Deaths != 0 {
		t.Errorf("got %s after %d deaths, want %s after none", j.Code, j.Deaths, spool.EnclaveLost)
	}
	never := make(chan struct{})
	defer close(never)
	e.Handle(enclavetest.Block(never))
	id := r.submit(t, "t", image, "y")
	until(t, "the job runs", func() bool { return e.Running.Load() == 1 })
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	until(t, "the parent drains", func() bool { return r.draining.Load() })
	e.Kill()
	<-stopped
	e.Handle(enclavetest.Echo)
	e.Start(t)
	r = start(t, dir, spool.Options{}, options(), e)
	if j := r.mustDone(t, id, "y"); j.Deaths != 0 {
		t.Errorf("got %d deaths, want none", j.Deaths)
	}
}

// The enclave was restarted before the job came, which the parent does not know yet: its pooled
// connection is dead, and what it knows of the boot id is out of date. A job that must run alone is
// not charged with that.
func TestSuspectIsNotChargedWithAnEarlierDeath(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	o := options()
	o.ProbeEvery = time.Minute
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	until(t, "ready", r.fleet.Ready)
	// Leaves a connection. After a job the enclave would be asked anew.
	if _, _, err := r.fleet.Attest(t.Context(), nil, []byte("nonce")); err != nil {
		t.Fatal(err)
	}
	e.Kill()
	e.Start(t)
	if j := r.mustDone(t, r.suspect(t, "t", "y"), "y"); j.Deaths != 1 {
		t.Errorf("got %d deaths, want the one from before", j.Deaths)
	}
}

// Attack: a tenant has many jobs that must run alone. Another tenant's jobs take turns with them on
// the one enclave.
func TestJobsThatRunAloneTakeTurns(t *testing.T) {
	e := enclavetest.New(t, image)
	e.Capacity = 4
	order := make(chan byte, 100)
	var together atomic.Bool
	e.Handle(func(j *enclavetest.Job) error {
		b, err := io.ReadAll(j.Input)
		if err != nil {
			return err
		}
		order <- b[0]
		// The parent looks at its queue after each probe: another job would be placed here in the
		// meantime.
		for from := e.Describes.Load(); e.Describes.Load() < from+4; time.Sleep(time.Millisecond) {
			if b[0] == 'S' && e.Running.Load() != 1 {
				together.Store(true)
			}
		}
		j.Input = bytes.NewReader(b)
		return enclavetest.Echo(j)
	})
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	var ids []string
	for range 5 {
		ids = append(ids, r.suspect(t, "loud", "S"))
	}
	for range 5 {
		ids = append(ids, r.submit(t, "quiet", image, "Q"))
	}
	e.Start(t)
	var got []byte
	for range ids {
		got = append(got, <-order)
	}
	for _, id := range ids {
		if j := r.wait(t, id); j.State != spool.Done {
			t.Errorf("got %s %s, want done", j.State, j.Code)
		}
	}
	if bytes.Contains(got, []byte("SSS")) || bytes.Count(got[:7], []byte("Q")) < 2 {
		t.Errorf("got order %s, want the two tenants to take turns", got)
	}
	if together.Load() {
		t.Error("a job that must run alone ran with another")
	}
}
