package canonical

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Major types of RFC 8949, 3.1.
const (
	majorUint  = 0
	majorNint  = 1
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorOther = 7

	falseByte = 0xf4
	trueByte  = 0xf5
)

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }

// scan refuses everything that SPEC 1 excludes whatever the Go type: a decoder into an interface or
// a pointer would let floats and nulls through. It allocates nothing, so lengths that lie cost
// nothing.
func scan(data []byte) error {
	rest, err := item(data, 0)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return malformed("trailing bytes")
	}
	return nil
}

// item checks one data item and returns what follows it.
func item(b []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, malformed("nested too deep")
	}
	major, n, rest, err := head(b)
	if err != nil {
		return nil, err
	}
	switch major {
	case majorUint, majorNint:
		return rest, nil
	case majorBytes, majorText:
		if n > uint64(len(rest)) {
			return nil, malformed("string runs past the end")
		}
		if major == majorText && !utf8.Valid(rest[:n]) {
			return nil, malformed("invalid utf-8")
		}
		return rest[n:], nil
	case majorArray:
		if n > maxElements {
			return nil, malformed("too many elements")
		}
		for range n {
			if rest, err = item(rest, depth+1); err != nil {
				return nil, err
			}
		}
		return rest, nil
	case majorMap:
		return pairs(rest, n, depth)
	default:
		if b[0] == falseByte || b[0] == trueByte {
			return rest, nil
		}
		return nil, malformed("tag, float, null or undefined")
	}
}

// pairs checks the n pairs of a map: text keys, each greater than the one before, hence no
// duplicates.
func pairs(b []byte, n uint64, depth int) ([]byte, error) {
	if n > maxElements {
		return nil, malformed("too many pairs")
	}
	var last []byte
	for i := range n {
		if len(b) == 0 || b[0]>>5 != majorText {
			return nil, malformed("key is not text")
		}
		rest, err := item(b, depth+1)
		if err != nil {
			return nil, err
		}
		key := b[:len(b)-len(rest)]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return nil, malformed("keys out of order or duplicate")
		}
		last = key
		if b, err = item(rest, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// head reads the initial byte and the argument, which must have the shortest form.
func head(b []byte) (major byte, n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, 0, nil, malformed("ends early")
	}
	major, info := b[0]>>5, b[0]&0x1f
	b = b[1:]
	if info < 24 {
		return major, uint64(info), b, nil
	}
	if info > 27 || major == majorOther {
		return 0, 0, nil, malformed("indefinite length, float or reserved value")
	}
	size := 1 << (info - 24)
	if len(b) < size {
		return 0, 0, nil, malformed("ends early")
	}
	var wide [8]byte
	copy(wide[8-size:], b[:size])
	n = binary.BigEndian.Uint64(wide[:])
	// The least value that needs this size: 24, 2^8, 2^16, 2^32.
	least := uint64(24)
	if size > 1 {
		least = 1 << (4 * size)
	}
	if n < least {
		return 0, 0, nil, malformed("integer not in its shortest form")
	}
	return major, n, b[size:], nil
}
