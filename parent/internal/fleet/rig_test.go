package fleet_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/digest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var image = digest.Digest{1, 2, 3}

// rig is a spool and a fleet over fake enclaves.
type rig struct {
	spool *spool.Spool
	fleet *fleet.Fleet
	stop  func()
	// draining is set once stop has begun.
	draining atomic.Bool
	n        byte
}

func options() fleet.Options {
	return fleet.Options{
		Attempts: 3, JobTime: 20 * time.Second, IdleTime: 10 * time.Second, QueueTime: time.Hour, Drain: time.Second,
		ProbeEvery: 20 * time.Millisecond, ProbeTime: 200 * time.Millisecond, ProbeAgain: 5 * time.Millisecond,
		RetryAfter: 10 * time.Millisecond, ReplaceWait: 50 * time.Millisecond,
	}
}

func start(t *testing.T, dir string, so spool.Options, o fleet.Options, enclaves ...*enclavetest.Enclave) *rig {
	t.Helper()
	so.Dir = dir
	if so.MaxBytes == 0 {
		so.MaxBytes = 1 << 30
	}
	so.MaxQueued, so.Retention = 1000, time.Hour
	s, err := spool.Open(so)
	if err != nil {
		t.Fatal(err)
	}
	zero := func() float64 { return 0 }
	o.Spool, o.Metrics, o.Log = s, telemetry.New(zero, zero), slog.New(slog.DiscardHandler)
	for i, e := range enclaves {
		if i >= len(o.Enclaves) {
			o.Enclaves = append(o.Enclaves, fleet.Enclave{Name: "e" + strconv.Itoa(i)})
		}
		o.Enclaves[i].Address = e.Address
	}
	f, err := fleet.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	r := &rig{spool: s, fleet: f}
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			r.draining.Store(true)
			<-done
			s.Close()
		}
	}
	t.Cleanup(r.stop)
	return r
}

// submit queues a job of the tenant and returns its id. The body need not be a job file: the fake
// does not look.
func (r *rig) submit(t *testing.T, tenant string, image digest.Digest, body string) string {
	t.Helper()
	j := r.accept(t, tenant, image, body)
	r.fleet.Submit(j)
	return j.ID
}

// suspect queues a job that ran already when an enclave died, so that it must run alone.
func (r *rig) suspect(t *testing.T, tenant, body string) string {
	t.Helper()
	j, err := r.spool.Died(r.accept(t, tenant, image, body).ID, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	r.fleet.Submit(j)
	return j.ID
}

func (r *rig) accept(t *testing.T, tenant string, image digest.Digest, body string) spool.Job {
	t.Helper()
	u, err := r.spool.NewUpload(tenant, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(u, body)
	r.n++
	j, _, err := u.Commit(spool.Meta{Tenant: tenant, Image: image, MessageID: [32]byte{r.n}})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (r *rig) wait(t *testing.T, id string) spool.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	j, err := r.spool.Wait(ctx, id)
	if err != nil {
		t.Fatalf("job is %s after %d attempts: %v", j.State, j.Attempts, err)
	}
	return j
}

func (r *rig) mustDone(t *testing.T, id, body string) spool.Job {
	t.Helper()
	j := r.wait(t, id)
	if j.State != spool.Done {
		t.Fatalf("got %s %s after %d attempts, want done", j.State, j.Code, j.Attempts)
	}
	f, err := r.spool.OpenResult(id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, enclavetest.Inverted([]byte(body))) {
		t.Fatalf("got a result of %d bytes, %v, want the echo of %d", len(got), err, len(body))
	}
	return j
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
