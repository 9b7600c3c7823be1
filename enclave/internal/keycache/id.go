package keycache

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
)

// idLabel separates these digests from all others.
const idLabel = "anchorhold/v1 key cache"

// ID names one question to KMS.
type ID [sha256.Size]byte

// Identify returns the ID of a Decrypt. Every field is preceded by its length, so that no two
// questions have one encoding.
func Identify(arn string, encryptedKey []byte, encryptionContext map[string]string) ID {
	h := sha256.New()
	write(h, idLabel)
	write(h, arn)
	write(h, string(encryptedKey))
	for _, k := range slices.Sorted(maps.Keys(encryptionContext)) {
		write(h, k)
		write(h, encryptionContext[k])
	}
	var id ID
	h.Sum(id[:0])
	return id
}

func write(h hash.Hash, field string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(field)))
	h.Write(n[:])
	h.Write([]byte(field))
}
