// Package digest holds the digests that the formats of the protocol use: SHA-384, and SHA-256 of
// whole streams. See SPEC.md, preamble.
//
// It promises nothing about length ambiguity: Sum hashes the concatenation of its parts, so the
// caller fixes the lengths of all parts but one, or writes them in.
package digest

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
)

// Size is the length of a digest in bytes.
const Size = sha512.Size384

// Digest is a SHA-384 digest, or a PCR value, which has the same form. In CBOR it is a byte string
// of 48 bytes.
type Digest [Size]byte

var errMalformed = errors.New("malformed digest: want 96 lowercase hex digits")

// Sum returns the SHA-384 digest of the concatenation of parts.
func Sum(parts ...[]byte) Digest {
	h := sha512.New384()
	for _, p := range parts {
		h.Write(p)
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

// Parse reads 96 lowercase hex digits. Upper case is refused, so that equal digests are equal as
// text too.
func Parse(s string) (Digest, error) {
	if len(s) != 2*Size {
		return Digest{}, errMalformed
	}
	var d Digest
	if _, err := hex.Decode(d[:], []byte(s)); err != nil || d.String() != s {
		return Digest{}, errMalformed
	}
	return d, nil
}

// String returns the digest as 96 lowercase hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether all bytes are zero, as in the PCRs of a debug enclave.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText returns the same text as String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts what Parse accepts.
func (d *Digest) UnmarshalText(text []byte) error {
	p, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = p
	return nil
}
