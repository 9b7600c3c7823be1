package fleet

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"time"
)

// replacer runs the replace command of an enclave that does not answer, one at a time and ever more
// rarely: a command that does not help must not be run in a tight loop. The watcher's goroutine
// owns it, save done.
type replacer struct {
	f    *Fleet
	e    *enclave
	next time.Time     // not again before
	gap  time.Duration // after the next run
	all  sync.WaitGroup
	busy chan struct{} // nil, or closed when the run has ended
}

// reset is called when the enclave answers.
func (r *replacer) reset() { r.gap, r.next = 0, time.Time{} }

// wait returns when no command runs.
func (r *replacer) wait() { r.all.Wait() }

// run starts the command when one is configured and due.
func (r *replacer) run(ctx context.Context) {
	if len(r.e.replace) == 0 || time.Now().Before(r.next) {
		return
	}
	if r.busy != nil {
		select {
		case <-r.busy:
		default:
			return
		}
	}
	if r.gap == 0 {
		r.gap = r.f.opts.ReplaceWait
	}
	r.next = time.Now().Add(r.gap)
	r.gap = min(2*r.gap, longestGap)
	busy := make(chan struct{})
	r.busy = busy
	r.all.Go(func() {
		defer close(busy)
		r.execute(ctx)
	})
}

func (r *replacer) execute(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.f.opts.ReplaceTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.e.replace[0], r.e.replace[1:]...)
	cmd.Env = append(os.Environ(), "ANCHORHOLD_ENCLAVE="+r.e.name)
	ownGroup(cmd)
	// What the command prints is not ours to log, and a pipe would keep Wait from returning while a
	// child holds it.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, nil
	r.f.opts.Log.Warn("replace command starts", "enclave", r.e.name)
	outcome := "ok"
	if err := cmd.Run(); err != nil {
		outcome = "failed"
		r.f.opts.Log.Error("replace command failed", "enclave", r.e.name)
	}
	r.f.opts.Metrics.Replacements.WithLabelValues(r.e.name, outcome).Inc()
}
