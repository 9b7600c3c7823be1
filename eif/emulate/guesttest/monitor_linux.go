package guesttest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"anchorhold/eif/emulate/vhost"
	"anchorhold/eif/emulate/vsockdev"
)

// TB is what a guest needs of testing.TB. A program that plays the monitor has none and brings its
// own.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Guest is a guest whose device is served. Its methods fail the test rather than return errors.
type Guest struct {
	tb     TB
	conn   *net.UnixConn
	memory []byte
	rings  []*Ring
	kick   []event
	call   []event
	done   chan error // of Serve; nil when somebody else serves
	file   int        // behind memory
	Faults chan error // what the device's server has logged
}

// New serves a device to a new guest and starts its rings. The guest ends with the test.
func New(tb TB, d vhost.Device) *Guest {
	tb.Helper()
	g := Connect(tb, d)
	g.Start()
	return g
}

// Connect serves a device to a guest that has not set anything up but its memory.
func Connect(tb TB, d vhost.Device) *Guest {
	tb.Helper()
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		tb.Fatal(err)
	}
	g := Attach(tb, ours, d.Queues())
	g.done, g.Faults = make(chan error, 1), make(chan error, 64)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		g.done <- vhost.Serve(ctx, theirs, d, func(err error) {
			select {
			case g.Faults <- err:
			default:
			}
		})
	}()
	tb.Cleanup(func() { // before the memory goes
		cancel()
		ours.Close()
		<-g.done
	})
	return g
}

// Attach is the monitor of a guest whose device is served at the other end of conn. Nothing is set
// up but the memory.
func Attach(tb TB, conn *net.UnixConn, queues int) *Guest {
	tb.Helper()
	g := &Guest{tb: tb, conn: conn}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	g.check(err)
	g.file = fd
	g.check(unix.Ftruncate(fd, Memory))
	g.memory, err = unix.Mmap(fd, 0, Memory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	g.check(err)
	for i := range queues {
		g.rings = append(g.rings, &Ring{guest: g, index: i, base: i * rings})
		g.kick, g.call = append(g.kick, eventfd(tb)), append(g.call, eventfd(tb))
	}
	tb.Cleanup(func() {
		conn.Close()
		for i := range g.kick {
			g.kick[i].Close()
			g.call[i].Close()
		}
		_ = unix.Munmap(g.memory)
		unix.Close(fd)
	})
	g.Send(5, Table(Region{Base, Memory, User, 0}), fd)
	return g
}

// Wait returns what Serve returned.
func (g *Guest) Wait() error {
	err := <-g.done
	g.done <- err
	return err
}

// event is an eventfd. The number is kept because File.Fd would make it blocking.
type event struct {
	*os.File
	fd int
}

func eventfd(tb TB) event {
	tb.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		tb.Fatal(err)
	}
	return event{os.NewFile(uintptr(fd), "eventfd"), fd}
}

func (g *Guest) check(err error) {
	g.tb.Helper()
	if err != nil {
		g.tb.Fatal(err)
	}
}

// MemoryFile is the descriptor behind the guest's memory; Eventfd is one of its eventfds.
func (g *Guest) MemoryFile() int { return g.file }

// Eventfd returns the eventfd by which the first ring is kicked.
func (g *Guest) Eventfd() int { return g.kick[0].fd }

// Region is an entry of a memory table.
type Region struct{ Guest, Size, User, Offset uint64 }

// Table encodes a memory table.
func Table(regions ...Region) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(regions)))
	for _, r := range regions {
		for _, v := range []uint64{r.Guest, r.Size, r.User, r.Offset} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	return b
}

// Send writes a request of the monitor.
func (g *Guest) Send(request uint32, payload []byte, files ...int) {
	g.tb.Helper()
	g.check(g.TrySend(request, 1, payload, files...))
}

// TrySend writes a request with the given flags.
func (g *Guest) TrySend(request, flags uint32, payload []byte, files ...int) error {
	b := binary.LittleEndian.AppendUint32(nil, request)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	var oob []byte
	if len(files) > 0 {
		oob = unix.UnixRights(files...)
	}
	_, _, err := g.conn.WriteMsgUnix(append(b, payload...), oob, nil)
	return err
}

// Ask writes a request and returns its answer.
func (g *Guest) Ask(request uint32, payload []byte) []byte {
	g.tb.Helper()
	g.Send(request, payload)
	b, err := g.Receive()
	g.check(err)
	return b
}

// Receive reads an answer.
func (g *Guest) Receive() ([]byte, error) {
	var head [12]byte
	if err := g.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(g.conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[8:])
	if n > 4096 {
		return nil, fmt.Errorf("answer of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(g.conn, b)
	return b, err
}

func state(index, number uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, index), number)
}

// Start sets up the rings as QEMU does. It returns when the device has taken them.
func (g *Guest) Start() {
	g.tb.Helper()
	features := binary.LittleEndian.Uint64(g.Ask(1, nil))
	g.Send(2, binary.LittleEndian.AppendUint64(nil, features))
	for i, r := range g.rings {
		n := uint32(i)
		g.Send(8, state(n, Entries))
		g.Send(10, state(n, uint32(r.next)))
		b := state(n, 0)
		for _, offset := range []int{0, usedOffset, availOffset} {
			b = binary.LittleEndian.AppendUint64(b, User+uint64(r.base+offset))
		}
		g.Send(9, binary.LittleEndian.AppendUint64(b, 0))
		g.Send(12, binary.LittleEndian.AppendUint64(nil, uint64(n)), g.kick[i].fd)
		g.Send(13, binary.LittleEndian.AppendUint64(nil, uint64(n)), g.call[i].fd)
		g.Send(18, state(n, 1))
	}
	g.Ask(1, nil)
}

// Stop ends the rings and returns where the device stood in each.
func (g *Guest) Stop() (next []uint32) {
	g.tb.Helper()
	for i, r := range g.rings {
		n := binary.LittleEndian.Uint32(g.Ask(11, state(uint32(i), 0))[4:])
		r.next = uint16(n)
		next = append(next, n)
	}
	return next
}

// Kick tells the device to look at a ring.
func (r *Ring) Kick() {
	r.guest.tb.Helper()
	_, err := r.guest.kick[r.index].Write(binary.NativeEndian.AppendUint64(nil, 1))
	r.guest.check(err)
}

// Next waits for the next entry that the device gives back.
func (r *Ring) Next() (head, written uint32) {
	r.guest.tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if head, written, ok := r.Used(); ok {
			return head, written
		}
		if time.Now().After(deadline) {
			r.guest.tb.Fatal("the device gave nothing back")
		}
		r.WaitInterrupt()
	}
}

// WaitInterrupt returns when the device has interrupted, or after a moment: an interrupt may have
// been taken for an earlier entry.
func (r *Ring) WaitInterrupt() {
	f := r.guest.call[r.index]
	_ = f.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = f.Read(make([]byte, 8))
}

func word(b []byte) *uint32 { return (*uint32)(unsafe.Pointer(&b[:4][0])) }

func storeIndex(b []byte, index uint16) {
	atomic.StoreUint32(word(b), atomic.LoadUint32(word(b))&0xffff|uint32(index)<<16)
}

func loadIndex(b []byte) uint16 { return uint16(atomic.LoadUint32(word(b)) >> 16) }
