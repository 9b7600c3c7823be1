package vsockdev_test

import (
	"context"
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

	request       = guesttest.Request
	response      = guesttest.Response
	reset         = guesttest.Reset
	shutdown      = guesttest.Shutdown
	data          = guesttest.Data
	creditUpdate  = guesttest.CreditUpdate
	creditRequest = guesttest.CreditRequest
)

type packet = guesttest.Packet

// driver is the guest's side of the device.
type driver struct {
	*guesttest.Socket
	t      testing.TB
	device *vsockdev.Device
	hosts  *listener
}

// newDriver starts a guest with receive buffers, and a machine that listens at port 9000 only.
func newDriver(t testing.TB) *driver {
	t.Helper()
	d := bareDriver(t)
	d.Fill()
	return d
}

// bareDriver has no receive buffers.
func bareDriver(t testing.TB) *driver {
	t.Helper()
	l := &listener{conns: make(chan vsockdev.Conn, 4096)}
	device := vsockdev.New(vsockdev.Config{CID: guestCID, Dial: l.dial})
	t.Cleanup(device.Close) // after the guest's own cleanup: nobody serves it any more
	return &driver{&guesttest.Socket{Guest: guesttest.New(t, device), CID: guestCID}, t, device, l}
}

// connect begins a connection to a port of the guest and returns this machine's end.
func (d *driver) connect(port uint32) *net.UnixConn {
	d.t.Helper()
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { ours.Close() })
	if err := d.device.Connect(theirs, port); err != nil {
		d.t.Fatal(err)
	}
	return ours
}

// dial connects from a port of the guest and returns this machine's end.
func (d *driver) dial(port uint32) vsockdev.Conn {
	d.t.Helper()
	d.Send(packet{SrcPort: port, DstPort: 9000, Op: request, Window: 1 << 20})
	d.Want(response, port)
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
