// Package report sends events (SPEC 11) to the parent: New, Send, Close. It never makes the enclave
// wait for the parent: what cannot be sent is lost, and what is sent is a code and nothing more.
package report

import (
	"context"
	"net"
	"time"

	"anchorhold/protocol/event"
)

const (
	// sendTimeout bounds one event, from dialing to the last byte.
	sendTimeout = time.Second
	// closeTimeout bounds Close: the enclave is about to end, and a parent that hangs must not keep
	// it.
	closeTimeout = 2 * time.Second
	// queued is more than one start has stages.
	queued = 16
)

// Dial connects to the event port.
type Dial func(context.Context) (net.Conn, error)

// Reporter sends events in order from a goroutine of its own.
type Reporter struct {
	codes chan event.Code
	done  chan struct{}
	ctx   context.Context
	stop  context.CancelFunc
}

// New returns a Reporter. Close it.
func New(dial Dial) *Reporter {
	r := &Reporter{codes: make(chan event.Code, queued), done: make(chan struct{})}
	r.ctx, r.stop = context.WithCancel(context.Background())
	go r.run(dial)
	return r
}

// Send queues an event. It never blocks. It must not be called after Close.
func (r *Reporter) Send(c event.Code) {
	select {
	case r.codes <- c:
	default: // more than a start has: the parent does not read, and would not read this one
	}
}

// Close sends what is queued, for two seconds at most, and ends the Reporter.
func (r *Reporter) Close() {
	close(r.codes)
	select {
	case <-r.done:
	case <-time.After(closeTimeout):
		r.stop()
		<-r.done
	}
	r.stop()
}

func (r *Reporter) run(dial Dial) {
	defer close(r.done)
	for c := range r.codes {
		if r.ctx.Err() == nil {
			send(r.ctx, dial, c)
		}
	}
}

// send makes one connection for one event: there is no state that a lost one could disturb. Nobody
// is told of failures, because there is nobody to tell.
func send(ctx context.Context, dial Dial, c event.Code) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	// Closed when the time is up, so that a write ends also where deadlines are not honoured.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Write(event.Encode(c)); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	// Until the parent has closed too: the kernel sends from a queue, and a reboot would empty it.
	_, _ = conn.Read(make([]byte, 1))
}
