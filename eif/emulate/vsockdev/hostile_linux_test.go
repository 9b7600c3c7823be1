package vsockdev_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/eif/emulate/guesttest"
	"anchorhold/eif/emulate/vhost"
	"anchorhold/eif/emulate/vsockdev"
)

// A guest that sends more than it was given credit for would fill this machine's memory.
func TestGuestOverdrawsItsCredit(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000) // nobody reads it
	sent, resets := 0, 0
	for resets == 0 && sent < 8<<20 {
		d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: data, Window: 1 << 20, Payload: make([]byte, 64<<10)})
		sent += 64 << 10
		for p, ok := d.Next(); ok; p, ok = d.Next() {
			if p.Op == reset {
				resets++
			}
		}
	}
	if resets != 1 {
		t.Errorf("%d bytes were taken and %d resets sent, want the connection ended at the credit", sent, resets)
	}
	ended(t, c)
}

// Credit that the guest has invented: it has taken bytes that were never sent.
func TestGuestInventsCredit(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: 1 << 20, Forwarded: 1})
	d.Want(reset, 1000)
	ended(t, c)
}

// An older packet that was overtaken by a newer one is no lie.
func TestCreditMayArriveLate(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	if _, err := c.Write([]byte("1234")); err != nil {
		t.Fatal(err)
	}
	d.Want(data, 1000)
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: 4, Forwarded: 4})
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: 4, Forwarded: 0})
	if _, err := c.Write([]byte("5678")); err != nil {
		t.Fatal(err)
	}
	if p := d.Want(data, 1000); string(p.Payload) != "5678" {
		t.Errorf("got %q", p.Payload)
	}
}

// Nothing is sent to a guest without room, and a guest that takes its room back loses nothing.
func TestNoCreditNoBytes(t *testing.T) {
	d := newDriver(t)
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: request, Window: 3})
	d.Want(response, 1000)
	c := <-d.hosts.conns
	defer c.Close()
	if _, err := c.Write([]byte("12345678")); err != nil {
		t.Fatal(err)
	}
	if p := d.Want(data, 1000); string(p.Payload) != "123" {
		t.Fatalf("got %q, want what there is room for", p.Payload)
	}
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: 0, Forwarded: 3})
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: 2, Forwarded: 3})
	if p := d.Want(data, 1000); string(p.Payload) != "45" {
		t.Fatalf("got %q", p.Payload)
	}
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: 1 << 30, Forwarded: 5})
	if p := d.Want(data, 1000); string(p.Payload) != "678" {
		t.Errorf("got %q", p.Payload)
	}
}

// Each breaks the state machine or lies about lengths, and costs the guest its connection and
// nobody else anything.
func TestPacketsOutOfOrder(t *testing.T) {
	for name, p := range map[string]packet{
		"second request":         {Op: request},
		"response to nothing":    {Op: response},
		"unknown operation":      {Op: 99},
		"operation 0":            {Op: 0},
		"payload longer than it": {Op: data, Length: 1000, Payload: []byte("short")},
		"payload of 4 GiB":       {Op: data, Length: 1<<32 - 1, Payload: []byte("short")},
		"payload over 64 KiB":    {Op: data, Payload: make([]byte, 64<<10+1)},
		"datagram":               {Op: data, Kind: 3, Payload: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t)
			c := d.dial(1000)
			other := d.dial(1001)
			p.SrcPort, p.DstPort, p.Window = 1000, 9000, 1<<20
			d.Send(p)
			d.Want(reset, 1000)
			ended(t, c)
			d.Send(packet{SrcPort: 1001, DstPort: 9000, Op: data, Window: 1 << 20, Payload: []byte("fine")})
			b := make([]byte, 4)
			if _, err := io.ReadFull(other, b); err != nil || string(b) != "fine" {
				t.Errorf("the other connection: got %q, %v", b, err)
			}
		})
	}
	d := newDriver(t)
	for _, op := range []uint16{response, shutdown, data, creditUpdate, creditRequest} {
		d.Send(packet{SrcPort: 5, DstPort: 9000, Op: op})
		d.Want(reset, 5)
	}
	// not answered: two devices would do nothing else for ever
	d.Send(packet{SrcPort: 5, DstPort: 9000, Op: reset})
	d.dial(6)
}

// Data after the guest has said that there is no more.
func TestDataBehindTheEnd(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 2})
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: data, Payload: []byte("x")})
	d.Want(reset, 1000)
	ended(t, c)
}

// A guest that asks and asks and gives no room for the answers is not read any further.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel() // it waits for a time limit
	d := bareDriver(t)
	p := packet{Src: guestCID, Dst: parentCID, SrcPort: 1, DstPort: 1, Kind: 1, Op: creditRequest}.Encode()
	taken := 0
	for range 3000 {
		d.Put(p)
		if !taken1(d) {
			break
		}
		taken++
	}
	if taken != 1024 {
		t.Fatalf("%d requests were taken, want 1024", taken)
	}
	for i := range guesttest.Entries {
		d.Post(i)
	}
	d.Ring(0).Kick()
	for range taken {
		d.Want(reset, 1)
	}
	d.Want(reset, 1) // the one that had to wait
}

// taken1 reports whether the device takes the packet that was put, within a while.
func taken1(d *driver) bool {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); d.Ring(1).WaitInterrupt() {
		if _, _, ok := d.Ring(1).Used(); ok {
			return true
		}
	}
	return false
}

// More connections than there may be are reset, and the places come free again.
func TestConnectionsAreBounded(t *testing.T) {
	d := newDriver(t)
	open, refused := uint32(0), 0
	for refused == 0 && open < 5000 {
		d.Send(packet{SrcPort: open, DstPort: 9000, Op: request})
		switch p := d.Receive(); p.Op {
		case response:
			open++
		case reset:
			refused++
		}
	}
	if open != 2048 {
		t.Errorf("%d connections were opened, want 2048", open)
	}
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if d.device.Connect(theirs, 1) == nil {
		t.Error("a further connection to the guest was begun")
	}
	d.Send(packet{SrcPort: 7, DstPort: 9000, Op: reset})
	d.Send(packet{SrcPort: 5000, DstPort: 9000, Op: request})
	d.Want(response, 5000)
	for len(d.hosts.conns) > 0 {
		(<-d.hosts.conns).Close()
	}
}

// Half-open connections: this machine's ends do not open, and the guest resets each and asks again.
// Neither the connections nor what works on opening them may pile up.
func TestHalfOpenConnectionsAreBounded(t *testing.T) {
	var dials, most atomic.Int32
	device := vsockdev.New(vsockdev.Config{CID: guestCID, Dial: func(ctx context.Context, _ uint32) (vsockdev.Conn, error) {
		n := dials.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-ctx.Done() // as a dial does that nobody answers
		dials.Add(-1)
		return nil, ctx.Err()
	}})
	t.Cleanup(device.Close)
	d := &driver{Socket: &guesttest.Socket{Guest: guesttest.New(t, device), CID: guestCID}, t: t, device: device}
	d.Fill()
	for i := range uint32(6000) {
		d.Send(packet{SrcPort: i, DstPort: 9000, Op: request})
		d.Send(packet{SrcPort: i, DstPort: 9000, Op: reset})
		for _, ok := d.Next(); ok; _, ok = d.Next() {
		}
	}
	if n := most.Load(); n > 2048 {
		t.Errorf("%d dials at once, want at most 2048", n)
	}
	// And without resets: the places are full, and come free when the guest gives up.
	refused := 0
	for i := uint32(0); refused == 0 && i < 6000; i++ {
		d.Send(packet{SrcPort: i, DstPort: 9000, Op: request})
		for p, ok := d.Next(); ok; p, ok = d.Next() {
			if p.Op == reset {
				refused++
			}
		}
	}
	if n := dials.Load(); refused == 0 || n > 2048 {
		t.Errorf("%d requests were refused with %d dials under way, want a refusal at 2048", refused, n)
	}
}

// A guest that takes no packets any more: this machine keeps connecting, and no packet is kept for
// each attempt.
func TestHungGuestHoldsNothing(t *testing.T) {
	d := bareDriver(t)
	refused := 0
	for range 1500 {
		ours, theirs, err := vsockdev.Pair()
		if err != nil {
			t.Fatal(err)
		}
		if d.device.Connect(theirs, 77) != nil {
			refused++
			ended(t, ours)
		}
		ours.Close()
	}
	if refused != 1500-1024 {
		t.Errorf("%d of 1500 connections were refused, want all behind the first 1024", refused)
	}
}

// A guest that ends its own direction again and again, or the other's, and one that answers a
// request twice.
func TestEndsOverAndOver(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	for range 3 {
		d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 2, Window: 1 << 20})
	}
	if b, err := io.ReadAll(c); err != nil || len(b) != 0 {
		t.Errorf("got %q, %v, want the end", b, err)
	}
	if _, err := c.Write([]byte("still")); err != nil {
		t.Fatal(err)
	}
	if p := d.Want(data, 1000); string(p.Payload) != "still" {
		t.Errorf("got %q", p.Payload)
	}
	for range 3 { // the first ends the connection, the others are of none
		d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 1})
		d.Want(reset, 1000)
	}
	ended(t, c)
	// Data behind the end of the other direction still arrives: only what the guest receives has
	// ended.
	c = d.dial(1001)
	d.Send(packet{SrcPort: 1001, DstPort: 9000, Op: shutdown, Flags: 1})
	d.Send(packet{SrcPort: 1001, DstPort: 9000, Op: data, Payload: []byte("more")})
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "more" {
		t.Errorf("got %q, %v", b, err)
	}
	ours := d.connect(77)
	p := d.Want(request, 77)
	for range 2 {
		d.Send(packet{SrcPort: 77, DstPort: p.SrcPort, Op: response, Window: 1 << 20})
	}
	d.Want(reset, 77)
	ended(t, ours)
}

// A guest that does not answer does not keep the caller.
func TestGuestDoesNotAnswer(t *testing.T) {
	t.Parallel() // it waits for a time limit
	d := newDriver(t)
	ours := d.connect(77)
	d.Want(request, 77)
	ended(t, ours)
	d.Want(reset, 77)
}

// A receive buffer that does not hold a head can't be used.
func TestReceiveBufferIsTooShort(t *testing.T) {
	d := bareDriver(t)
	d.Ring(0).Describe(0, guesttest.Descriptor{Address: guesttest.Address(d.Buffer(0)), Length: 43, Flags: guesttest.Write})
	d.Ring(0).Offer(0)
	d.Put(packet{Src: guestCID, Dst: parentCID, SrcPort: 1, DstPort: 1, Kind: 1, Op: request}.Encode())
	if err := <-d.Faults; !errors.Is(err, vhost.ErrGuest) {
		t.Errorf("got %v", err)
	}
}

// FuzzPackets sends sequences of packets, cut out of arbitrary bytes, over connections that exist
// and others.
func FuzzPackets(f *testing.F) {
	for op := range byte(9) {
		f.Add([]byte{op, 0, 1, 8, op + 1, 0, 1, 8, 5, 0, 0, 255, 4, 3, 0, 0})
	}
	f.Add([]byte{5, 0, 0, 200, 4, 2, 0, 0, 5, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDriver(t)
		c := d.dial(0)
		if _, err := c.Write([]byte("for the guest")); err != nil {
			t.Fatal(err)
		}
		for ; len(b) >= 4; b = b[4:] {
			p := packet{
				Src: guestCID, Dst: uint64(2 + b[1]>>7), Kind: 1, Op: uint16(b[0] & 15), SrcPort: uint32(b[1] & 3), DstPort: 9000 + uint32(b[1]>>2&1),
				Flags: uint32(b[1] >> 4), Window: uint32(b[2]) << (b[2] & 15), Forwarded: uint32(int8(b[2])), Payload: make([]byte, b[3]),
				Length: uint32(b[3]),
			}
			if b[0]&16 != 0 {
				p.Length = uint32(b[3]) << (b[2] & 31)
			}
			d.Put(p.Encode())
			d.Ring(1).Next()
			for _, ok := d.Next(); ok; _, ok = d.Next() { // whatever it has said is well formed
			}
		}
		d.Ask(1, nil) // the device lives
		for len(d.hosts.conns) > 0 {
			(<-d.hosts.conns).Close()
		}
	})
}
