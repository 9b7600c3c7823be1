package verify

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"encoding/binary"
	"math/big"

	"anchorhold/protocol/attest"
)

// checkSignature verifies over the payload bytes as they came: re-encoding would sign something
// else.
func checkSignature(s *attest.Signed, key *ecdsa.PublicKey) error {
	h := sha512.New384()
	// Sig_structure of RFC 9052, 4.4: ["Signature1", protected, h'', payload].
	h.Write([]byte("\x84\x6aSignature1"))
	h.Write([]byte{0x40 | byte(len(attest.ProtectedHeader))})
	h.Write([]byte(attest.ProtectedHeader))
	h.Write([]byte{0x40})
	h.Write(bytesHead(len(s.Payload)))
	h.Write(s.Payload)
	x, y := new(big.Int).SetBytes(s.Signature[:len(s.Signature)/2]), new(big.Int).SetBytes(s.Signature[len(s.Signature)/2:])
	// ecdsa.Verify refuses r and s outside 1 to n-1.
	if !ecdsa.Verify(key, h.Sum(nil), x, y) {
		return ErrSignature
	}
	return nil
}

// bytesHead is the CBOR head of a byte string of n < 2^16 bytes.
func bytesHead(n int) []byte {
	switch {
	case n < 24:
		return []byte{0x40 | byte(n)}
	case n < 1<<8:
		return []byte{0x58, byte(n)}
	default:
		return binary.BigEndian.AppendUint16([]byte{0x59}, uint16(n))
	}
}
