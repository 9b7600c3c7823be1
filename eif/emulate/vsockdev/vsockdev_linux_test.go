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
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: data, Window: 1 << 20, Payload: []byte("to the parent")})
	b := make([]byte, 13)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "to the parent" {
		t.Fatalf("got %q, %v", b, err)
	}
	if _, err := c.Write([]byte("to the guest")); err != nil {
		t.Fatal(err)
	}
	if p := d.Want(data, 1000); string(p.Payload) != "to the guest" || p.Src != parentCID || p.SrcPort != 9000 {
		t.Errorf("got %+v", p)
	}
}

// The host has two context ids, and there is nobody else.
func TestContextIDs(t *testing.T) {
	d := newDriver(t)
	d.Send(packet{SrcPort: 1, DstPort: 9000, Dst: 2, Op: request})
	if p := d.Want(response, 1); p.Src != 2 {
		t.Errorf("answered from %d, want 2", p.Src)
	}
	for _, cid := range []uint64{1, 4, guestCID, 0xffffffff, 1<<32 + 3} {
		d.Send(packet{SrcPort: 1, DstPort: 9000, Dst: cid, Op: request})
		if p := d.Want(reset, 1); p.Src != cid {
			t.Errorf("context id %d: answered from %d", cid, p.Src)
		}
	}
	// another guest's packets are not answered
	d.Send(packet{Src: 17, SrcPort: 1, DstPort: 9000, Op: request})
	d.Send(packet{SrcPort: 2, DstPort: 1, Op: request})
	d.Want(reset, 2)
	(<-d.hosts.conns).Close()
}

func TestClosedPortAnswersAtOnce(t *testing.T) {
	d := newDriver(t)
	d.Send(packet{SrcPort: 1000, DstPort: 9001, Op: request})
	d.Want(reset, 1000)
	// And a port of the guest.
	ours := d.connect(77)
	p := d.Want(request, 77)
	d.Send(packet{SrcPort: 77, DstPort: p.SrcPort, Op: reset})
	ended(t, ours)
}

func TestHostDials(t *testing.T) {
	d := newDriver(t)
	ours := d.connect(9101)
	if _, err := ours.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	p := d.Want(request, 9101)
	if p.Src != parentCID || p.Window == 0 {
		t.Errorf("got %+v, want it from the parent and with room", p)
	}
	d.Send(packet{SrcPort: 9101, DstPort: p.SrcPort, Op: response, Window: 4096})
	if got := d.Want(data, 9101); string(got.Payload) != "early" {
		t.Errorf("got %q", got.Payload)
	}
}

// Each side ends its direction and still receives the other's.
func TestHalfClose(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: data, Window: 1 << 20, Payload: []byte("question")})
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 2, Window: 1 << 20})
	if b, err := io.ReadAll(c); err != nil || string(b) != "question" {
		t.Fatalf("got %q, %v, want the question and its end", b, err)
	}
	if _, err := c.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if p := d.Want(data, 1000); string(p.Payload) != "answer" {
		t.Errorf("got %q", p.Payload)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if p := d.Want(shutdown, 1000); p.Flags != 2 {
		t.Errorf("flags %d, want no more to come", p.Flags)
	}
	// The guest's close is answered though the connection has ended, or it would wait.
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 3})
	d.Want(reset, 1000)

	c = d.dial(1001)
	if _, err := c.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	d.Want(data, 1001)
	d.Want(shutdown, 1001)
	d.Send(packet{SrcPort: 1001, DstPort: 9000, Op: data, Window: 1 << 20, Forwarded: 5, Payload: []byte("second")})
	d.Send(packet{SrcPort: 1001, DstPort: 9000, Op: shutdown, Flags: 3, Window: 1 << 20, Forwarded: 5})
	if b, err := io.ReadAll(c); err != nil || string(b) != "second" {
		t.Errorf("got %q, %v", b, err)
	}
	d.Want(reset, 1001)
}

// A guest that closes while this machine still has bytes for it does not keep them.
func TestGuestCloses(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 3})
	d.Want(reset, 1000)
	ended(t, c)
	c = d.dial(1000) // the port is free again
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: reset})
	ended(t, c)
}

// When this machine's end has gone, the guest learns that nobody reads.
func TestHostCloses(t *testing.T) {
	d := newDriver(t)
	c := d.dial(1000)
	c.Close()
	if p := d.Want(shutdown, 1000); p.Flags != 2 {
		t.Errorf("flags %d, want no more to come", p.Flags)
	}
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: data, Window: 1 << 20, Payload: []byte("too late")})
	if p := d.Want(shutdown, 1000); p.Flags != 1 {
		t.Errorf("flags %d, want nobody reads", p.Flags)
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
			d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: data, Window: window, Forwarded: uint32(got.Len()), Payload: in[sent : sent+n]})
			sent += n
			continue
		}
		if room == 0 {
			d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditRequest, Window: window, Forwarded: uint32(got.Len())})
		}
		p := d.Receive()
		room = p.Forwarded + p.Window
		switch p.Op {
		case data:
			got.Write(p.Payload)
			d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: creditUpdate, Window: window, Forwarded: uint32(got.Len())})
		case shutdown:
			hostEnded = true
		case creditUpdate:
		default:
			t.Fatalf("got operation %d", p.Op)
		}
	}
	d.Send(packet{SrcPort: 1000, DstPort: 9000, Op: shutdown, Flags: 3, Window: window, Forwarded: uint32(got.Len())})
	if !bytes.Equal(got.Bytes(), out) {
		t.Errorf("the guest got %d other bytes than the %d that were sent", got.Len(), len(out))
	}
	if sum := <-arrived; sum != sha256.Sum256(in) {
		t.Error("this machine got other bytes than the guest sent")
	}
}

// The device closes while bytes of the guest wait for a reader: they are its last word.
func TestCloseHandsOver(t *testing.T) {
	d := newDriver(t)
	ours, theirs, err := vsockdev.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := theirs.SetWriteBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if err := d.device.Connect(theirs, 77); err != nil {
		t.Fatal(err)
	}
	p := d.Want(request, 77)
	d.Send(packet{SrcPort: 77, DstPort: p.SrcPort, Op: response, Window: 4096})
	word := bytes.Repeat([]byte("last"), 15<<10)
	d.Send(packet{SrcPort: 77, DstPort: p.SrcPort, Op: data, Payload: word})
	d.Stop()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		d.device.Close()
	}()
	if got, err := io.ReadAll(ours); err != nil || !bytes.Equal(got, word) {
		t.Errorf("%d bytes arrived, %v, want %d", len(got), err, len(word))
	}
	<-closed
}

func TestThousandConnections(t *testing.T) {
	d := newDriver(t)
	for i := range uint32(1000) {
		c := d.dial(1000 + i)
		if _, err := fmt.Fprint(c, i); err != nil {
			t.Fatal(err)
		}
		if p := d.Want(data, 1000+i); string(p.Payload) != fmt.Sprint(i) {
			t.Fatalf("connection %d: got %q", i, p.Payload)
		}
	}
	for i := range uint32(1000) {
		d.Send(packet{SrcPort: 1000 + i, DstPort: 9000, Op: shutdown, Flags: 3})
		d.Want(reset, 1000+i)
	}
}

// A driver that is reloaded finds the device as new.
func TestSecondRing(t *testing.T) {
	d := newDriver(t)
	d.dial(1000)
	d.Stop()
	d.Start()
	d.Send(packet{SrcPort: 1001, DstPort: 1, Op: request})
	d.Want(reset, 1001)
}
