package vsockdev

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

const (
	dialTime    = 5 * time.Second
	closeTime   = time.Second     // of Close, for what the guest has sent
	connectTime = 2 * time.Second // VSOCK_DEFAULT_CONNECT_TIMEOUT of Linux
)

// errFull says that there are too many connections, or too much that the guest has not taken.
var errFull = errors.New("too many vsock connections")

// accept answers the guest's wish to connect, when this machine's end is open.
func (d *Device) accept(h *header) {
	// Dials are counted on their own: a guest that asks and resets in turn has no connections, and
	// a goroutine for each.
	if d.closed || len(d.conns) >= maxConnections || d.dials >= maxConnections {
		d.refuse(h, nil)
		return
	}
	c := d.newConn(key{h.dstCID, h.dstPort, h.srcPort}, dialing)
	c.learn(h)
	ctx, cancel := context.WithTimeout(d.ctx, dialTime)
	c.cancel = cancel
	d.dials++
	d.all.Go(func() {
		defer cancel()
		sock, err := d.config.Dial(ctx, c.key.host)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.dials--
		if err == nil && c.phase == removed {
			sock.Close()
		}
		switch {
		case c.phase == removed:
		case err != nil:
			d.reset(c)
		default:
			c.sock = sock
			d.send(c, opResponse, 0)
			d.start(c)
		}
	})
}

// Connect joins sock to a port of the guest and returns at once; the device closes sock, soon if
// nobody listens there.
func (d *Device) Connect(sock Conn, port uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A guest that gives no room for packets does not keep ours for ever: what waits is bounded
	// too.
	if d.closed || len(d.conns) >= maxConnections || len(d.control) >= maxControl {
		return errors.Join(errFull, sock.Close())
	}
	k := key{parentCID, d.lastPort, port}
	for taken := true; taken; _, taken = d.conns[k] {
		d.lastPort = max(d.lastPort+1, 1<<30) // away from the ports at which this machine listens
		k.host = d.lastPort
	}
	c := d.newConn(k, requested)
	c.sock = sock
	c.timer = time.AfterFunc(connectTime, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if c.phase == requested {
			d.reset(c)
		}
	})
	d.send(c, opRequest, 0)
	return nil
}

// Accept joins each connection of a listener to the port of the guest until the listener is closed.
// It closes what it can't join.
func (d *Device) Accept(l net.Listener, port uint32) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// no descriptors: leave time to those who will free some
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if sock, ok := nc.(Conn); ok {
			_ = d.Connect(sock, port) // has closed it
		} else {
			nc.Close()
		}
	}
}

// start lets the bytes flow.
func (d *Device) start(c *conn) {
	c.phase = open
	d.all.Go(func() { d.read(c) })
	d.all.Go(func() { d.write(c) })
}

// read carries bytes from the socket to the guest's queue.
func (d *Device) read(c *conn) {
	buf := make([]byte, readSize)
	for {
		n, err := c.sock.Read(buf)
		d.mu.Lock()
		if n > 0 && c.phase == open && !c.hostEnded {
			c.out = buf[:n]
			d.markReady(c)
			d.poke()
		}
		for len(c.out) > 0 && c.phase == open {
			c.drained.Wait()
		}
		ended := err != nil || c.phase != open || c.hostEnded
		if ended {
			d.readEnded(c, err)
		}
		d.mu.Unlock()
		if ended {
			return
		}
	}
}

func (d *Device) readEnded(c *conn, err error) {
	switch {
	case c.phase != open:
	case c.hostEnded: // by the guest's wish
		d.finish(c)
	case errors.Is(err, io.EOF):
		c.hostEnded = true
		d.send(c, opShutdown, shutSend)
		d.finish(c)
	default:
		d.reset(c)
	}
}

// write carries bytes from the guest to the socket.
func (d *Device) write(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var spare []byte
	for {
		for len(c.in) == 0 && !c.guestEnded && c.phase == open {
			c.incoming.Wait()
		}
		if c.phase != open {
			return
		}
		if len(c.in) == 0 {
			// An error says that the other end has gone; nothing is left to tell it.
			_ = c.sock.CloseWrite()
			c.flushed = true
			d.finish(c)
			return
		}
		full := c.in
		c.in = spare[:0]
		d.mu.Unlock()
		_, err := c.sock.Write(full)
		d.mu.Lock()
		if c.phase != open {
			return
		}
		spare = full
		c.held -= uint32(len(full))
		if d.closed && (c.held == 0 || err != nil) {
			d.remove(c)
			return
		}
		d.consumed(c, len(full))
		if err != nil {
			d.writeFailed(c)
		}
	}
}

// writeFailed drops what the guest sends from now on: the other end reads no more, but what it has
// sent still goes to the guest.
func (d *Device) writeFailed(c *conn) {
	d.consumed(c, len(c.in))
	c.in = nil
	c.held = 0
	if !c.discard {
		c.discard = true
		d.send(c, opShutdown, shutReceive)
	}
}
