// Package canonical encodes and decodes CBOR in the one form that the protocol allows: RFC 8949,
// 4.2.1, SPEC 1.
//
// A struct field without `omitempty` is a required key, one with it is an optional key, which is
// absent when empty. An optional number that may be zero, or an optional array type, is a pointer.
// Nothing here judges what values mean.
package canonical

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

const (
	// Low, because every level of nesting costs stack and every element an allocation that a peer
	// orders.
	maxDepth    = 8
	maxElements = 4096
)

// ErrMalformed says that bytes are not the canonical encoding of the wanted type.
var ErrMalformed = errors.New("malformed cbor")

var (
	enc = newEncMode()
	dec = newDecMode()
)

func newEncMode() cbor.EncMode {
	o := cbor.CoreDetEncOptions()
	o.TagsMd = cbor.TagsForbidden
	// An empty list is an empty list; null exists in no format of ours.
	o.NilContainers = cbor.NilContainerAsEmpty
	m, err := o.EncMode()
	if err != nil {
		panic(err) // unreachable: constant options
	}
	return m
}

func newDecMode() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   maxDepth,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       maxElements,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		panic(err) // unreachable: constant options
	}
	return m
}

// Marshal returns the canonical encoding of v. It refuses values that Unmarshal would refuse, such
// as nil pointers of required keys, floats and invalid UTF-8.
func Marshal(v any) ([]byte, error) {
	b, err := enc.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	if err := scan(b); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b, nil
}

// Unmarshal decodes data, which must be exactly the canonical encoding of v's type. The only error
// is ErrMalformed, and v is then of no use. Texts of the decoder stay out of the error: they quote
// the peer.
func Unmarshal(data []byte, v any) error {
	if err := scan(data); err != nil {
		return err
	}
	if err := dec.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: not a %T", ErrMalformed, v)
	}
	// One value has one encoding. This also finds missing required keys and optional keys given
	// empty: those are written, respectively left out, here. Without it two encodings of one value
	// would have two digests.
	again, err := enc.Marshal(v)
	if err != nil || !bytes.Equal(again, data) {
		return fmt.Errorf("%w: not the canonical encoding of a %T", ErrMalformed, v)
	}
	return nil
}
