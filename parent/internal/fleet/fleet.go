// Package fleet runs queued jobs on enclaves: tenants in turn, as many at once as each enclave
// takes, on one whose measurements fit. New, then Run; Submit for each job that the spool has
// accepted.
//
// It follows SPEC 2.2 from the parent's side. What an enclave says about itself is used to schedule
// and for nothing else: only the owner, with an attestation document, can tell which enclave
// answered.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"anchorhold/parent/internal/spool"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// Enclave names one enclave. Replace is run without a shell when it has stopped answering. While
// StopFile exists, if it is named, the operator is stopping the enclave: it gets no new jobs, and
// its end is not held against those that run on it.
type Enclave struct {
	Name     string
	Address  string
	Replace  []string
	StopFile string
}

// Options configures a Fleet. Durations that are zero get the default named.
type Options struct {
	Enclaves  []Enclave
	Spool     *spool.Spool
	Metrics   *telemetry.Metrics
	Log       *slog.Logger
	Attempts  int           // tries of one job when enclaves give no answer
	JobTime   time.Duration // for one attempt
	IdleTime  time.Duration // silence after which a connection is given up
	QueueTime time.Duration // longest wait for an enclave
	Drain     time.Duration // how long jobs may run on when Run ends
	HostBoot  string        // differs after each start of the host, if that is known

	ProbeEvery  time.Duration // between two describes: 2 s
	ProbeTime   time.Duration // for one answer: 3 s
	ProbeAgain  time.Duration // before the second describe after one that failed: 250 ms
	ReplaceTime time.Duration // for the replace command: 2 min
	ReplaceWait time.Duration // before it is run again, doubled each time up to 10 min: 30 s
	RetryAfter  time.Duration // before a job that got no answer is tried again: 1 s
}

// Two probes, each with its time, and the pause before each stay under 10 s: design invariant 8.
func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.ProbeEvery, 2*time.Second)
	set(&o.ProbeTime, 3*time.Second)
	set(&o.ProbeAgain, 250*time.Millisecond)
	set(&o.ReplaceTime, 2*time.Minute)
	set(&o.ReplaceWait, 30*time.Second)
	set(&o.RetryAfter, time.Second)
	o.Attempts = max(o.Attempts, 1)
}

// Fleet is safe for concurrent use.
type Fleet struct {
	opts     Options
	enclaves []*enclave // fixed
	wake     chan struct{}
	draining context.Context // done when Run begins to end; set by Run before it starts jobs

	mu      sync.Mutex
	queue   queue // guarded by mu
	running int   // guarded by mu
	// closed, and replaced, when an enclave was asked; guarded by mu
	asked    chan struct{}
	policies map[digest.Digest][]byte // by digest; guarded by mu
}

// New returns a Fleet whose queue holds what the spool has pending.
func New(opts Options) (*Fleet, error) {
	opts.defaults()
	f := &Fleet{opts: opts, wake: make(chan struct{}, 1), asked: make(chan struct{}), policies: map[digest.Digest][]byte{}}
	for _, e := range opts.Enclaves {
		f.enclaves = append(f.enclaves, newEnclave(e))
	}
	pending, err := opts.Spool.Pending()
	if err != nil {
		return nil, fmt.Errorf("read pending jobs: %w", err)
	}
	for _, j := range pending {
		f.queue.push(itemOf(j))
	}
	return f, nil
}

// Submit queues a job that the spool has accepted.
func (f *Fleet) Submit(j spool.Job) { f.push(itemOf(j)) }

func (f *Fleet) push(it *item) {
	f.mu.Lock()
	f.queue.push(it)
	f.mu.Unlock()
	f.kick()
}

// kick has the dispatcher look again. One pending look is enough.
func (f *Fleet) kick() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run probes enclaves and runs jobs until ctx is done. Then no job is started; those that run have
// the drain time to end and are queued for the next start otherwise. It returns when nothing of it
// runs any more.
func (f *Fleet) Run(ctx context.Context) {
	f.draining = ctx
	var probes, jobs sync.WaitGroup
	for _, e := range f.enclaves {
		probes.Go(func() { f.watch(ctx, e) })
	}
	// Jobs outlive ctx by the drain time.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	f.dispatch(ctx, func(it *item, e *enclave) {
		jobs.Go(func() { f.run(work, e, it) })
	})
	drained := time.AfterFunc(f.opts.Drain, stop)
	defer drained.Stop()
	jobs.Wait()
	probes.Wait()
	for _, e := range f.enclaves {
		e.setDown()
	}
}

// dispatch hands jobs to enclaves until ctx is done.
func (f *Fleet) dispatch(ctx context.Context, start func(*item, *enclave)) {
	// The tick finds what no event announces: delays that end, waits that are too long.
	tick := time.NewTicker(min(f.opts.RetryAfter, time.Second))
	defer tick.Stop()
	for {
		for ctx.Err() == nil && f.next(start) {
		}
		f.gauges()
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-tick.C:
		}
	}
}

// next starts or ends one waiting job and reports whether there was one.
func (f *Fleet) next(start func(*item, *enclave)) bool {
	now := time.Now()
	var where *enclave
	var end code.Code
	// for jobs that must run alone, by those that come after them in this round
	kept := map[*enclave]bool{}
	f.mu.Lock()
	it := f.queue.pop(func(it *item) bool {
		if now.Before(it.notBefore) {
			return false
		}
		end = f.hopeless(it, now)
		if it.alone() {
			where = f.placeAlone(it.image, kept)
		} else {
			where = f.place(it.image, kept)
		}
		return end != "" || where != nil
	})
	if it != nil && end == "" {
		where.take(it.alone())
		f.running++
	}
	f.mu.Unlock()
	switch {
	case it == nil:
		return false
	case end != "":
		f.refuse(it, end)
	default:
		start(it, where)
	}
	return true
}

// hopeless returns the code to end a waiting job with, or none.
func (f *Fleet) hopeless(it *item, now time.Time) code.Code {
	if now.Sub(it.accepted) > f.opts.QueueTime {
		return code.Timeout
	}
	if f.Fits(it.image, it.accepted) == No {
		return code.ImageMismatch
	}
	return ""
}

// place returns the enclave with the most room for the image, of those that are not kept free, or
// nil.
func (f *Fleet) place(image digest.Digest, kept map[*enclave]bool) *enclave {
	var best *enclave
	most := 0
	for _, e := range f.enclaves {
		if n := e.room(image); n > most && !kept[e] {
			best, most = e, n
		}
	}
	return best
}

// placeAlone returns an enclave of the image without jobs. When there is none it returns nil, and
// adds the one with the fewest jobs to kept: jobs whose turn comes later are not placed there, so
// that it empties. One enclave of an image at a time is used in this way, the others go on as ever.
func (f *Fleet) placeAlone(image digest.Digest, kept map[*enclave]bool) *enclave {
	var best *enclave
	fewest := 0
	for _, e := range f.enclaves {
		n, ok, quarantined := e.burden(image)
		if quarantined || ok && kept[e] {
			return nil // another job is, or will be, alone there
		}
		if ok && (best == nil || n < fewest) {
			best, fewest = e, n
		}
	}
	if best == nil || fewest == 0 {
		return best
	}
	kept[best] = true
	return nil
}

// Fit says whether an image can run here.
type Fit int

// Unknown is for as long as an enclave has not said lately what it is.
const (
	No Fit = iota
	Unknown
	Yes
)

// Fits reports whether an enclave has this PCR0, be it taken out for now. No means that every
// enclave has said something else to a question asked after since.
func (f *Fleet) Fits(image digest.Digest, since time.Time) Fit {
	fit := No
	for _, e := range f.enclaves {
		switch e.fit(image, since) {
		case Yes:
			return Yes
		case Unknown:
			fit = Unknown
		}
	}
	return fit
}

// Ask is Fits after every enclave was asked anew, unless one fits by what is known. It waits as
// long as a question may take.
func (f *Fleet) Ask(ctx context.Context, image digest.Digest) Fit {
	begun := time.Now()
	if fit := f.Fits(image, begun); fit == Yes {
		return fit
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.ProbeTime)
	defer cancel()
	for _, e := range f.enclaves {
		e.hurry()
	}
	for {
		f.mu.Lock()
		asked := f.asked
		f.mu.Unlock()
		all := true
		for _, e := range f.enclaves {
			all = all && e.askedSince(begun)
		}
		if all {
			return f.Fits(image, begun)
		}
		select {
		case <-asked:
		case <-ctx.Done():
			return f.Fits(image, begun)
		}
	}
}

// noteAsked wakes who waits in Ask.
func (f *Fleet) noteAsked() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.asked)
	f.asked = make(chan struct{})
}

// Ready reports whether an enclave answers.
func (f *Fleet) Ready() bool {
	for _, e := range f.enclaves {
		if _, _, up, _ := e.state(); up {
			return true
		}
	}
	return false
}

func (f *Fleet) gauges() {
	f.mu.Lock()
	queued, alone, running := f.queue.len(), f.queue.alone, f.running
	f.mu.Unlock()
	m := f.opts.Metrics
	m.Jobs.WithLabelValues("alone").Set(float64(alone))
	m.Jobs.WithLabelValues("queued").Set(float64(queued))
	m.Jobs.WithLabelValues("running").Set(float64(running))
	for _, e := range f.enclaves {
		d, _, up, jobs := e.state()
		n := 0.0
		if up {
			n = 1
		}
		m.EnclaveUp.WithLabelValues(e.name).Set(n)
		m.EnclaveJobs.WithLabelValues(e.name).Set(float64(jobs))
		m.EnclaveCapacity.WithLabelValues(e.name).Set(float64(min(d.Capacity, maxCapacity)))
	}
}
