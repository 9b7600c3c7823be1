package message

import (
	"errors"
	"fmt"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/frame"
)

// ErrMalformed says that bytes are no control message of SPEC 2.2. The connection must be closed.
var ErrMalformed = errors.New("malformed message")

// CBOR initial bytes, RFC 8949, 3.
const (
	mapHead  = 0xa0 // map with 0 to 23 pairs: the count is in the low bits
	textHead = 0x60 // text of 0 to 23 bytes, likewise
	maxShort = 23
)

// opKey is the encoded key "op". All other keys are longer, so it stands first in the canonical
// order.
const opKey = "\x62op"

// decoders has one entry for each op.
var decoders = map[string]func([]byte) (Message, error){
	Describe{}.Op():         decodeAs[Describe],
	Description{}.Op():      decodeAs[Description],
	GetPolicy{}.Op():        decodeAs[GetPolicy],
	Attest{}.Op():           decodeAs[Attest],
	Attestation{}.Op():      decodeAs[Attestation],
	GetLog{}.Op():           decodeAs[GetLog],
	Batch{}.Op():            decodeAs[Batch],
	Job{}.Op():              decodeAs[Job],
	End{}.Op():              decodeAs[End],
	Done{}.Op():             decodeAs[Done],
	Failed{}.Op():           decodeAs[Failed],
	Connect{}.Op():          decodeAs[Connect],
	Connected{}.Op():        decodeAs[Connected],
	GetCredentials{}.Op():   decodeAs[GetCredentials],
	RenewCredentials{}.Op(): decodeAs[RenewCredentials],
	Credentials{}.Op():      decodeAs[Credentials],
}

func decodeAs[T Message](keys []byte) (Message, error) {
	var m T
	if err := canonical.Unmarshal(keys, &m); err != nil {
		return nil, err
	}
	return m, nil
}

// Encode returns the body of the control frame for m, without CRC. It refuses what Decode refuses.
func Encode(m Message) ([]byte, error) {
	if err := check(m); err != nil {
		return nil, err
	}
	keys, err := canonical.Marshal(m)
	if err != nil {
		return nil, err
	}
	op := m.Op()
	// Splices the pair "op" in as the first of the map. No message has 23 keys, no op 24 bytes.
	b := make([]byte, 0, len(keys)+len(opKey)+1+len(op))
	b = append(b, keys[0]+1)
	b = append(b, opKey...)
	b = append(b, textHead|byte(len(op)))
	b = append(b, op...)
	b = append(b, keys[1:]...)
	if len(b) > frame.MaxControl {
		return nil, fmt.Errorf("%w: %s has %d bytes, want at most %d", ErrMalformed, op, len(b), frame.MaxControl)
	}
	return b, nil
}

// Decode reads the body of a control frame without CRC. It returns a value, such as Job, that
// shares no memory with b. The only error is ErrMalformed.
func Decode(b []byte) (Message, error) {
	op, keys, err := splitOp(b)
	if err != nil {
		return nil, err
	}
	decode, ok := decoders[op]
	if !ok {
		return nil, fmt.Errorf("%w: unknown op", ErrMalformed)
	}
	m, err := decode(keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := check(m); err != nil {
		return nil, err
	}
	return m, nil
}

// splitOp takes the pair "op" out of the encoded map and returns its value and the map without it.
func splitOp(b []byte) (op string, keys []byte, err error) {
	const fixed = 1 + len(opKey) + 1
	if len(b) < fixed || b[0] <= mapHead || b[0] > mapHead+maxShort || string(b[1:1+len(opKey)]) != opKey {
		return "", nil, fmt.Errorf("%w: no op", ErrMalformed)
	}
	n := int(b[fixed-1]) - textHead
	if n < 0 || n > maxShort || len(b) < fixed+n {
		return "", nil, fmt.Errorf("%w: op is not a short text", ErrMalformed)
	}
	keys = append([]byte{b[0] - 1}, b[fixed+n:]...)
	return string(b[fixed : fixed+n]), keys, nil
}

// check holds messages to the ranges that their types do not express.
func check(m Message) error {
	var ok bool
	switch m := m.(type) {
	case Attest:
		ok = len(m.Nonce) >= 1 && len(m.Nonce) <= maxNonce
	case Attestation:
		ok = len(m.Document) > 0
	case Batch:
		ok = len(m.Document) > 0 && len(m.Leaves) >= 1 && len(m.Leaves) <= MaxLeaves
	case Done:
		ok = len(m.Receipt) > 0
	case Failed:
		// A code is logged and shown: a peer must not choose its text.
		ok = m.Code.Valid()
	case Connect:
		ok = len(m.Host) >= 1 && len(m.Host) <= maxHost && m.Port != 0
	case Describe, Description, GetPolicy, GetLog, Job, End, Connected, GetCredentials, RenewCredentials, Credentials:
		ok = true
	default:
		return fmt.Errorf("%w: not a message of the protocol", ErrMalformed)
	}
	if !ok {
		return fmt.Errorf("%w: %s is out of range", ErrMalformed, m.Op())
	}
	return nil
}
