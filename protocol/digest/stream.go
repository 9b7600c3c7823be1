package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
)

// Stream is the SHA-256 digest of a message or of a sealed stream (SPEC, preamble): they have
// gigabytes, and processors compute SHA-256 several times as fast as SHA-384. In CBOR it is a byte
// string of 32 bytes.
type Stream [sha256.Size]byte

var errMalformedStream = errors.New("malformed digest: want 64 lowercase hex digits")

// NewStream returns a hash whose sum is a Stream.
func NewStream() hash.Hash { return sha256.New() }

// SumStream returns the digest of a stream that lies in memory.
func SumStream(b []byte) Stream { return sha256.Sum256(b) }

// String returns the digest as 64 lowercase hex digits.
func (s Stream) String() string { return hex.EncodeToString(s[:]) }

// IsZero reports whether all bytes are zero: no stream is known that has this digest.
func (s Stream) IsZero() bool { return s == Stream{} }

// MarshalText returns the same text as String.
func (s Stream) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts what String returns. Upper case is refused, so that equal digests are equal
// as text too.
func (s *Stream) UnmarshalText(text []byte) error {
	var d Stream
	if len(text) != 2*len(d) {
		return errMalformedStream
	}
	if _, err := hex.Decode(d[:], text); err != nil || d.String() != string(text) {
		return errMalformedStream
	}
	*s = d
	return nil
}
