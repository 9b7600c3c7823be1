//go:build linux

// Package guesttest is a guest and its virtual machine monitor in Go, for tests of vhost-user
// devices: New hands a device memory, rings and eventfds as QEMU does, and the rings are driven as
// a virtio driver of Linux drives them, or as no driver should.
package guesttest

import "encoding/binary"

// Layout of the guest's memory: one region, with a ring each MaxRing bytes and buffers behind the
// rings.
const (
	Memory = 4 << 20        // bytes
	Base   = 0x100000       // the guest's address of the first byte
	User   = 0x7f0000000000 // the same byte's address in the monitor
	rings  = 0x8000         // bytes for each ring

	// Entries of each ring.
	Entries = 64

	availOffset = Entries * 16
	usedOffset  = 0x4000
)

// Descriptor is an entry of a descriptor table.
type Descriptor struct {
	Address uint64
	Length  uint32
	Flags   uint16
	Next    uint16
}

// Descriptor flags.
const (
	Next     = 1
	Write    = 2
	Indirect = 4
)

// Ring is one virtqueue of the guest.
type Ring struct {
	guest *Guest
	index int
	base  int // offset in memory
	avail uint16
	used  uint16
	next  uint16 // where the device stood when it was stopped
}

// Reset makes the ring as that of a driver that has just been loaded.
func (r *Ring) Reset() {
	r.avail, r.used, r.next = 0, 0, 0
	clear(r.guest.At(r.base, rings))
}

// Ring returns the n-th ring.
func (g *Guest) Ring(n int) *Ring { return g.rings[n] }

// Buffers returns the offset in memory of the first byte behind the rings.
func (g *Guest) Buffers() int { return len(g.rings) * rings }

// At returns the guest's memory at an offset.
func (g *Guest) At(offset, n int) []byte { return g.memory[offset : offset+n] }

// Address returns the guest's physical address of an offset.
func Address(offset int) uint64 { return Base + uint64(offset) }

// Describe writes an entry of the descriptor table.
func (r *Ring) Describe(i int, d Descriptor) {
	b := r.guest.At(r.base+16*i, 16)
	binary.LittleEndian.PutUint64(b, d.Address)
	binary.LittleEndian.PutUint32(b[8:], d.Length)
	binary.LittleEndian.PutUint16(b[12:], d.Flags)
	binary.LittleEndian.PutUint16(b[14:], d.Next)
}

// Offer puts the chain that begins at head into the available ring, without a kick.
func (r *Ring) Offer(head uint16) {
	b := r.guest.At(r.base+availOffset, 4+2*Entries)
	binary.LittleEndian.PutUint16(b[4+2*(r.avail%Entries):], head)
	r.avail++
	r.SetAvail(r.avail)
}

// SetAvail sets the index of the available ring to whatever the test likes.
func (r *Ring) SetAvail(index uint16) {
	r.avail = index
	storeIndex(r.guest.At(r.base+availOffset, 4), index)
}

// Used returns the next entry that the device has given back, if there is one.
func (r *Ring) Used() (head, written uint32, ok bool) {
	b := r.guest.At(r.base+usedOffset, 4+8*Entries)
	if loadIndex(b) == r.used {
		return 0, 0, false
	}
	e := b[4+8*int(r.used%Entries):]
	r.used++
	return binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:]), true
}
