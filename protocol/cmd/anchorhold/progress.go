package main

import (
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// bars shows one bar for each stage on a terminal, and nothing elsewhere. Its methods are safe for
// concurrent use.
type bars struct {
	w        progress.Writer // nil: not a terminal
	rendered chan struct{}   // closed when Render has returned

	mu      sync.Mutex        // guards what follows
	stage   string            // of current
	current *progress.Tracker // nil before the first stage
	stopped bool
}

// bars starts to draw; the caller must call clear.
func (a *app) bars() *bars {
	if !isTerminal(a.err) {
		return &bars{}
	}
	b := &bars{w: progress.NewWriter(), rendered: make(chan struct{})}
	b.w.SetOutputWriter(a.err)
	b.w.SetUpdateFrequency(100 * time.Millisecond)
	b.w.SetTrackerLength(24)
	b.w.Style().Visibility.TrackerOverall = false
	go func() {
		defer close(b.rendered)
		b.w.Render()
	}()
	return b
}

// show moves the bar of a stage; a total below one means unknown.
func (b *bars) show(stage string, done, total int64) {
	if b.w == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return
	}
	if b.current == nil || b.stage != stage {
		b.finish()
		b.stage, b.current = stage, &progress.Tracker{Message: stage, Total: max(total, 0), Units: progress.UnitsBytes}
		b.w.AppendTracker(b.current)
	}
	b.current.SetValue(done)
}

// finish ends the present stage. The caller holds mu.
func (b *bars) finish() {
	if b.current != nil {
		b.current.MarkAsDone()
	}
}

// clear ends drawing and waits for it.
func (b *bars) clear() {
	if b.w == nil {
		return
	}
	b.mu.Lock()
	b.finish()
	stopped := b.stopped
	b.stopped = true
	b.mu.Unlock()
	if !stopped {
		// one last frame, so that a finished bar is not left half-way
		time.Sleep(120 * time.Millisecond)
		b.w.Stop()
	}
	<-b.rendered
}
