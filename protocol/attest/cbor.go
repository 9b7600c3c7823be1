package attest

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Major types of RFC 8949, 3.1.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5

	tagSign1 = 0xd2 // tag 18, COSE_Sign1
	null     = 0xf6
	breakEnd = 0xff
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// reader walks the CBOR of a document without allocating: lengths that lie cost nothing. A general
// decoder would accept more than SPEC 6.1, and what it accepts differs between libraries. Only
// unknown fields are read with recursion, see skip.
type reader struct{ b []byte }

func (r *reader) next(c byte) bool {
	if len(r.b) > 0 && r.b[0] == c {
		r.b = r.b[1:]
		return true
	}
	return false
}

// head reads an item of the given major type and returns its argument, which must be in the
// shortest form.
func (r *reader) head(major byte) (uint64, error) {
	if len(r.b) == 0 {
		return 0, malformed("ends early")
	}
	got, info := r.b[0]>>5, r.b[0]&0x1f
	if got != major {
		return 0, malformed("cbor type is %d, want %d", got, major)
	}
	switch {
	case info < 24:
		r.b = r.b[1:]
		return uint64(info), nil
	case info == indefinite:
		return 0, malformed("indefinite length")
	case info > 27:
		return 0, malformed("reserved cbor length")
	}
	size := 1 << (info - 24)
	if len(r.b) < 1+size {
		return 0, malformed("ends early")
	}
	var wide [8]byte
	copy(wide[8-size:], r.b[1:1+size])
	n := binary.BigEndian.Uint64(wide[:])
	// The least value that needs this size: 24, 2^8, 2^16, 2^32.
	least := uint64(24)
	if size > 1 {
		least = 1 << (4 * size)
	}
	if n < least {
		return 0, malformed("integer not in its shortest form")
	}
	r.b = r.b[1+size:]
	return n, nil
}

// span reads a byte or text string of lo to hi bytes. The result points into the document.
func (r *reader) span(major byte, lo, hi uint64) ([]byte, error) {
	n, err := r.head(major)
	if err != nil {
		return nil, err
	}
	if n < lo || n > hi || n > uint64(len(r.b)) {
		return nil, malformed("string of %d bytes, want %d to %d and no more than there are", n, lo, hi)
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s, nil
}

func (r *reader) bytes(lo, hi uint64) ([]byte, error) { return r.span(majorBytes, lo, hi) }

func (r *reader) text(lo, hi uint64) (string, error) {
	s, err := r.span(majorText, lo, hi)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(s) {
		return "", malformed("invalid utf-8")
	}
	return string(s), nil
}

// optional reads null or a byte string of at most hi bytes: nil for null, not nil for the empty
// string.
func (r *reader) optional(hi uint64) ([]byte, error) {
	if r.next(null) {
		return nil, nil
	}
	return r.bytes(0, hi)
}

// pairs reads a map of definite or indefinite length, calling read with the reader at each key.
func (r *reader) pairs(lo, hi uint64, read func() error) error {
	return r.sequence(majorMap, lo, hi, read)
}

// elements reads an array of definite or indefinite length, calling read with the reader at each
// element.
func (r *reader) elements(lo, hi uint64, read func() error) error {
	return r.sequence(majorArray, lo, hi, read)
}

// sequence reads lo to hi elements, or pairs of a map.
func (r *reader) sequence(major byte, lo, hi uint64, read func() error) error {
	if r.next(major<<5 | indefinite) {
		for n := uint64(0); ; n++ {
			if r.next(breakEnd) {
				return inRange(n, lo, hi)
			}
			if n == hi {
				return malformed("more than %d elements", hi)
			}
			if err := read(); err != nil {
				return err
			}
		}
	}
	n, err := r.head(major)
	if err != nil {
		return err
	}
	if err := inRange(n, lo, hi); err != nil {
		return err
	}
	for range n {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func inRange(n, lo, hi uint64) error {
	if n < lo || n > hi {
		return malformed("%d elements, want %d to %d", n, lo, hi)
	}
	return nil
}
