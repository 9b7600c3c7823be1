package softnsm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// UnknownField is the name of the field that documents of newer modules hold.
const UnknownField = "future"

// Fields is the payload of a document. Nil fields become null, as in real documents.
type Fields struct {
	ModuleID    string
	Digest      string
	Timestamp   uint64 // ms
	PCRs        map[int][]byte
	Certificate []byte
	CABundle    [][]byte
	PublicKey   []byte
	UserData    []byte
	Nonce       []byte
	// what a newer NSM may send (SPEC 6.1): an unknown field, pcrs and cabundle of indefinite
	// length
	Newer bool
}

// Payload encodes the fields in the order of real documents, as a map of definite length (until
// 2025) or indefinite length (since).
func (f Fields) Payload(definite bool) []byte {
	b := []byte{0xbf}
	if definite {
		b[0] = 0xa9
		if f.Newer {
			b[0]++
		}
	}
	b = text(text(b, "module_id"), f.ModuleID)
	b = text(text(b, "digest"), f.Digest)
	b = append(text(b, "timestamp"), 0x1b)
	b = binary.BigEndian.AppendUint64(b, f.Timestamp)
	b = f.open(text(b, "pcrs"), 0xa0, len(f.PCRs))
	for _, i := range slices.Sorted(maps.Keys(f.PCRs)) {
		b = bstr(head(b, 0x00, i), f.PCRs[i])
	}
	b = bstr(text(f.end(b), "certificate"), f.Certificate)
	b = f.open(text(b, "cabundle"), 0x80, len(f.CABundle))
	for _, c := range f.CABundle {
		b = bstr(b, c)
	}
	b = f.end(b)
	b = optional(text(b, "public_key"), f.PublicKey)
	b = optional(text(b, "user_data"), f.UserData)
	b = optional(text(b, "nonce"), f.Nonce)
	if f.Newer {
		b = append(text(b, UnknownField), 0xa1)
		b = append(text(b, "version"), 0x81, 0x02)
	}
	if !definite {
		b = append(b, 0xff)
	}
	return b
}

// open begins a map or an array of n elements, and end ends it.
func (f Fields) open(b []byte, major byte, n int) []byte {
	if f.Newer {
		return append(b, major|31)
	}
	return head(b, major, n)
}

func (f Fields) end(b []byte) []byte {
	if f.Newer {
		return append(b, 0xff)
	}
	return b
}

// Sign1 wraps a payload in COSE_Sign1, untagged and signed with ES384 as the hypervisor does; the
// signature follows from key and payload.
func Sign1(payload []byte, key *ecdsa.PrivateKey) []byte {
	protected := []byte{0xa1, 0x01, 0x38, 0x22} // {1: -35}, ES384
	message := bstr(text([]byte{0x84}, "Signature1"), protected)
	message = bstr(bstr(message, nil), payload)
	hash := sha512.Sum384(message)
	der, err := key.Sign(nil, hash[:], crypto.SHA384)
	if err != nil {
		panic(fmt.Sprintf("softnsm: sign: %v", err)) // unreachable: P-384 and SHA-384
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &point); err != nil {
		panic(fmt.Sprintf("softnsm: sign: %v", err)) // unreachable
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	signature := append(point.R.FillBytes(make([]byte, size)), point.S.FillBytes(make([]byte, size))...)
	b := append(bstr([]byte{0x84}, protected), 0xa0)
	return bstr(bstr(b, payload), signature)
}

// head appends the head of a CBOR item in its shortest form; major is the type in its top three
// bits.
func head(b []byte, major byte, n int) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	default:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	}
}

func text(b []byte, s string) []byte { return append(head(b, 0x60, len(s)), s...) }
func bstr(b []byte, v []byte) []byte { return append(head(b, 0x40, len(v)), v...) }
func optional(b []byte, v []byte) []byte {
	if v == nil {
		return append(b, 0xf6)
	}
	return bstr(b, v)
}
