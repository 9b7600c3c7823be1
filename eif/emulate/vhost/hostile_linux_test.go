package vhost_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"anchorhold/eif/emulate/guesttest"
	"anchorhold/eif/emulate/vhost"
)

// setUp describes ring 0 to the device, wherever its parts are said to lie, and kicks it.
func setUp(g *guesttest.Guest, descriptors, used, avail uint64) {
	payload := make([]byte, 40)
	for i, v := range []uint64{0, descriptors, used, avail, 0} {
		binary.LittleEndian.PutUint64(payload[8*i:], v)
	}
	g.Send(8, []byte{0, 0, 0, 0, guesttest.Entries, 0, 0, 0})
	g.Send(9, payload)
	g.Send(12, make([]byte, 8), g.Eventfd())
	g.Send(18, []byte{0, 0, 0, 0, 1, 0, 0, 0})
	g.Ring(0).Kick()
	g.Ask(1, nil)
}

// Rings, whole or in part, outside memory, or where they would be read across words, are not
// served.
func TestRingOutsideMemory(t *testing.T) {
	const start, end = guesttest.User, guesttest.User + guesttest.Memory
	good := [3]uint64{start, start + 0x4000, start + 0x1000}
	for name, change := range map[string]func(a *[3]uint64){
		"far away":               func(a *[3]uint64) { *a = [3]uint64{1 << 62, 1 << 62, 1 << 62} },
		"null":                   func(a *[3]uint64) { *a = [3]uint64{} },
		"guest's own addresses":  func(a *[3]uint64) { *a = [3]uint64{guesttest.Base, guesttest.Base + 0x4000, guesttest.Base + 0x1000} },
		"descriptors end behind": func(a *[3]uint64) { a[0] = end - 16*guesttest.Entries + 16 },
		"used ends behind":       func(a *[3]uint64) { a[1] = end - 8*guesttest.Entries },
		"available ends behind":  func(a *[3]uint64) { a[2] = end - 2*guesttest.Entries },
		"descriptors before":     func(a *[3]uint64) { a[0] = start - 16 },
		"descriptors wrap":       func(a *[3]uint64) { a[0] = 1<<64 - 16 },
		"used wraps":             func(a *[3]uint64) { a[1] = 1<<64 - 4 },
		"available wraps":        func(a *[3]uint64) { a[2] = 1<<64 - 4 },
		"descriptors askew":      func(a *[3]uint64) { a[0] += 8 },
		"used askew":             func(a *[3]uint64) { a[1] += 2 },
		"available askew":        func(a *[3]uint64) { a[2]++ },
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.Connect(t, echo{})
			at := good
			change(&at)
			g.Ring(0).Describe(0, guesttest.Descriptor{Address: guesttest.Address(g.Buffers()), Length: 4})
			g.Ring(0).Offer(0)
			setUp(g, at[0], at[1], at[2])
			if err := <-g.Faults; !errors.Is(err, vhost.ErrGuest) {
				t.Errorf("got %v, want a fault of the guest", err)
			}
			g.Stop()
			if _, _, ok := g.Ring(0).Used(); ok {
				t.Error("the ring was served")
			}
			g.Ring(0).Reset()
			g.Start() // where a driver would have put it
			if got := offer(g, g.Ring(0), []byte("reset"))(); string(got) != "reset" {
				t.Errorf("after a reset: got %q", got)
			}
		})
	}
}

// Kicks of rings that nobody has set up, or not whole, do nothing; what is set up later is served.
func TestKickWithoutSetUp(t *testing.T) {
	g := guesttest.Connect(t, echo{})
	g.Ask(1, nil)
	kick := func() {
		g.Send(12, make([]byte, 8), g.Eventfd())
		g.Send(18, []byte{0, 0, 0, 0, 1, 0, 0, 0})
		g.Ring(0).Kick()
		g.Ask(1, nil)
	}
	g.Ring(0).Describe(0, guesttest.Descriptor{Address: guesttest.Address(g.Buffers()), Length: 4})
	g.Ring(0).Offer(0)
	kick()
	g.Send(8, []byte{0, 0, 0, 0, guesttest.Entries, 0, 0, 0}) // a size, and no addresses
	kick()
	select {
	case err := <-g.Faults:
		t.Errorf("got %v", err)
	default:
	}
	if got := g.Stop(); got[0] != 0 {
		t.Errorf("the ring stands at %d, want 0", got[0])
	}
	g.Ring(0).Reset()
	g.Start()
	if got := offer(g, g.Ring(0), []byte("set up"))(); string(got) != "set up" {
		t.Errorf("got %q", got)
	}
}

// The monitor changes the memory under a ring that runs: moved, cut so that a buffer or the ring
// itself lies outside, and back. What lies outside is not touched, which would be a fatal signal:
// it is no longer mapped.
func TestMemoryChangesUnderWay(t *testing.T) {
	whole := guesttest.Region{Guest: guesttest.Base, Size: guesttest.Memory, User: guesttest.User}
	const cut = 0x10000 // behind the rings, before the buffers
	set := func(g *guesttest.Guest, regions ...guesttest.Region) {
		files := make([]int, len(regions))
		for i := range files {
			files[i] = g.MemoryFile()
		}
		g.Send(5, guesttest.Table(regions...), files...)
		g.Ask(1, nil)
	}
	// part is the memory from an offset to another.
	part := func(from, to uint64) guesttest.Region {
		return guesttest.Region{Guest: whole.Guest + from, Size: to - from, User: whole.User + from, Offset: from}
	}
	for name, c := range map[string]struct {
		regions []guesttest.Region
		served  bool
	}{
		"the same":          {[]guesttest.Region{whole}, true},
		"in two parts":      {[]guesttest.Region{part(0, cut), part(cut, whole.Size)}, true},
		"buffers gone":      {[]guesttest.Region{part(0, cut)}, false},
		"rings gone":        {[]guesttest.Region{part(cut, whole.Size)}, false},
		"rings half gone":   {[]guesttest.Region{part(0, 0x4010)}, false},
		"elsewhere":         {[]guesttest.Region{{Guest: 1 << 39, Size: whole.Size, User: 1 << 46}}, false},
		"a cut through one": {[]guesttest.Region{part(0, cut+1), part(cut+1, whole.Size)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t, echo{})
			r := g.Ring(0)
			if got := offer(g, r, []byte("before"))(); string(got) != "before" {
				t.Fatalf("got %q", got)
			}
			set(g, c.regions...)
			finish := offer(g, r, []byte("after"))
			if c.served {
				if got := finish(); string(got) != "after" {
					t.Errorf("got %q", got)
				}
				return
			}
			if err := <-g.Faults; !errors.Is(err, vhost.ErrGuest) {
				t.Errorf("got %v, want a fault of the guest", err)
			}
			g.Stop()
			if _, _, ok := r.Used(); ok {
				t.Error("the chain came back as if it had been served")
			}
			set(g, whole)
			r.Reset()
			g.Start()
			if got := offer(g, r, []byte("reset"))(); string(got) != "reset" {
				t.Errorf("after a reset: got %q", got)
			}
		})
	}
}

// A second processor of the guest rewrites a descriptor while the device follows it, between memory
// and what is none. Each chain is served or refused; never is the address that was checked another
// than the one that is used.
func TestDescriptorsChangeUnderWay(t *testing.T) {
	g := guesttest.New(t, echo{})
	r := g.Ring(0)
	good, evil := guesttest.Address(g.Buffers()), uint64(guesttest.User)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			r.Describe(0, guesttest.Descriptor{Address: evil, Length: 1<<32 - 1})
			r.Describe(0, guesttest.Descriptor{Address: good, Length: 8})
		}
	}()
	served, refused := 0, 0
	for served+refused < 100 {
		r.Offer(0)
		r.Kick()
		deadline := time.Now().Add(20 * time.Second)
		for done := false; !done; time.Sleep(20 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatal("neither served nor refused")
			}
			if _, _, done = r.Used(); done {
				served++
				continue
			}
			select {
			case err := <-g.Faults:
				if !errors.Is(err, vhost.ErrGuest) {
					t.Fatalf("got %v", err)
				}
				refused++
				done = true
				g.Stop()
				r.Reset()
				g.Start()
			default:
			}
		}
	}
	close(stop)
	<-stopped
	t.Logf("%d served, %d refused", served, refused)
}

// FuzzRing writes arbitrary bytes over the descriptor table and the rings while the device is
// served.
func FuzzRing(f *testing.F) {
	f.Add([]byte{}, uint16(1))
	f.Add(bytes.Repeat([]byte{0, 0, 0x10, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 1, 0}, 64), uint16(64))
	f.Add(bytes.Repeat([]byte{0xff}, 1024), uint16(65535))
	f.Fuzz(func(t *testing.T, b []byte, avail uint16) {
		g := guesttest.New(t, echo{})
		r := g.Ring(0)
		copy(g.At(0, 0x2000), b)
		r.SetAvail(avail)
		r.Kick()
		g.Ask(1, nil) // the device still answers
		g.Stop()
		r.Reset()
		g.Start()
		if got := offer(g, r, []byte("reset"))(); string(got) != "reset" {
			t.Errorf("after a reset: got %q", got)
		}
	})
}

// FuzzMessages sends arbitrary requests: the connection may end, the process may not.
func FuzzMessages(f *testing.F) {
	f.Add(uint32(5), uint32(1), guesttest.Table(guesttest.Region{Guest: 0, Size: 4096, User: 0, Offset: 0}), true)
	f.Add(uint32(9), uint32(9), make([]byte, 40), false)
	f.Add(uint32(12), uint32(1), make([]byte, 8), true)
	f.Add(uint32(24), uint32(1), make([]byte, 20), false)
	f.Fuzz(func(t *testing.T, request, flags uint32, payload []byte, file bool) {
		if len(payload) > 8192 {
			return
		}
		g := guesttest.New(t, echo{})
		var files []int
		if file {
			files = append(files, g.MemoryFile())
		}
		_ = g.TrySend(request, flags, payload, files...)
	})
}
