package vsockdev

import (
	"context"
	"slices"
	"sync"
	"time"

	"anchorhold/eif/emulate/vhost"
)

// key names a connection: this machine's context id and port, and the guest's port.
type key struct {
	cid         uint64
	host, guest uint32
}

// phase is where a connection stands.
type phase int

const (
	dialing   phase = iota // the guest has asked, this machine's end is being opened
	requested              // the guest has been asked
	open
	removed
)

// conn is one connection. All fields are guarded by the device's lock, but for what its goroutines
// read from the socket.
type conn struct {
	key   key
	phase phase
	sock  Conn // nil while dialing
	timer *time.Timer
	// cancel ends the dial of a connection that the guest has asked for.
	cancel context.CancelFunc

	// From the guest to this machine.
	// received, not yet written to the socket; one buffer, or packets of one byte would cost more
	// than their bytes
	in          []byte
	held        uint32     // bytes received and not written yet
	forwarded   uint32     // bytes written, ever
	told        uint32     // forwarded as the guest knows it
	discard     bool       // this machine reads no more: what arrives is dropped
	guestEnded  bool       // the guest sends no more
	flushed     bool       // and the socket has been told
	incoming    *sync.Cond // there is something in the fields above
	creditAsked bool       // a credit update waits

	// From this machine to the guest.
	out       []byte // read, not yet given to the guest
	isReady   bool   // in the device's list
	sent      uint32 // bytes given, ever
	peerSpace uint32 // the guest's buf_alloc
	peerTaken uint32 // the guest's fwd_cnt
	// this machine sends no more, and the guest has been told; or the guest receives no more
	hostEnded bool
	guestDeaf bool // the guest receives no more
	drained   *sync.Cond
}

func (d *Device) newConn(k key, p phase) *conn {
	c := &conn{key: k, phase: p, incoming: sync.NewCond(&d.mu), drained: sync.NewCond(&d.mu)}
	d.conns[k] = c
	return c
}

// credit returns how many bytes the guest has room for.
func (c *conn) credit() int {
	flying := c.sent - c.peerTaken // at most what was sent: see learn
	if flying >= c.peerSpace {
		return 0
	}
	return int(c.peerSpace - flying)
}

// stamp tells the guest how much it may send.
func (c *conn) stamp(h *header) {
	h.window, h.forwarded = window, c.forwarded
	c.told = c.forwarded
	if h.op == opCreditUpdate {
		c.creditAsked = false
	}
}

// learn takes the guest's word on its buffer, and reports whether it can be true: nobody has taken
// what was not sent.
func (c *conn) learn(h *header) bool {
	flying := c.sent - h.forwarded
	if flying > 1<<31 {
		return false
	}
	c.peerSpace = h.window
	if flying < c.sent-c.peerTaken { // else an older packet that was overtaken
		c.peerTaken = h.forwarded
	}
	return true
}

// receive handles a packet of a known connection, with n bytes of payload.
func (d *Device) receive(c *conn, h *header, chain *vhost.Chain, n int) {
	if !c.learn(h) {
		d.refuse(h, c)
		return
	}
	switch {
	case h.op == opReset:
		d.remove(c)
		return
	case h.op == opResponse && c.phase == requested:
		c.timer.Stop()
		d.start(c)
	case h.op == opData && c.phase == open && !c.guestEnded && uint32(n) <= window-c.held:
		d.store(c, chain, n)
	case h.op == opShutdown && c.phase == open:
		d.shut(c, h.flags)
	case h.op == opCreditRequest && c.phase == open:
		d.update(c)
	case h.op == opCreditUpdate:
	default:
		d.refuse(h, c) // out of order, or over the credit
		return
	}
	d.markReady(c)
}

// store keeps what the guest sent for the socket.
func (d *Device) store(c *conn, chain *vhost.Chain, n int) {
	if c.discard {
		d.consumed(c, n)
		return
	}
	from := len(c.in)
	c.in = slices.Grow(c.in, n)[:from+n]
	chain.Read(c.in[from:])
	c.held += uint32(n)
	c.incoming.Signal()
}

// consumed gives the guest credit back, not for each packet but before it could run dry.
func (d *Device) consumed(c *conn, n int) {
	c.forwarded += uint32(n)
	if c.forwarded-c.told >= window/4 {
		d.update(c)
	}
}

func (d *Device) update(c *conn) {
	if !c.creditAsked {
		c.creditAsked = true
		d.send(c, opCreditUpdate, 0)
	}
}

// shut handles the guest's end of one or both directions.
func (d *Device) shut(c *conn, flags uint32) {
	if flags&shutSend != 0 {
		c.guestEnded = true
		c.incoming.Signal()
	}
	if flags&shutReceive != 0 && !c.guestDeaf {
		c.guestDeaf, c.hostEnded = true, true
		c.out = nil
		c.drained.Signal()
		_ = c.sock.CloseRead() // ends the reader; an error says that it has ended
	}
	d.finish(c)
}

// finish removes a connection that has ended both ways. The guest waits for a reset when it has
// closed its socket; if it has not yet, the packet by which it does is of no connection and is
// answered likewise.
func (d *Device) finish(c *conn) {
	if c.phase != open || !c.hostEnded || !c.flushed {
		return
	}
	if c.guestEnded && c.guestDeaf {
		d.send(c, opReset, 0)
	}
	d.remove(c)
}

// reset ends a connection and tells the guest.
func (d *Device) reset(c *conn) {
	if c.phase != removed {
		d.send(c, opReset, 0)
		d.remove(c)
	}
}

// remove forgets a connection. Its goroutines see it and end.
func (d *Device) remove(c *conn) {
	if c.phase == removed {
		return
	}
	c.phase = removed
	delete(d.conns, c.key)
	c.in, c.out = nil, nil
	if c.isReady {
		for i := range d.ready {
			if d.ready[i] == c {
				d.ready = append(d.ready[:i], d.ready[i+1:]...)
				break
			}
		}
		c.isReady = false
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.cancel != nil {
		c.cancel()
	}
	if c.sock != nil {
		c.sock.Close()
	}
	c.incoming.Broadcast()
	c.drained.Broadcast()
}
