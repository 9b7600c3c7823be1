package kms

import "errors"

// Bounds of what KMS sends: a CMS of 32 bytes for an RSA-2048 recipient is under 500 bytes and
// nests 9 deep.
const (
	maxBER      = 16 << 10
	maxBERDepth = 12
	maxBERNodes = 128
)

// Tags of X.690 that occur, class and constructed bit included.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagSequence    = 0x30
	tagSet         = 0x31
	tagPrimitive0  = 0x80
	tagExplicit0   = 0xa0
	tagExplicit1   = 0xa1

	constructed = 0x20
	highTag     = 0x1f
	indefinite  = 0x80
)

var errBER = errors.New("malformed ber")

// element is one BER element: children when its tag is constructed, body when it is primitive.
type element struct {
	tag      byte
	body     []byte
	children []element
}

// berParser counts elements, so that nesting and repetition cannot multiply work.
type berParser struct{ nodes int }

// parseBER reads one element that takes up all of data. Of BER it knows what CMS from KMS uses: low
// tag numbers and lengths up to two bytes, definite or indefinite. Go's encoding/asn1 reads DER
// only.
func parseBER(data []byte) (element, error) {
	if len(data) > maxBER {
		return element{}, errBER
	}
	var p berParser
	e, rest, err := p.element(data, 0)
	if err != nil || len(rest) != 0 { // trailing bytes would be a second meaning
		return element{}, errBER
	}
	return e, nil
}

// element reads one element and returns what follows it.
func (p *berParser) element(data []byte, depth int) (element, []byte, error) {
	p.nodes++
	if depth > maxBERDepth || p.nodes > maxBERNodes || len(data) < 2 {
		return element{}, nil, errBER
	}
	e := element{tag: data[0]}
	// Tag 0 is the end marker of an indefinite length and no element.
	if e.tag == 0 || e.tag&highTag == highTag {
		return element{}, nil, errBER
	}
	n, isIndefinite, data, err := berLength(data[1:])
	switch {
	case err != nil:
		return element{}, nil, err
	case isIndefinite && e.tag&constructed == 0:
		return element{}, nil, errBER
	case isIndefinite:
		return p.untilEnd(e, data, depth)
	case n > len(data):
		return element{}, nil, errBER
	}
	body, rest := data[:n], data[n:]
	if e.tag&constructed == 0 {
		e.body = body
		return e, rest, nil
	}
	for len(body) > 0 {
		var child element
		if child, body, err = p.element(body, depth+1); err != nil {
			return element{}, nil, err
		}
		e.children = append(e.children, child)
	}
	return e, rest, nil
}

// untilEnd reads the children of an element of indefinite length, and its end marker.
func (p *berParser) untilEnd(e element, data []byte, depth int) (element, []byte, error) {
	for {
		if len(data) < 2 {
			return element{}, nil, errBER
		}
		if data[0] == 0 && data[1] == 0 {
			return e, data[2:], nil
		}
		child, rest, err := p.element(data, depth+1)
		if err != nil {
			return element{}, nil, err
		}
		e.children, data = append(e.children, child), rest
	}
}

// berLength reads a length and returns what follows it.
func berLength(data []byte) (n int, isIndefinite bool, rest []byte, err error) {
	first := data[0]
	switch {
	case first < 0x80:
		return int(first), false, data[1:], nil
	case first == indefinite:
		return 0, true, data[1:], nil
	case first == 0x81 && len(data) >= 2:
		return int(data[1]), false, data[2:], nil
	case first == 0x82 && len(data) >= 3:
		return int(data[1])<<8 | int(data[2]), false, data[3:], nil
	default:
		return 0, false, nil, errBER
	}
}
