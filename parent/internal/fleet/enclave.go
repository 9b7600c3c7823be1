package fleet

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/message"
	"anchorhold/protocol/transport"
)

const (
	dialTime = 5 * time.Second
	// an older pooled connection is closed rather than trusted to live
	idleKeep = 30 * time.Second
	// whatever an enclave says: each job costs two goroutines and three files here
	maxCapacity = 64
)

var errDown = errors.New("enclave is taken out")

// enclave is one enclave of the configuration and what is known about it.
type enclave struct {
	name, address string
	replace       []string
	stopFile      string
	now           chan struct{} // asks the watcher to ask at once; one pending wish is enough

	mu    sync.Mutex
	up    bool                // guarded by mu, as all below
	known bool                // it has been described at least once
	desc  message.Description // the last one
	// when the question that desc answers was asked; zero once another went unanswered
	heard time.Time
	asked time.Time                  // when the last question that has come to an end was asked
	jobs  int                        // of ours, running
	freed time.Time                  // when the last of ours ended
	alone bool                       // the one that runs must run alone
	leave bool                       // the operator is about to stop it: the stop file is there
	left  time.Time                  // when the stop file was last seen there
	idle  []idleConn                 // newest last
	used  map[*message.Conn]struct{} // leased
	dial  func(context.Context, string) (net.Conn, error)
}

// link is a connection for one exchange at a time, to the process of an enclave that has this boot
// id.
type link struct {
	conn   *message.Conn
	boot   [16]byte
	pooled bool // it has carried an exchange before and may have died since
}

type idleConn struct {
	link
	since time.Time
}

func newEnclave(e Enclave) *enclave {
	return &enclave{name: e.Name, address: e.Address, replace: e.Replace, stopFile: e.StopFile, now: make(chan struct{}, 1), used: map[*message.Conn]struct{}{}, dial: transport.Dial}
}

// room returns how many more jobs of that image the enclave takes.
func (e *enclave) room(image digest.Digest) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.up || e.desc.PCR0 != image || e.alone || e.leave {
		return 0
	}
	return e.capacity() - e.jobs
}

// burden returns how many jobs must end before a job of that image can run alone, and whether the
// enclave can be kept free for it. quarantined says that one runs alone there now.
//
// Jobs that we gave up may still run there, after a timeout, a lost connection or a restart of
// ours: the enclave counts them. Until it has said so since our last job ended, at least one is
// assumed, and it is asked.
func (e *enclave) burden(image digest.Digest) (jobs int, ok, quarantined bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.up || e.desc.PCR0 != image || e.leave || e.capacity() == 0 {
		return 0, false, false
	}
	jobs = e.jobs
	if jobs == 0 {
		if jobs = int(min(e.desc.Jobs, maxCapacity)); !e.heard.After(e.freed) {
			jobs = max(jobs, 1)
			e.hurry()
		}
	}
	return jobs, !e.alone, e.alone
}

// capacity with mu held.
func (e *enclave) capacity() int { return int(min(e.desc.Capacity, maxCapacity)) }

func (e *enclave) take(alone bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.jobs++
	e.alone = alone
}

func (e *enclave) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.jobs--
	e.alone = false // if it was set, that was the only job
	e.freed = time.Now()
}

// state returns what is known, under one lock.
func (e *enclave) state() (d message.Description, known, up bool, jobs int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.desc, e.known, e.up, e.jobs
}

// hurry has the watcher ask at once.
func (e *enclave) hurry() {
	select {
	case e.now <- struct{}{}:
	default:
	}
}

// setAsked notes that a question has come to an end, answered or not.
func (e *enclave) setAsked(at time.Time, answered bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = at
	if !answered {
		e.heard = time.Time{}
	}
}

// askedSince reports whether a question was asked after t and has come to an end.
func (e *enclave) askedSince(t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked.After(t)
}

// fit reports whether the enclave has the image. It is certain that it has not only when it said so
// to a question asked after t: an enclave that is replaced has another image from one moment to the
// next.
func (e *enclave) fit(image digest.Digest, t time.Time) Fit {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.known && e.desc.PCR0 == image:
		return Yes
	case e.up && e.heard.After(t):
		return No
	}
	return Unknown
}

// setUp notes the answer to a question asked at that time, and reports whether the enclave was out
// before.
func (e *enclave) setUp(d message.Description, at time.Time) (recovered bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = at
	recovered = !e.up
	if e.known && e.desc.Boot != d.Boot {
		e.closeIdle() // they lead to the process before this one
	}
	e.up, e.known, e.desc = true, true, d
	return recovered
}

// setDown takes the enclave out and closes its connections, so that jobs on it fail now and run
// elsewhere. It reports whether the enclave was in before.
func (e *enclave) setDown() (was bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	was, e.up = e.up, false
	e.closeIdle()
	for c := range e.used {
		c.Close()
	}
	return was
}

func (e *enclave) closeIdle() {
	for _, i := range e.idle {
		i.conn.Close()
	}
	e.idle = nil
}

// lease returns a connection for one exchange. The caller gives it back with keep or drop. The
// process that a new one leads to is asked for its boot id over that very connection: what the
// watcher knows may be of the process before.
func (e *enclave) lease(ctx context.Context, fresh bool) (*link, error) {
	if l := e.fromPool(fresh); l != nil {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	nc, err := e.dial(ctx, e.address)
	if err != nil {
		return nil, err
	}
	l := &link{conn: message.NewConn(nc)}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	d, err := describe(l.conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	l.boot = d.Boot
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.up {
		nc.Close()
		return nil, errDown
	}
	e.used[l.conn] = struct{}{}
	return l, nil
}

func (e *enclave) fromPool(fresh bool) *link {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := len(e.idle); n > 0; n = len(e.idle) {
		last := e.idle[n-1]
		e.idle = e.idle[:n-1]
		if fresh || time.Since(last.since) > idleKeep {
			last.conn.Close()
			continue
		}
		e.used[last.conn] = struct{}{}
		last.pooled = true
		return &last.link
	}
	return nil
}

// keep takes back a connection whose exchange has ended in order.
func (e *enclave) keep(l *link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.used, l.conn)
	if !e.up || len(e.idle) >= max(e.capacity(), 1) || l.conn.SetDeadline(time.Time{}) != nil {
		l.conn.Close()
		return
	}
	e.idle = append(e.idle, idleConn{*l, time.Now()})
}

// drop closes a connection that is of no further use.
func (e *enclave) drop(l *link) {
	l.conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.used, l.conn)
}
