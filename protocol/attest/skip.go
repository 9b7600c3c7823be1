package attest

import "unicode/utf8"

// Limits of fields that this version does not know (SPEC 6.1).
const (
	maxUnknown      = 16
	maxUnknownName  = 64
	maxUnknownValue = 7168 // what the NSM's response leaves next to a document of 5 KiB
	maxUnknownDepth = 8
)

// Major types of RFC 8949, 3.1, that occur in unknown fields only.
const (
	majorNegative = 1
	majorTag      = 6
	majorSimple   = 7
)

const (
	indefinite  = 31 // additional information of an indefinite length
	simpleByte  = 24 // a simple value in the next byte
	firstSimple = 32 // the least that may be there
)

// skipUnknown reads the value of an unknown field and keeps nothing of it. The value must be
// well-formed, so that all readers agree on where the next field begins.
func (r *reader) skipUnknown() error {
	before := len(r.b)
	if err := r.skip(maxUnknownDepth); err != nil {
		return err
	}
	if n := before - len(r.b); n > maxUnknownValue {
		return malformed("unknown field of %d bytes, the limit is %d", n, maxUnknownValue)
	}
	return nil
}

// skip reads one item of any type, nested in at most depth-1 others. Each item takes a byte at
// least, so a length that lies costs no more than the bytes there are.
func (r *reader) skip(depth int) error {
	if depth == 0 {
		return malformed("unknown field has more than %d levels", maxUnknownDepth)
	}
	if len(r.b) == 0 {
		return malformed("ends early")
	}
	switch major := r.b[0] >> 5; major {
	case majorUint, majorNegative:
		_, err := r.head(major)
		return err
	case majorBytes, majorText:
		return r.skipString(major)
	case majorArray:
		return r.elements(0, uint64(len(r.b)), func() error { return r.skip(depth - 1) })
	case majorMap:
		return r.skipMap(depth)
	case majorTag:
		if _, err := r.head(majorTag); err != nil {
			return err
		}
		return r.skip(depth - 1)
	default:
		return r.skipSimple()
	}
}

// skipString reads a string, or chunks of one.
func (r *reader) skipString(major byte) error {
	if !r.next(major<<5 | indefinite) {
		_, err := r.skipChunk(major)
		return err
	}
	for !r.next(breakEnd) {
		if _, err := r.skipChunk(major); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) skipChunk(major byte) ([]byte, error) {
	s, err := r.span(major, 0, maxDocument)
	if err != nil {
		return nil, err
	}
	if major == majorText && !utf8.Valid(s) {
		return nil, malformed("invalid utf-8")
	}
	return s, nil
}

// skipMap refuses a key that comes twice. Keys are integers and strings of definite length: each
// has one encoding, so equal bytes are equal keys.
func (r *reader) skipMap(depth int) error {
	seen := map[string]bool{}
	return r.pairs(0, uint64(len(r.b)), func() error {
		before := r.b
		if len(before) == 0 {
			return malformed("ends early")
		}
		var err error
		switch major := before[0] >> 5; major {
		case majorUint, majorNegative:
			_, err = r.head(major)
		case majorBytes, majorText:
			_, err = r.skipChunk(major)
		default:
			return malformed("key of a map is of cbor type %d", major)
		}
		if err != nil {
			return err
		}
		key := string(before[:len(before)-len(r.b)])
		if seen[key] {
			return malformed("duplicate key in an unknown field")
		}
		seen[key] = true
		return r.skip(depth - 1)
	})
}

// skipSimple reads a simple value or a float.
func (r *reader) skipSimple() error {
	size := 1
	switch info := r.b[0] & 0x1f; {
	case info == simpleByte:
		size = 2
	case info > simpleByte && info <= simpleByte+3: // floats of 2, 4 and 8 bytes
		size = 1 + 1<<(info-simpleByte)
	case info > simpleByte:
		return malformed("cbor break or reserved value")
	}
	if len(r.b) < size {
		return malformed("ends early")
	}
	if size == 2 && r.b[1] < firstSimple {
		return malformed("simple value not in its shortest form")
	}
	r.b = r.b[size:]
	return nil
}
