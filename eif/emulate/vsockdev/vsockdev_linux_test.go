package vsockdev_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"anchorhold/eif/emulate/vsockdev"
)

func TestGuestDials(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.send(packet{srcPort: 1000, dstPort: 9000, op: data, window: 1 << 20, payload: []byte("to the parent")})
	b := make([]byte, 13)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "to the parent" {
		t.Fatalf("got %q, %v", b, err)
	}
	if _, err := c.Write([]byte("to the guest")); err != nil {
		t.Fatal(err)
	}
	if p := d.want(data, 1000); string(p.payload) != "to the guest" || p.src != parentCID || p.srcPort != 9000 {
		t.Errorf("got %+v", p)
	}
}

// The host has two context ids, and there is nobody else.
func TestContextIDs(t *testing.T) {
	d := newDriver(t)
	d.send(packet{srcPort: 1, dstPort: 9000, dst: 2, op: request})
	if p := d.want(response, 1); p.src != 2 {
		t.Errorf("answered from %d, want 2", p.src)
	}
	for _, cid := range []uint64{1, 4, guestCID, 0xffffffff, 1<<32 + 3} {
		d.send(packet{srcPort: 1, dstPort: 9000, dst: cid, op: request})
		if p := d.want(reset, 1); p.src != cid {
			t.Errorf("context id %d: answered from %d", cid, p.src)
		}
	}
	d.send(packet{src: 17, srcPort: 1, dstPort: 9000, op: request}) // another guest's packets are not answered
	d.send(packet{srcPort: 2, dstPort: 1, op: request})
	d.want(reset, 2)
	(<-d.hosts.conns).Close()
}

func TestClosedPortAnswersAtOnce(t *testing.T) {
	d := newDriver(t)
	d.send(packet{srcPort: 1000, dstPort: 9001, op: request})
	d.want(reset, 1000)
	// And a port of the guest.
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := d.device.Connect(theirs, 77); err != nil {
		t.Fatal(err)
	}
	p := d.want(request, 77)
	d.send(packet{srcPort: 77, dstPort: p.srcPort, op: reset})
	ended(t, ours)
}

func TestHostDials(t *testing.T) {
	d := newDriver(t)
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := d.device.Connect(theirs, 9101); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	p := d.want(request, 9101)
	if p.src != parentCID || p.window == 0 {
		t.Errorf("got %+v, want it from the parent and with room", p)
	}
	d.send(packet{srcPort: 9101, dstPort: p.srcPort, op: response, window: 4096})
	if got := d.want(data, 9101); string(got.payload) != "early" {
		t.Errorf("got %q", got.payload)
	}
}

// Each side ends its direction and still receives the other's.
func TestHalfClose(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.send(packet{srcPort: 1000, dstPort: 9000, op: data, window: 1 << 20, payload: []byte("question")})
	d.send(packet{srcPort: 1000, dstPort: 9000, op: shutdown, flags: 2, window: 1 << 20})
	if b, err := io.ReadAll(c); err != nil || string(b) != "question" {
		t.Fatalf("got %q, %v, want the question and its end", b, err)
	}
	if _, err := c.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if p := d.want(data, 1000); string(p.payload) != "answer" {
		t.Errorf("got %q", p.payload)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if p := d.want(shutdown, 1000); p.flags != 2 {
		t.Errorf("flags %d, want no more to come", p.flags)
	}
	// The guest's close is answered though the connection has ended, or it would wait.
	d.send(packet{srcPort: 1000, dstPort: 9000, op: shutdown, flags: 3})
	d.want(reset, 1000)

	c = d.dial(1001)
	if _, err := c.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	d.want(data, 1001)
	d.want(shutdown, 1001)
	d.send(packet{srcPort: 1001, dstPort: 9000, op: data, window: 1 << 20, forwarded: 5, payload: []byte("second")})
	d.send(packet{srcPort: 1001, dstPort: 9000, op: shutdown, flags: 3, window: 1 << 20, forwarded: 5})
	if b, err := io.ReadAll(c); err != nil || string(b) != "second" {
		t.Errorf("got %q, %v", b, err)
	}
	d.want(reset, 1001)
}

// A guest that closes while this machine still has bytes for it does not keep them.
func TestGuestCloses(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.send(packet{srcPort: 1000, dstPort: 9000, op: shutdown, flags: 3})
	d.want(reset, 1000)
	ended(t, c)
	c = d.dial(1000) // the port is free again
	d.send(packet{srcPort: 1000, dstPort: 9000, op: reset})
	ended(t, c)
}

// When this machine's end has gone, the guest learns that nobody reads.
func TestHostCloses(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	c.Close()
	if p := d.want(shutdown, 1000); p.flags != 2 {
		t.Errorf("flags %d, want no more to come", p.flags)
	}
	d.send(packet{srcPort: 1000, dstPort: 9000, op: data, window: 1 << 20, payload: []byte("too late")})
	if p := d.want(shutdown, 1000); p.flags != 1 {
		t.Errorf("flags %d, want nobody reads", p.flags)
	}
}

// Bytes in bulk, both ways at once, through credit windows of both sides.
func TestBulk(t *testing.T) {
	const total = 8 << 20
	d := newDriver(t)
	c := d.dial(1000)
	out := make([]byte, total)
	rand.NewChaCha8([32]byte{1}).Read(out)
	in := make([]byte, total)
	rand.NewChaCha8([32]byte{2}).Read(in)
	arrived := make(chan [32]byte, 1)
	go func() {
		h := sha256.New()
		_, _ = io.Copy(h, c)
		arrived <- [32]byte(h.Sum(nil))
	}()
	go func() {
		_, _ = c.Write(out)
		_ = c.CloseWrite()
	}()
	const window = 64 << 10
	var got bytes.Buffer
	sent, room := 0, uint32(0) // what the device has room for, by its last packet
	for hostEnded := false; !hostEnded || sent < total; {
		if n := min(total-sent, 28<<10, int(room)-sent); n > 0 {
			d.send(packet{srcPort: 1000, dstPort: 9000, op: data, window: window, forwarded: uint32(got.Len()), payload: in[sent : sent+n]})
			sent += n
			continue
		}
		if room == 0 {
			d.send(packet{srcPort: 1000, dstPort: 9000, op: creditRequest, window: window, forwarded: uint32(got.Len())})
		}
		p := d.receive()
		room = p.forwarded + p.window
		switch p.op {
		case data:
			got.Write(p.payload)
			d.send(packet{srcPort: 1000, dstPort: 9000, op: creditUpdate, window: window, forwarded: uint32(got.Len())})
		case shutdown:
			hostEnded = true
		case creditUpdate:
		default:
			t.Fatalf("got operation %d", p.op)
		}
	}
	d.send(packet{srcPort: 1000, dstPort: 9000, op: shutdown, flags: 3, window: window, forwarded: uint32(got.Len())})
	if !bytes.Equal(got.Bytes(), out) {
		t.Errorf("the guest got %d other bytes than the %d that were sent", got.Len(), len(out))
	}
	if sum := <-arrived; sum != sha256.Sum256(in) {
		t.Error("this machine got other bytes than the guest sent")
	}
}

func TestThousandConnections(t *testing.T) {
	d := newDriver(t)
	for i := range uint32(1000) {
		c := d.dial(1000 + i)
		if _, err := fmt.Fprint(c, i); err != nil {
			t.Fatal(err)
		}
		if p := d.want(data, 1000+i); string(p.payload) != fmt.Sprint(i) {
			t.Fatalf("connection %d: got %q", i, p.payload)
		}
	}
	for i := range uint32(1000) {
		d.send(packet{srcPort: 1000 + i, dstPort: 9000, op: shutdown, flags: 3})
		d.want(reset, 1000+i)
	}
}

// A driver that is reloaded finds the device as new.
func TestSecondRing(t *testing.T) {
	d := newDriver(t)
	d.dial(1000)
	d.Stop()
	d.Start()
	d.send(packet{srcPort: 1001, dstPort: 1, op: request})
	d.want(reset, 1001)
}
