package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNothingToRepair says that an image is as it should be.
var ErrNothingToRepair = errors.New("nothing to repair")

// Repair reads an image that AWS's library has signed again. The library writes the new size of the
// signature section into the section's own header, but leaves the old one in the header's table,
// and loaders that follow the table refuse the image or cut the section. Nearly every signature has
// another size: bytes are written as integers, in one byte or two. It returns the image with the
// right size, and what was wrong. No measured byte changes. Errors: ErrNothingToRepair, or a Fault
// for an image with any other fault.
func Repair(b []byte) (*Image, string, error) {
	if _, err := Parse(b); err == nil {
		return nil, "", ErrNothingToRepair
	}
	n, err := checkHeader(b)
	if err != nil {
		return nil, "", err
	}
	// The library computes the checksum after it has left the size wrong. If it does not match,
	// other bytes are wrong too.
	if err := checkChecksum(b); err != nil {
		return nil, "", err
	}
	fixed, wrong := bytes.Clone(b), ""
	pos := uint64(headerSize)
	for k := range n {
		s, next, err := parseSection(b, k, pos)
		if err != nil {
			return nil, "", err
		}
		if _, size := tableEntry(b, k); s.Type == Signature && size != uint64(len(s.Data)) {
			wrong = fmt.Sprintf("section %d (%v): section_sizes[%d] was %d, is %d", k, s.Type, k, size, len(s.Data))
			binary.BigEndian.PutUint64(fixed[sizesOffset+8*k:], uint64(len(s.Data)))
		}
		pos = next
	}
	binary.BigEndian.PutUint32(fixed[crcOffset:], checksum(fixed))
	i, err := Parse(fixed) // which refuses all other faults
	if err != nil {
		return nil, "", err
	}
	return i, wrong, nil
}
