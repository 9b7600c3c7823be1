package vsockdev_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/eif/emulate/guesttest"
	"anchorhold/eif/emulate/vsockdev"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	guestCID  = 16
	parentCID = 3

	request = iota - 1
	response
	reset
	shutdown
	data
	creditUpdate
	creditRequest
)

// packet is one packet as the guest sees it, by the specification and not by the device's code.
type packet struct {
	src, dst          uint64
	srcPort, dstPort  uint32
	length            uint32
	kind, op          uint16
	flags             uint32
	window, forwarded uint32
	payload           []byte
}

func (p packet) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, p.src)
	b = binary.LittleEndian.AppendUint64(b, p.dst)
	for _, v := range []uint32{p.srcPort, p.dstPort, p.length, uint32(p.kind) | uint32(p.op)<<16, p.flags, p.window, p.forwarded} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, p.payload...)
}

func decode(b []byte) packet {
	le := binary.LittleEndian
	return packet{
		le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint32(b[24:]), le.Uint16(b[28:]), le.Uint16(b[30:]),
		le.Uint32(b[32:]), le.Uint32(b[36:]), le.Uint32(b[40:]), append([]byte{}, b[44:]...),
	}
}

// driver is the guest's side of the device.
type driver struct {
	*guesttest.Guest
	t      testing.TB
	device *vsockdev.Device
	hosts  *listener
}

const rxSize = 4096

// newDriver starts a guest with receive buffers, and a machine that listens at port 9000 only.
func newDriver(t testing.TB) *driver {
	t.Helper()
	d := bareDriver(t)
	for i := range guesttest.Entries {
		d.post(i)
	}
	d.Ring(0).Kick()
	return d
}

// bareDriver has no receive buffers.
func bareDriver(t testing.TB) *driver {
	t.Helper()
	l := &listener{conns: make(chan vsockdev.Conn, 4096)}
	device := vsockdev.New(vsockdev.Config{CID: guestCID, Dial: l.dial})
	t.Cleanup(device.Close) // after the guest's own cleanup: nobody serves it any more
	return &driver{guesttest.New(t, device), t, device, l}
}

func (d *driver) rx(i int) int { return d.Buffers() + i*rxSize }

// post offers a receive buffer.
func (d *driver) post(i int) {
	r := d.Ring(0)
	r.Describe(i, guesttest.Descriptor{Address: guesttest.Address(d.rx(i)), Length: rxSize, Flags: guesttest.Write})
	r.Offer(uint16(i))
}

// put offers a packet to the device without waiting for it to be taken.
func (d *driver) put(b []byte) {
	at := d.Buffers() + guesttest.Entries*rxSize
	copy(d.At(at, len(b)), b)
	r := d.Ring(1)
	r.Describe(0, guesttest.Descriptor{Address: guesttest.Address(at), Length: uint32(len(b))})
	r.Offer(0)
	r.Kick()
}

// send sends a packet and returns when the device has taken it.
func (d *driver) send(p packet) {
	d.t.Helper()
	if p.src == 0 {
		p.src = guestCID
	}
	if p.dst == 0 {
		p.dst = parentCID
	}
	if p.kind == 0 {
		p.kind = 1
	}
	if p.length == 0 {
		p.length = uint32(len(p.payload))
	}
	d.put(p.encode())
	d.Ring(1).Next()
}

// receive waits for the next packet of the device.
func (d *driver) receive() packet {
	d.t.Helper()
	head, n := d.Ring(0).Next()
	if n < 44 {
		d.t.Fatalf("packet of %d bytes", n)
	}
	p := decode(d.At(d.rx(int(head)), int(n)))
	d.post(int(head))
	d.Ring(0).Kick()
	if p.dst != guestCID || int(p.length) != len(p.payload) {
		d.t.Fatalf("packet for %d with %d bytes, its head says %d", p.dst, len(p.payload), p.length)
	}
	return p
}

// want waits for a packet with that operation for that port of the guest.
func (d *driver) want(op uint16, port uint32) packet {
	d.t.Helper()
	p := d.receive()
	if p.op != op || p.dstPort != port {
		d.t.Fatalf("got operation %d for port %d, want %d for %d", p.op, p.dstPort, op, port)
	}
	return p
}

// dial connects from a port of the guest and returns this machine's end.
func (d *driver) dial(port uint32) vsockdev.Conn {
	d.t.Helper()
	d.send(packet{srcPort: port, dstPort: 9000, op: request, window: 1 << 20})
	d.want(response, port)
	c := <-d.hosts.conns
	d.t.Cleanup(func() { c.Close() })
	return c
}

// listener answers dials to port 9000.
type listener struct {
	conns chan vsockdev.Conn
	mu    sync.Mutex
	dials int
}

func (l *listener) dial(_ context.Context, port uint32) (vsockdev.Conn, error) {
	if port != 9000 {
		return nil, errors.New("nobody listens")
	}
	a, b, err := vsockdev.Pair()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.dials++
	l.mu.Unlock()
	l.conns <- b
	return a, nil
}

// ended checks that the other end of a connection has gone.
func ended(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection lives on (%d bytes read)", len(b))
	}
}
