package vsockdev_test

import (
	"errors"
	"io"
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
		d.send(packet{srcPort: 1000, dstPort: 9000, op: data, window: 1 << 20, payload: make([]byte, 64<<10)})
		sent += 64 << 10
		for head, n, ok := d.Ring(0).Used(); ok; head, n, ok = d.Ring(0).Used() {
			p := decode(d.At(d.rx(int(head)), int(n)))
			d.post(int(head))
			if p.op == reset {
				resets++
			}
		}
		d.Ring(0).Kick()
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
	d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: 1 << 20, forwarded: 1})
	d.want(reset, 1000)
	ended(t, c)
}

// An older packet that was overtaken by a newer one is no lie.
func TestCreditMayArriveLate(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	if _, err := c.Write([]byte("1234")); err != nil {
		t.Fatal(err)
	}
	d.want(data, 1000)
	d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: 4, forwarded: 4})
	d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: 4, forwarded: 0})
	if _, err := c.Write([]byte("5678")); err != nil {
		t.Fatal(err)
	}
	if p := d.want(data, 1000); string(p.payload) != "5678" {
		t.Errorf("got %q", p.payload)
	}
}

// Nothing is sent to a guest without room, and a guest that takes its room back loses nothing.
func TestNoCreditNoBytes(t *testing.T) {
	d := newDriver(t)
	d.send(packet{srcPort: 1000, dstPort: 9000, op: request, window: 3})
	d.want(response, 1000)
	c := <-d.hosts.conns
	defer c.Close()
	if _, err := c.Write([]byte("12345678")); err != nil {
		t.Fatal(err)
	}
	if p := d.want(data, 1000); string(p.payload) != "123" {
		t.Fatalf("got %q, want what there is room for", p.payload)
	}
	d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: 0, forwarded: 3})
	d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: 2, forwarded: 3})
	if p := d.want(data, 1000); string(p.payload) != "45" {
		t.Fatalf("got %q", p.payload)
	}
	d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: 1 << 30, forwarded: 5})
	if p := d.want(data, 1000); string(p.payload) != "678" {
		t.Errorf("got %q", p.payload)
	}
}

// Each breaks the state machine or lies about lengths, and costs the guest its connection and nobody else anything.
func TestPacketsOutOfOrder(t *testing.T) {
	for name, p := range map[string]packet{
		"second request":         {op: request},
		"response to nothing":    {op: response},
		"unknown operation":      {op: 99},
		"operation 0":            {op: 0},
		"payload longer than it": {op: data, length: 1000, payload: []byte("short")},
		"payload of 4 GiB":       {op: data, length: 1<<32 - 1, payload: []byte("short")},
		"payload over 64 KiB":    {op: data, payload: make([]byte, 64<<10+1)},
		"datagram":               {op: data, kind: 3, payload: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t)
			c := d.dial(1000)
			other := d.dial(1001)
			p.srcPort, p.dstPort, p.window = 1000, 9000, 1<<20
			d.send(p)
			d.want(reset, 1000)
			ended(t, c)
			d.send(packet{srcPort: 1001, dstPort: 9000, op: data, window: 1 << 20, payload: []byte("fine")})
			b := make([]byte, 4)
			if _, err := io.ReadFull(other, b); err != nil || string(b) != "fine" {
				t.Errorf("the other connection: got %q, %v", b, err)
			}
		})
	}
	d := newDriver(t)
	for _, op := range []uint16{response, shutdown, data, creditUpdate, creditRequest} {
		d.send(packet{srcPort: 5, dstPort: 9000, op: op})
		d.want(reset, 5)
	}
	d.send(packet{srcPort: 5, dstPort: 9000, op: reset}) // not answered: two devices would do nothing else for ever
	d.dial(6)
}

// Data after the guest has said that there is no more.
func TestDataBehindTheEnd(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.send(packet{srcPort: 1000, dstPort: 9000, op: shutdown, flags: 2})
	d.send(packet{srcPort: 1000, dstPort: 9000, op: data, payload: []byte("x")})
	d.want(reset, 1000)
	ended(t, c)
}

// A guest that asks and asks and gives no room for the answers is not read any further.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel() // it waits for a time limit
	d := bareDriver(t)
	p := packet{src: guestCID, dst: parentCID, srcPort: 1, dstPort: 1, kind: 1, op: creditRequest}.encode()
	taken := 0
	for range 3000 {
		d.put(p)
		if !taken1(d) {
			break
		}
		taken++
	}
	if taken != 1024 {
		t.Fatalf("%d requests were taken, want 1024", taken)
	}
	for i := range guesttest.Entries {
		d.post(i)
	}
	d.Ring(0).Kick()
	for range taken {
		d.want(reset, 1)
	}
	d.want(reset, 1) // the one that had to wait
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
		d.send(packet{srcPort: open, dstPort: 9000, op: request})
		switch p := d.receive(); p.op {
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
	d.send(packet{srcPort: 7, dstPort: 9000, op: reset})
	d.send(packet{srcPort: 5000, dstPort: 9000, op: request})
	d.want(response, 5000)
	for len(d.hosts.conns) > 0 {
		(<-d.hosts.conns).Close()
	}
}

// A guest that does not answer does not keep the caller.
func TestGuestDoesNotAnswer(t *testing.T) {
	t.Parallel() // it waits for a time limit
	d := newDriver(t)
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := d.device.Connect(theirs, 77); err != nil {
		t.Fatal(err)
	}
	d.want(request, 77)
	ended(t, ours)
	d.want(reset, 77)
}

// A receive buffer that does not hold a head can't be used.
func TestReceiveBufferIsTooShort(t *testing.T) {
	d := bareDriver(t)
	d.Ring(0).Describe(0, guesttest.Descriptor{Address: guesttest.Address(d.rx(0)), Length: 43, Flags: guesttest.Write})
	d.Ring(0).Offer(0)
	d.put(packet{src: guestCID, dst: parentCID, srcPort: 1, dstPort: 1, kind: 1, op: request}.encode())
	if err := <-d.Faults; !errors.Is(err, vhost.ErrGuest) {
		t.Errorf("got %v", err)
	}
}

// FuzzPackets sends sequences of packets, cut out of arbitrary bytes, over connections that exist and others.
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
				src: guestCID, dst: uint64(2 + b[1]>>7), kind: 1, op: uint16(b[0] & 15), srcPort: uint32(b[1] & 3), dstPort: 9000 + uint32(b[1]>>2&1),
				flags: uint32(b[1] >> 4), window: uint32(b[2]) << (b[2] & 15), forwarded: uint32(int8(b[2])), payload: make([]byte, b[3]),
				length: uint32(b[3]),
			}
			if b[0]&16 != 0 {
				p.length = uint32(b[3]) << (b[2] & 31)
			}
			d.put(p.encode())
			d.Ring(1).Next()
			for head, _, ok := d.Ring(0).Used(); ok; head, _, ok = d.Ring(0).Used() {
				d.post(int(head))
			}
			d.Ring(0).Kick()
		}
		d.Ask(1, nil) // the device lives
		for len(d.hosts.conns) > 0 {
			(<-d.hosts.conns).Close()
		}
	})
}
