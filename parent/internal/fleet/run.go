package fleet

import (
	"context"
	"errors"
	"time"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
)

// persistWait is the first pause before a record that could not be written is tried again; it
// doubles up to a minute.
const persistWait = time.Second

// run takes one job through one attempt and decides what comes of it. ctx ends when the drain time
// has passed.
func (f *Fleet) run(ctx context.Context, e *enclave, it *item) {
	defer func() {
		e.release()
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
		f.kick()
	}()
	job, err := f.opts.Spool.Start(it.id, e.name)
	if err != nil {
		f.unstarted(it, err)
		return
	}
	f.opts.Metrics.JobSeconds.WithLabelValues("queue").Observe(job.Started.Sub(it.accepted).Seconds())
	limit, cancel := context.WithTimeout(ctx, f.opts.JobTime)
	defer cancel()
	a, t, err := f.attempt(limit, e, job)
	f.opts.Metrics.JobSeconds.WithLabelValues("run").Observe(time.Since(job.Started).Seconds())
	switch {
	case err == nil && a.code == "":
		f.done(it)
	case err == nil && f.again(a.code, job):
		f.retry(ctx, it, string(a.code), a.code != code.Busy)
	case err == nil:
		f.fail(ctx, job, a.code, a.receipt)
	case ctx.Err() != nil:
		// We gave up, not the enclave: the attempt does not count, and the next start takes the job
		// up.
		f.retry(ctx, it, "shutdown", false)
	case limit.Err() != nil:
		f.lost(e, it, "timeout")
		f.fail(ctx, job, code.Timeout, nil)
	case errors.Is(err, spool.ErrFull):
		f.opts.Metrics.SpoolFull.Inc()
		f.fail(ctx, job, spool.SpoolFull, nil)
	default:
		f.unanswered(ctx, e, it, job, t, err)
	}
}

// unanswered handles an attempt that ended without the enclave's word. Whatever part of a result
// arrived is gone, and nobody has seen it, so that the job may run again.
func (f *Fleet) unanswered(ctx context.Context, e *enclave, it *item, job spool.Job, t trial, err error) {
	reason := "lost"
	switch {
	case errors.Is(err, errSpool):
		reason = "spool"
	case errors.Is(err, errProtocol):
		reason = "protocol"
	}
	if reason == "lost" && t.link == nil {
		// Nothing was sent. The enclave may have died with other jobs a moment ago, which is no
		// fault of this one.
		e.hurry()
		f.retry(ctx, it, "unreachable", false)
		return
	}
	if reason != "spool" {
		switch f.fateOf(ctx, e, t) {
		case dead:
			f.lost(e, it, "died")
			f.died(ctx, it, job)
			return
		case stopped:
			f.retry(ctx, it, "stopped", false)
			return
		case unknown:
			f.retry(ctx, it, "shutdown", false)
			return
		}
	}
	f.lost(e, it, reason)
	if job.Attempts >= f.opts.Attempts {
		f.fail(ctx, job, spool.EnclaveLost, nil)
		return
	}
	f.retry(ctx, it, reason, true)
}

// again reports whether an answer should be asked for once more: the enclave or KMS had no room
// just then.
func (f *Fleet) again(c code.Code, job spool.Job) bool {
	return c == code.Busy || (c == code.KMSThrottled && job.Attempts < f.opts.Attempts)
}

// unstarted: the spool could not say durably that the job runs, so it was not sent.
func (f *Fleet) unstarted(it *item, err error) {
	if errors.Is(err, spool.ErrNotFound) || errors.Is(err, spool.ErrState) {
		return // it has ended otherwise
	}
	f.storeFailed(it.id, err)
	it.notBefore = time.Now().Add(persistWait)
	f.push(it)
}

func (f *Fleet) retry(ctx context.Context, it *item, reason string, counts bool) {
	f.opts.Metrics.JobsRetried.WithLabelValues(reason).Inc()
	queued := f.persist(ctx, it.id, func() error {
		_, err := f.opts.Spool.Requeue(it.id, counts)
		return err
	})
	if !queued {
		return
	}
	it.notBefore = time.Now().Add(f.opts.RetryAfter)
	f.push(it)
}

// refuse ends a job that waits.
func (f *Fleet) refuse(it *item, c code.Code) {
	if err := f.opts.Spool.Fail(it.id, c, nil); err != nil {
		f.unstarted(it, err)
		return
	}
	f.finished(it.id, it.tenant, c)
}

func (f *Fleet) fail(ctx context.Context, job spool.Job, c code.Code, receipt []byte) {
	if f.persist(ctx, job.ID, func() error { return f.opts.Spool.Fail(job.ID, c, receipt) }) {
		f.finished(job.ID, job.Tenant, c)
	}
}

func (f *Fleet) done(it *item) {
	if job, err := f.opts.Spool.Get(it.id); err == nil {
		f.opts.Metrics.JobBytes.WithLabelValues("out").Observe(float64(job.OutputBytes))
	}
	f.finished(it.id, it.tenant, "done")
}

func (f *Fleet) finished(id, tenant string, c code.Code) {
	f.opts.Metrics.JobsFinished.WithLabelValues(tenant, string(c)).Inc()
	f.opts.Log.Info("job ended", "job", id, "code", c)
}

func (f *Fleet) lost(e *enclave, it *item, reason string) {
	f.opts.Metrics.EnclaveFailures.WithLabelValues(e.name, reason).Inc()
	f.opts.Log.Warn("no answer to a job", "job", it.id, "enclave", e.name, "reason", reason)
}

// persist repeats act until it is done or cannot be, and reports which. While the disk is full a
// job's end waits here; the record still says running, so that a restart takes the job up again.
func (f *Fleet) persist(ctx context.Context, id string, act func() error) bool {
	for wait := persistWait; ; wait = min(2*wait, time.Minute) {
		err := act()
		if err == nil {
			return true
		}
		if errors.Is(err, spool.ErrNotFound) || errors.Is(err, spool.ErrState) {
			return false
		}
		f.storeFailed(id, err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

func (f *Fleet) storeFailed(id string, err error) {
	reason := "state"
	switch {
	case errors.Is(err, spool.ErrAudit):
		reason = "audit"
		f.opts.Metrics.AuditFailures.Inc()
	case errors.Is(err, spool.ErrFull):
		reason = "full"
	}
	f.opts.Log.Error("spool does not take a record", "job", id, "reason", reason)
}
