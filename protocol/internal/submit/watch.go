package submit

import (
	"errors"
	"sync"
	"time"
)

var errStalled = errors.New("the parent takes no more of the job")

// watch ends an upload of which nothing moves any more: a parent that reads nothing must not hold
// us for ever.
type watch struct {
	idle time.Duration

	mu    sync.Mutex
	timer *time.Timer // guarded by mu
	ended bool        // guarded by mu
}

// newWatch returns a watch that calls stop. It begins with the first next.
func newWatch(idle time.Duration, stop func()) *watch {
	w := &watch{idle: idle, timer: time.AfterFunc(time.Hour, stop)}
	w.timer.Stop()
	return w
}

// next gives the upload the idle time, and more, from now on.
func (w *watch) next(more time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended { // the transport may go on reading when the answer is there
		w.timer.Reset(w.idle + more)
	}
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}
