// Package vsockdev is a virtio socket device for one emulated enclave: it joins the guest's
// AF_VSOCK connections to connections of this machine, as the Nitro hypervisor joins them to the
// parent instance's. The main calls are [New] and [Device.Connect]; vhost.Serve serves it. Source:
// virtio 1.2 section 5.10.
//
// To the guest the host is CID 3, as on Nitro, and CID 2. There is no way to another guest. Either
// side may close one direction of a connection and go on with the other; a port at which nobody
// listens answers with a reset at once.
//
// The guest is the adversary. What it can make the device hold is bounded: connections by number,
// what it sends by the credit that it was given, answers by a queue behind which its packets wait.
// A guest that overdraws its credit or invents some loses the connection.
package vsockdev

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"anchorhold/eif/emulate/vhost"
)

// Context ids that mean this machine.
const (
	hostCID   = 2
	parentCID = 3 // as an enclave sees its parent instance
)

const (
	maxConnections = 2048
	// bytes of one connection that the guest may send ahead; up to twice that is held while they
	// are written
	window     = 128 << 10
	readSize   = 64 << 10 // bytes of one connection that wait for the guest
	maxPayload = 64 << 10 // VIRTIO_VSOCK_MAX_PKT_BUF_SIZE of Linux
	// answers that wait for the guest; while there are more, it isn't read
	maxControl = 1024
	batch      = 256 // packets in one call of Process

	rxQueue = 0
	txQueue = 1
)

// Conn is a connection of this machine: what net.UnixConn and net.TCPConn offer.
type Conn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// Config describes a device.
type Config struct {
	CID uint64 // the guest's
	// Dial opens this machine's end of a connection that the guest makes to a port. Its error
	// becomes a reset.
	Dial func(ctx context.Context, port uint32) (Conn, error)
}

// Device is the device. Close it after use.
type Device struct {
	config Config
	wake   chan struct{}
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	all    sync.WaitGroup // goroutines

	mu       sync.Mutex
	conns    map[key]*conn // guarded by mu, as all below and the fields of conns
	control  []header      // packets without payload for the guest, oldest first
	ready    []*conn       // connections with bytes for the guest, next first
	dials    int           // of this machine's ends that are being opened
	lastPort uint32        // of this machine's connections to the guest
	closed   bool
}

var _ vhost.Device = (*Device)(nil)

// New makes a device.
func New(c Config) *Device {
	d := &Device{config: c, wake: make(chan struct{}, 1), conns: map[key]*conn{}, lastPort: 1 << 30}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Close ends all connections and returns when nothing of the device runs any more. Nobody may serve
// it then. What the guest has sent is handed over first, to whoever takes it within a moment: it
// may be the word with which the guest has ended.
func (d *Device) Close() {
	d.cancel()
	d.mu.Lock()
	d.closed = true
	for _, c := range d.conns {
		if c.phase == open && c.held > 0 {
			_ = c.sock.SetDeadline(time.Now().Add(closeTime))
		} else {
			d.remove(c)
		}
	}
	d.mu.Unlock()
	d.all.Wait()
}

// Queues returns two; the monitor keeps the third, for events, to itself.
func (d *Device) Queues() int { return 2 }

// Features returns none: stream sockets need none.
func (d *Device) Features() uint64 { return 0 }

// Config returns the guest's context id.
func (d *Device) Config() []byte { return binary.LittleEndian.AppendUint64(nil, d.config.CID) }

// Wake tells when there is something for the guest.
func (d *Device) Wake() <-chan struct{} { return d.wake }

func (d *Device) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Process takes the guest's packets and hands it ours.
func (d *Device) Process(queues []*vhost.Queue) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range batch {
		if len(d.control) >= maxControl {
			break
		}
		c, err := queues[txQueue].Pop()
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		d.take(c)
		queues[txQueue].Push(c)
	}
	for range batch {
		if len(d.control) == 0 && len(d.ready) == 0 {
			break
		}
		c, err := queues[rxQueue].Pop()
		if err != nil {
			return err
		}
		if c == nil {
			return nil // the guest kicks when it has room, and is read then
		}
		if c.Writable() < headerSize {
			return fmt.Errorf("%w: receive buffer of %d bytes", vhost.ErrGuest, c.Writable())
		}
		d.give(c)
		queues[rxQueue].Push(c)
	}
	if len(d.control) > 0 || len(d.ready) > 0 || queues[txQueue].Waiting() {
		d.poke()
	}
	return nil
}

// give writes one packet for the guest.
func (d *Device) give(chain *vhost.Chain) {
	if len(d.control) > 0 {
		h := d.control[0]
		d.control = d.control[1:]
		if c := d.conns[key{h.srcCID, h.srcPort, h.dstPort}]; c != nil {
			c.stamp(&h)
		}
		chain.Write(h.encode())
		return
	}
	c := d.ready[0]
	d.ready = d.ready[1:]
	c.isReady = false
	n := min(len(c.out), chain.Writable()-headerSize, c.credit())
	h := d.header(c, opData)
	h.length = uint32(n)
	c.stamp(&h)
	chain.Write(h.encode())
	chain.Write(c.out[:n])
	c.sent += uint32(n)
	if c.out = c.out[n:]; len(c.out) == 0 {
		c.drained.Signal()
	}
	d.markReady(c)
}

// markReady queues a connection that has bytes for the guest and credit to send some.
func (d *Device) markReady(c *conn) {
	if c.isReady || len(c.out) == 0 || c.credit() == 0 {
		return
	}
	c.isReady = true
	d.ready = append(d.ready, c)
}

// take reads one packet of the guest.
func (d *Device) take(chain *vhost.Chain) {
	var head [headerSize]byte
	if chain.Read(head[:]) < headerSize {
		return // not even an address to answer to
	}
	h := parseHeader(head)
	if h.srcCID != d.config.CID {
		return
	}
	c := d.conns[key{h.dstCID, h.dstPort, h.srcPort}]
	n := 0
	if h.op == opData {
		n = int(min(h.length, maxPayload+1))
	}
	switch {
	case h.kind != typeStream || (h.dstCID != hostCID && h.dstCID != parentCID) || n > maxPayload || n > chain.Readable():
		d.refuse(&h, c)
	case c == nil && h.op == opRequest:
		d.accept(&h)
	case c == nil:
		d.refuse(&h, nil)
	default:
		d.receive(c, &h, chain, n)
	}
}

// refuse answers a packet with a reset and ends its connection, if it has one. A reset is not
// answered.
func (d *Device) refuse(h *header, c *conn) {
	if c != nil {
		d.remove(c)
	}
	if h.op != opReset {
		d.control = append(d.control, header{
			srcCID: h.dstCID, dstCID: h.srcCID, srcPort: h.dstPort, dstPort: h.srcPort, kind: h.kind, op: opReset,
		})
	}
}

// send queues a packet without payload.
func (d *Device) send(c *conn, op uint16, flags uint32) {
	h := d.header(c, op)
	h.flags = flags
	d.control = append(d.control, h)
	d.poke()
}

// header returns the head of a packet of a connection.
func (d *Device) header(c *conn, op uint16) header {
	return header{srcCID: c.key.cid, dstCID: d.config.CID, srcPort: c.key.host, dstPort: c.key.guest, kind: typeStream, op: op}
}
