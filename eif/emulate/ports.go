package emulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"anchorhold/eif/emulate/vsockdev"
	"anchorhold/protocol/event"
	"anchorhold/protocol/transport"
)

const (
	heartbeat = 0xb7
	wordTime  = 10 * time.Second // for a guest to say on a port of ours what it has to say
	// that are told of one guest; a start and its end have under twenty
	maxEvents = 256
)

// errOwnPort: behind the path of the guest's own port the guest would find itself.
var errOwnPort = errors.New("the guest's own port")

// ports answers the guest's connections to this machine.
type ports struct {
	c *Config

	mu      sync.Mutex
	began   chan struct{} // closed with the first heartbeat
	beating bool          // guarded by mu
	last    event.Code    // guarded by mu
	events  int           // guarded by mu
	all     sync.WaitGroup
}

func newPorts(c *Config) *ports { return &ports{c: c, began: make(chan struct{})} }

// dial opens this machine's end. Heartbeat and events are ours to take, as the hypervisor's and the
// operator's; the rest lies at unix sockets.
func (p *ports) dial(ctx context.Context, port uint32) (vsockdev.Conn, error) {
	switch port {
	case transport.HeartbeatPort:
		return p.serve(p.beat)
	case transport.EventPort:
		return p.serve(p.event)
	case transport.JobPort:
		return nil, errOwnPort
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", socketPath(p.c.Sockets, port))
	if err != nil {
		return nil, err
	}
	return nc.(*net.UnixConn), nil
}

func socketPath(sockets string, port uint32) string { return fmt.Sprintf("%s_%d", sockets, port) }

// serve runs f on the other end of a new connection.
func (p *ports) serve(f func(net.Conn)) (vsockdev.Conn, error) {
	guest, ours, err := vsockdev.Pair()
	if err != nil {
		return nil, err
	}
	p.all.Go(func() {
		defer ours.Close()
		_ = ours.SetDeadline(time.Now().Add(wordTime))
		f(ours)
	})
	return guest, nil
}

// beat answers a heartbeat as the hypervisor does.
func (p *ports) beat(nc net.Conn) {
	var b [1]byte
	if _, err := io.ReadFull(nc, b[:]); err != nil || b[0] != heartbeat {
		return
	}
	p.mu.Lock()
	first := !p.beating
	p.beating = true
	if first {
		close(p.began)
		if p.c.Started != nil {
			p.c.Started()
		}
	}
	p.mu.Unlock()
	if p.c.Silent {
		_, _ = nc.Read(b[:]) // until the guest gives up
		return
	}
	_, _ = nc.Write(b[:])
}

// event takes one event.
func (p *ports) event(nc net.Conn) {
	code, err := event.Read(nc)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// The cause of an end is sent before the end itself, which says less.
	if !p.last.Fatal() {
		p.last = code
	}
	// A guest that never stops must not fill the log of whoever runs it.
	if p.events++; p.events <= maxEvents && p.c.Event != nil {
		p.c.Event(code)
	}
}

// word returns what the guest has said.
func (p *ports) word() (beating bool, last event.Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beating, p.last
}
