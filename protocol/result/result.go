// Package result seals results to the owner's reply key and opens them, SPEC 5.
//
// HPKE base mode does not say who sealed: anyone who knows the public key can. Check the receipt,
// which covers the digest of the whole sealed result, before you open one.
package result

//go:generate go test -run ^TestGenerated$ -generate .

import (
	"crypto/hpke"
	"encoding/binary"
	"errors"

	"anchorhold/protocol/digest"
)

// Sizes of SPEC 5.
const (
	// ChunkSize is the number of plaintext bytes in a chunk.
	ChunkSize = 16384
	// SealedChunkSize is the number of bytes of a sealed chunk.
	SealedChunkSize = ChunkSize + tagSize
	// HeadSize is the number of bytes before the first chunk.
	HeadSize = magicSize + encapsulatedSize

	tagSize          = 16 // AES-GCM
	magicSize        = 8
	encapsulatedSize = 1120
	segmentHead      = 3 // type and length
	minSegment       = segmentHead + 1
)

const chunkLabel = "anchorhold/v1 result chunk"

// Stream says which of the two sealed streams of a job is meant. Their labels differ, so
// that neither opens as the other even under one key.
type Stream uint8

// The streams.
const (
	Result    Stream = 1 // records and report, to the reply key
	Crosswalk Stream = 2 // to the crosswalk key
)

// SegmentType is the type of a segment in a chunk.
type SegmentType uint8

// The segment types. Type zero is padding, which Next never returns.
const (
	Records          SegmentType = 0x01
	Report           SegmentType = 0x02
	CrosswalkEntries SegmentType = 0x03

	padding SegmentType = 0x00
)

// Binding is what ties a sealed stream to one job and one policy: it opens under no other.
type Binding struct {
	Header digest.Digest // header digest of the job file
	Nonce  [32]byte      // nonce of the job file
	Policy digest.Digest // policy digest
}

var (
	// ErrMalformed says that the sealer broke SPEC 5: an authentic chunk with wrong content, a
	// wrong magic, or bytes after the last chunk.
	ErrMalformed = errors.New("malformed result")
	// ErrTruncated says that the stream ends before its last chunk.
	ErrTruncated = errors.New("result is truncated")
	// ErrAuthentication says that a chunk is not the one that was sealed there to this key for this
	// job.
	ErrAuthentication = errors.New("result is not authentic")
)

// names gives the magic and the label of a stream.
func (s Stream) names() (magic, label string, ok bool) {
	switch s {
	case Result:
		return "AHRES1\r\n", "anchorhold/v1 result", true
	case Crosswalk:
		return "AHXWK1\r\n", "anchorhold/v1 crosswalk", true
	default:
		return "", "", false
	}
}

// allows reports whether segments of type t belong in the stream.
func (s Stream) allows(t SegmentType) bool {
	switch s {
	case Result:
		return t == Records || t == Report
	case Crosswalk:
		return t == CrosswalkEntries
	default:
		return false
	}
}

func (b Binding) info(label string) []byte {
	info := append([]byte(label), b.Header[:]...)
	info = append(info, b.Nonce[:]...)
	return append(info, b.Policy[:]...)
}

// chunkAAD appends the additional data of chunk k to dst. HPKE counts the chunks in its nonces too;
// the flag for the last one is what shows a stream cut at a chunk's end.
func chunkAAD(dst []byte, k uint64, last bool) []byte {
	dst = append(dst, chunkLabel...)
	dst = binary.BigEndian.AppendUint64(dst, k)
	if last {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// The one suite of SPEC 5. Nothing negotiates it, so nothing can be talked down.
func kem() hpke.KEM   { return hpke.MLKEM768X25519() }
func kdf() hpke.KDF   { return hpke.HKDFSHA256() }
func aead() hpke.AEAD { return hpke.AES256GCM() }
