package vhost

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"
)

const (
	descriptorSize = 16
	usedEntrySize  = 8

	flagNext     = 1
	flagWrite    = 2
	flagIndirect = 4

	availNoInterrupt = 1
)

// Queue is one split virtqueue. Only Process of its device uses it, so it needs no lock of its own.
type Queue struct {
	memory            memory
	size              uint16
	descriptors       []byte
	avail, used       []byte // nil while the ring's addresses are unknown
	next              uint16 // index of the next entry of the available ring
	filled            uint16 // index of the next entry of the used ring
	started, enabled  bool
	broken            bool
	interrupt         func() // nil: the driver polls
	descAddr          uint64 // as the monitor gave them
	availAddr         uint64
	usedAddr          uint64
	addressesAreKnown bool
}

// Chain is one request of the driver: buffers to read, then buffers to write. It is the guest's
// memory and valid during Process only.
type Chain struct {
	head     uint16
	readable [][]byte
	writable [][]byte
	written  int
}

// running tells whether the driver may be served.
func (q *Queue) running() bool { return q.started && q.enabled && !q.broken && q.avail != nil }

// resolve finds the ring in the guest's memory.
func (q *Queue) resolve() error {
	q.descriptors, q.avail, q.used = nil, nil, nil
	if !q.addressesAreKnown || q.size == 0 || len(q.memory) == 0 {
		return nil
	}
	if q.descAddr%16 != 0 || q.availAddr%4 != 0 || q.usedAddr%4 != 0 {
		// Linux aligns the available ring to 4 too; atomic loads want it
		return fmt.Errorf("%w: ring is not aligned", ErrGuest)
	}
	descriptors, err := q.memory.userSlice(q.descAddr, descriptorSize*uint64(q.size))
	if err != nil {
		return err
	}
	avail, err := q.memory.userSlice(q.availAddr, 4+2*uint64(q.size))
	if err != nil {
		return err
	}
	used, err := q.memory.userSlice(q.usedAddr, 4+usedEntrySize*uint64(q.size))
	if err != nil {
		return err
	}
	q.descriptors, q.avail, q.used = descriptors, avail, used
	q.filled = uint16(loadWord(used) >> 16)
	return nil
}

// loadWord and storeWord access flags and index of a ring, which the guest's processors change at
// the same time. The virtio format is little endian, and so is every host that this runs on.
func loadWord(b []byte) uint32     { return atomic.LoadUint32((*uint32)(unsafe.Pointer(&b[:4][0]))) }
func storeWord(b []byte, v uint32) { atomic.StoreUint32((*uint32)(unsafe.Pointer(&b[:4][0])), v) }

// Waiting tells whether Pop has something to return.
func (q *Queue) Waiting() bool {
	return q.running() && uint16(loadWord(q.avail)>>16) != q.next
}

// Pop returns the driver's next chain, or nil when there is none. The caller pushes it or puts it
// back before Process returns.
func (q *Queue) Pop() (*Chain, error) {
	if !q.running() {
		return nil, nil
	}
	waiting := uint16(loadWord(q.avail)>>16) - q.next
	if waiting == 0 {
		return nil, nil
	}
	if waiting > q.size {
		return nil, fmt.Errorf("%w: %d entries in a ring of %d", ErrGuest, waiting, q.size)
	}
	head := binary.LittleEndian.Uint16(q.avail[4+2*int(q.next%q.size):])
	c, err := q.walk(head)
	if err != nil {
		return nil, err
	}
	q.next++
	return c, nil
}

// walk follows the descriptors from head. Each is copied before it is looked at, or the guest could
// change it in between.
func (q *Queue) walk(head uint16) (*Chain, error) {
	c := &Chain{head: head}
	total := uint64(0)
	at := head
	for range q.size { // a longer chain goes in circles
		if at >= q.size {
			return nil, fmt.Errorf("%w: descriptor %d of %d", ErrGuest, at, q.size)
		}
		var d [descriptorSize]byte
		copy(d[:], q.descriptors[descriptorSize*int(at):])
		address := binary.LittleEndian.Uint64(d[0:])
		n := uint64(binary.LittleEndian.Uint32(d[8:]))
		flags := binary.LittleEndian.Uint16(d[12:])
		if flags&flagIndirect != 0 {
			return nil, fmt.Errorf("%w: indirect descriptors were not negotiated", ErrGuest)
		}
		if total += n; total > maxChain {
			return nil, fmt.Errorf("%w: chain of over %d bytes", ErrGuest, maxChain)
		}
		b, err := q.memory.slice(address, n)
		if err != nil {
			return nil, err
		}
		switch {
		case flags&flagWrite != 0:
			c.writable = append(c.writable, b)
		case len(c.writable) > 0:
			return nil, fmt.Errorf("%w: readable buffer behind a writable one", ErrGuest)
		default:
			c.readable = append(c.readable, b)
		}
		if flags&flagNext == 0 {
			return c, nil
		}
		at = binary.LittleEndian.Uint16(d[14:])
	}
	return nil, fmt.Errorf("%w: chain has no end", ErrGuest)
}

// PutBack undoes the latest Pop: the driver has not offered all that the device needs yet.
func (q *Queue) PutBack() { q.next-- }

// Push gives chains back to the driver with what was written to them, all at once, and interrupts
// the guest unless it asked not to be.
func (q *Queue) Push(chains ...*Chain) {
	for _, c := range chains {
		entry := q.used[4+usedEntrySize*int(q.filled%q.size):]
		binary.LittleEndian.PutUint32(entry, uint32(c.head))
		binary.LittleEndian.PutUint32(entry[4:], uint32(c.written))
		q.filled++
	}
	// The store is a full barrier: the entries are there before the index says so, and the flag
	// below is read after.
	storeWord(q.used, uint32(q.filled)<<16)
	if q.interrupt != nil && loadWord(q.avail)&availNoInterrupt == 0 {
		q.interrupt()
	}
}

// Readable and Writable return how many bytes are left to Read and to Write.
func (c *Chain) Readable() int { return length(c.readable) }

// Writable returns how many bytes are left to Write.
func (c *Chain) Writable() int { return length(c.writable) }

func length(parts [][]byte) int {
	n := 0
	for _, b := range parts {
		n += len(b)
	}
	return n
}

// Read copies from the driver's buffers and returns how much. What was read is not read again.
func (c *Chain) Read(p []byte) int {
	n := 0
	for len(c.readable) > 0 && n < len(p) {
		k := copy(p[n:], c.readable[0])
		n += k
		if c.readable[0] = c.readable[0][k:]; len(c.readable[0]) == 0 {
			c.readable = c.readable[1:]
		}
	}
	return n
}

// Write copies to the driver's buffers and returns how much fitted.
func (c *Chain) Write(p []byte) int {
	n := 0
	for len(c.writable) > 0 && n < len(p) {
		k := copy(c.writable[0], p[n:])
		n += k
		if c.writable[0] = c.writable[0][k:]; len(c.writable[0]) == 0 {
			c.writable = c.writable[1:]
		}
	}
	c.written += n
	return n
}
