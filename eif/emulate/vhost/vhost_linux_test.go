package vhost_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/eif/emulate/guesttest"
	"anchorhold/eif/emulate/vhost"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo writes back what it reads.
type echo struct{ wake chan struct{} }

func (echo) Queues() int             { return 2 }
func (echo) Features() uint64        { return 1 }
func (echo) Config() []byte          { return []byte("config") }
func (e echo) Wake() <-chan struct{} { return e.wake }

func (echo) Process(queues []*vhost.Queue) error {
	for _, q := range queues {
		for {
			c, err := q.Pop()
			if err != nil {
				return err
			}
			if c == nil {
				break
			}
			b := make([]byte, c.Readable())
			c.Read(b)
			c.Write(b)
			q.Push(c)
		}
	}
	return nil
}

// offer puts a chain of two readable and two writable buffers into a ring.
func offer(g *guesttest.Guest, r *guesttest.Ring, in []byte) (out func() []byte) {
	at := g.Buffers()
	half := len(in) / 2
	copy(g.At(at, len(in)), in)
	r.Describe(0, guesttest.Descriptor{Address: guesttest.Address(at), Length: uint32(half), Flags: guesttest.Next, Next: 5})
	r.Describe(5, guesttest.Descriptor{Address: guesttest.Address(at + half), Length: uint32(len(in) - half), Flags: guesttest.Next, Next: 1})
	r.Describe(1, guesttest.Descriptor{Address: guesttest.Address(at + 0x10000), Length: 3, Flags: guesttest.Next | guesttest.Write, Next: 2})
	r.Describe(2, guesttest.Descriptor{Address: guesttest.Address(at + 0x20000), Length: 1000, Flags: guesttest.Write})
	r.Offer(0)
	r.Kick()
	return func() []byte {
		_, n := r.Next()
		return append(append([]byte{}, g.At(at+0x10000, 3)...), g.At(at+0x20000, int(n)-3)...)
	}
}

func TestEcho(t *testing.T) {
	g := guesttest.New(t, echo{})
	for i := range 3 * guesttest.Entries { // the rings go round
		in := []byte(fmt.Sprintf("request number %d", i))
		if got := offer(g, g.Ring(i%2), in)(); !bytes.Equal(got, in) {
			t.Fatalf("got %q, want %q", got, in)
		}
	}
	if got := g.Stop(); got[0] != 96 || got[1] != 96 {
		t.Errorf("the rings stand at %v, want 96 both", got)
	}
	g.Start() // a driver that is loaded again; its memory is as it was
	if got := offer(g, g.Ring(0), []byte("again"))(); string(got) != "again" {
		t.Errorf("after a restart: got %q", got)
	}
}

func TestAnswers(t *testing.T) {
	g := guesttest.New(t, echo{})
	if got := binary.LittleEndian.Uint64(g.Ask(1, nil)); got != 1<<32|1<<30|1 {
		t.Errorf("features %#x", got)
	}
	if got := binary.LittleEndian.Uint64(g.Ask(17, nil)); got != 2 {
		t.Errorf("%d queues, want 2", got)
	}
	ask := append([]byte{3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0}, "123456789"...)
	if got := g.Ask(24, ask)[12:]; string(got) != "fig\x00\x00\x00\x00\x00\x00" {
		t.Errorf("configuration space from 3: got %q", got)
	}
	// Acknowledged when asked to.
	if err := g.TrySend(3, 1|8, nil); err != nil {
		t.Fatal(err)
	}
	if b, err := g.Receive(); err != nil || binary.LittleEndian.Uint64(b) != 0 {
		t.Errorf("got %x, %v, want zero", b, err)
	}
	if err := g.TrySend(8, 1|8, []byte{0, 0, 0, 0, 3, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if b, err := g.Receive(); err != nil || binary.LittleEndian.Uint64(b) == 0 {
		t.Errorf("a ring of 3 entries: got %x, %v, want a refusal", b, err)
	}
}

// Each is what a hostile guest could write into its ring. The device stops, says so, touches
// nothing else, and serves again after a reset.
func TestHostileRings(t *testing.T) {
	type D = guesttest.Descriptor
	end := guesttest.Address(guesttest.Memory)
	good := guesttest.Address(0x100000)
	for name, attack := range map[string]func(r *guesttest.Ring){
		"address below memory":  func(r *guesttest.Ring) { r.Describe(0, D{Address: 0, Length: 8}); r.Offer(0) },
		"address behind memory": func(r *guesttest.Ring) { r.Describe(0, D{Address: end, Length: 1}); r.Offer(0) },
		"length leaves memory":  func(r *guesttest.Ring) { r.Describe(0, D{Address: end - 8, Length: 9}); r.Offer(0) },
		"length overflows":      func(r *guesttest.Ring) { r.Describe(0, D{Address: 1<<64 - 8, Length: 16}); r.Offer(0) },
		"largest length":        func(r *guesttest.Ring) { r.Describe(0, D{Address: good, Length: 1<<32 - 1}); r.Offer(0) },
		"monitor's own address": func(r *guesttest.Ring) { r.Describe(0, D{Address: 0x7f0000000000, Length: 8}); r.Offer(0) },
		"head out of range":     func(r *guesttest.Ring) { r.Offer(guesttest.Entries) },
		"next out of range": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: good, Length: 1, Flags: guesttest.Next, Next: 65535})
			r.Offer(0)
		},
		"circle of three": func(r *guesttest.Ring) {
			for i := range 3 {
				r.Describe(i, D{Address: good, Length: 1, Flags: guesttest.Next, Next: uint16((i + 1) % 3)})
			}
			r.Offer(0)
		},
		"circle of empty buffers": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: good, Flags: guesttest.Next, Next: 1})
			r.Describe(1, D{Address: good, Flags: guesttest.Next})
			r.Offer(0)
		},
		"circle": func(r *guesttest.Ring) { r.Describe(0, D{Address: good, Length: 1, Flags: guesttest.Next}); r.Offer(0) },
		"indirect": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: good, Length: 16, Flags: guesttest.Indirect})
			r.Offer(0)
		},
		// A table that names itself, and one with as many entries as its length can say: neither is
		// read at all.
		"indirect table of itself": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: guesttest.Address(0), Length: 16, Flags: guesttest.Indirect | guesttest.Next})
			r.Offer(0)
		},
		"indirect table of 4 GiB": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: good, Length: 1<<32 - 16, Flags: guesttest.Indirect})
			r.Offer(0)
		},
		"indirect behind a good one": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: good, Length: 8, Flags: guesttest.Next, Next: 1})
			r.Describe(1, D{Address: good, Length: 16, Flags: guesttest.Indirect | guesttest.Write})
			r.Offer(0)
		},
		"available index jumps":   func(r *guesttest.Ring) { r.SetAvail(guesttest.Entries + 1) },
		"available index returns": func(r *guesttest.Ring) { r.SetAvail(65535) },
		"readable behind writable": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: good, Length: 1, Flags: guesttest.Next | guesttest.Write, Next: 1})
			r.Describe(1, D{Address: good, Length: 1})
			r.Offer(0)
		},
		"chain of 2 MiB": func(r *guesttest.Ring) {
			r.Describe(0, D{Address: guesttest.Address(0), Length: 1 << 20, Flags: guesttest.Next, Next: 1})
			r.Describe(1, D{Address: guesttest.Address(0), Length: 1 << 20})
			r.Offer(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t, echo{})
			attack(g.Ring(0))
			g.Ring(0).Kick()
			select {
			case err := <-g.Faults:
				if !errors.Is(err, vhost.ErrGuest) {
					t.Errorf("got %v, want a fault of the guest", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nothing was noticed")
			}
			if _, _, ok := g.Ring(0).Used(); ok {
				t.Error("the chain came back as if it had been served")
			}
			g.Stop()
			g.Ring(0).Reset()
			g.Start()
			if got := offer(g, g.Ring(0), []byte("reset"))(); string(got) != "reset" {
				t.Errorf("after a reset: got %q", got)
			}
		})
	}
}

// What a monitor must not say; the connection ends, without a panic and without a descriptor left
// open.
func TestMalformedMessages(t *testing.T) {
	u := func(v ...uint64) (b []byte) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		return b
	}
	region := guesttest.Table(guesttest.Region{Guest: 0, Size: 1 << 20, User: 0, Offset: 0})
	for name, m := range map[string]struct {
		request, flags uint32
		payload        []byte
		file           bool
	}{
		"payload over 4 KiB":      {24, 1, make([]byte, 5000), false},
		"version 2":               {1, 2, nil, false},
		"unknown request":         {99, 1, nil, false},
		"write configuration":     {25, 1, make([]byte, 20), false},
		"features not offered":    {2, 1, u(1 << 28), false},
		"features too short":      {2, 1, []byte{1}, false},
		"ring 9":                  {8, 1, []byte{9, 0, 0, 0, 64, 0, 0, 0}, false},
		"ring of 0":               {8, 1, u(0), false},
		"ring of 65536":           {8, 1, []byte{0, 0, 0, 0, 0, 0, 1, 0}, false},
		"addresses too short":     {9, 1, u(0), false},
		"kick without descriptor": {12, 1, u(0), false},
		"kick of ring 9":          {12, 1, u(9), true},
		"base of ring 9":          {11, 1, u(9), false},
		"configuration too short": {24, 1, u(0), false},
		"configuration too long":  {24, 1, append(u(200<<32), 0, 0, 0, 0), false},
		"no memory":               {5, 1, u(0), false},
		"memory, no descriptor":   {5, 1, region, false},
		"memory behind file":      {5, 1, region, true}, // an eventfd has no bytes
		"memory overflows":        {5, 1, guesttest.Table(guesttest.Region{Guest: 1 << 63, Size: 1 << 63, User: 0, Offset: 0}), true},
		"huge memory":             {5, 1, guesttest.Table(guesttest.Region{Guest: 0, Size: 1 << 41, User: 0, Offset: 0}), true},
		"offset overflows":        {5, 1, guesttest.Table(guesttest.Region{Guest: 0, Size: 4096, User: 0, Offset: 1<<64 - 4096}), true},
		"memory, 4 billion":       {5, 1, append(u(1<<32-1), region[8:]...), true},
		"memory, count differs":   {5, 1, append(u(2), region[8:]...), true},
		"memory, nine regions":    {5, 1, guesttest.Table(make([]guesttest.Region, 9)...), true},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t, echo{})
			var files []int
			if m.file {
				files = append(files, g.Eventfd())
			}
			if err := g.TrySend(m.request, m.flags, m.payload, files...); err != nil {
				t.Fatal(err)
			}
			if err := g.Wait(); err == nil {
				t.Error("Serve returned no error")
			}
		})
	}
}

// Regions that overlap would give one guest address two meanings.
func TestOverlappingRegions(t *testing.T) {
	g := guesttest.New(t, echo{})
	table := guesttest.Table(guesttest.Region{Guest: 0, Size: 8192, User: 0, Offset: 0}, guesttest.Region{Guest: 4096, Size: 8192, User: 1 << 20, Offset: 0})
	if err := g.TrySend(5, 1, table, g.MemoryFile(), g.MemoryFile()); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err == nil {
		t.Error("Serve returned no error")
	}
}

// A device that wants to be called without a kick is.
func TestWake(t *testing.T) {
	wake := make(chan struct{})
	g := guesttest.New(t, echo{wake})
	r := g.Ring(0)
	r.Describe(0, guesttest.Descriptor{Address: guesttest.Address(g.Buffers()), Length: 4})
	r.Offer(0)
	wake <- struct{}{}
	if head, _ := r.Next(); head != 0 {
		t.Errorf("got chain %d", head)
	}
}
