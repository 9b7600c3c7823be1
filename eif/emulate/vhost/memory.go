package vhost

import (
	"fmt"
	"math"
)

const (
	maxRegions    = 8 // VHOST_MEMORY_BASELINE_NREGIONS
	regionSize    = 32
	maxGuestBytes = 1 << 40
)

// region is a part of the guest's memory as the monitor describes it.
type region struct {
	guest, size uint64 // physical address in the guest
	user        uint64 // address in the monitor, in which ring addresses are given
	offset      uint64 // in the file
	mapped      []byte // size bytes; nil until mapped
	whole       []byte // what must be unmapped
}

// memory is the guest's memory. It is mapped while the server's lock is held by whoever reads it.
type memory []region

// check refuses regions that overflow or overlap.
func (m memory) check() error {
	for i, r := range m {
		if r.size == 0 || r.size > maxGuestBytes || r.guest > math.MaxUint64-r.size || r.user > math.MaxUint64-r.size || r.offset > maxGuestBytes {
			return fmt.Errorf("malformed memory region %d", i)
		}
		for k := range i {
			if o := m[k]; r.guest < o.guest+o.size && o.guest < r.guest+r.size {
				return fmt.Errorf("malformed memory table: regions %d and %d overlap", k, i)
			}
		}
	}
	return nil
}

// slice returns the bytes at a physical address of the guest, all of them or an error. A buffer
// must lie in one region.
func (m memory) slice(address uint64, n uint64) ([]byte, error) {
	for i := range m {
		r := &m[i]
		if address >= r.guest && address-r.guest < r.size {
			return within(r.mapped, address-r.guest, n)
		}
	}
	return nil, fmt.Errorf("%w: address %#x is no memory", ErrGuest, address)
}

// userSlice is slice for an address in the monitor.
func (m memory) userSlice(address uint64, n uint64) ([]byte, error) {
	for i := range m {
		r := &m[i]
		if address >= r.user && address-r.user < r.size {
			return within(r.mapped, address-r.user, n)
		}
	}
	return nil, fmt.Errorf("%w: ring address %#x is no memory", ErrGuest, address)
}

// within cuts n bytes out of b, whose capacity ends with them: an append could not reach further.
func within(b []byte, from, n uint64) ([]byte, error) {
	if from > uint64(len(b)) || n > uint64(len(b))-from {
		return nil, fmt.Errorf("%w: %d bytes at offset %#x leave the memory", ErrGuest, n, from)
	}
	return b[from : from+n : from+n], nil
}
