package devkms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// A CiphertextBlob is version ‖ key id (16) ‖ nonce (12) ‖ AES-256-GCM(plaintext). The format is
// ours: callers of KMS treat it as opaque.
const (
	blobVersion = 0x01
	blobLabel   = "anchorhold/v1 development KMS ciphertext"
	blobPrefix  = 1 + 16
	blobMin     = blobPrefix + 12 + 16
)

// blobKeyID returns the id of the key that a blob says it was made with.
func blobKeyID(blob []byte) (string, bool) {
	if len(blob) < blobMin || blob[0] != blobVersion {
		return "", false
	}
	// Of a multi-Region key the id has another form and the same 16 bytes, whose version says
	// which.
	if id := blob[1:blobPrefix]; id[6]>>4 == multiRegionVersion {
		return multiRegionPrefix + hex.EncodeToString(id), true
	}
	return formatUUID(blob[1:blobPrefix]), true
}

func (k *key) seal(plaintext []byte, context map[string]string) []byte {
	blob := append([]byte{blobVersion}, parseUUID(k.ID)...)
	nonce := make([]byte, 12)
	rand.Read(nonce)
	blob = append(blob, nonce...)
	return k.aead().Seal(blob, nonce, plaintext, k.aad(context))
}

func (k *key) open(blob []byte, context map[string]string) ([]byte, error) {
	nonce, sealed := blob[blobPrefix:blobPrefix+12], blob[blobPrefix+12:]
	plaintext, err := k.aead().Open(nil, nonce, sealed, k.aad(context))
	if err != nil {
		return nil, invalidCiphertext()
	}
	return plaintext, nil
}

func (k *key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.Material)
	if err != nil {
		panic(err) // the store holds 32-byte material only
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // unreachable
	}
	return aead
}

// aad binds key and context. Lengths precede the parts, or {"a": "bc"} and {"ab": "c"} would be one
// context.
func (k *key) aad(context map[string]string) []byte {
	b := appendPart(nil, blobLabel)
	b = appendPart(b, k.ID)
	for _, name := range slices.Sorted(maps.Keys(context)) {
		b = appendPart(appendPart(b, name), context[name])
	}
	return b
}

func appendPart(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4, RFC 9562
	return formatUUID(b)
}

func formatUUID(b []byte) string {
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Ids of multi-Region keys, as KMS writes them: mrk- and 32 hex digits.
const (
	multiRegionPrefix  = "mrk-"
	multiRegionVersion = 0x8 // RFC 9562: free for private use
)

func newMultiRegionID() string {
	b := parseUUID(newUUID())
	b[6] = b[6]&0x0f | multiRegionVersion<<4
	return multiRegionPrefix + hex.EncodeToString(b)
}

// parseUUID returns the 16 bytes of an id that newUUID or newMultiRegionID made; of anything else
// nil.
func parseUUID(s string) []byte {
	if digits, ok := strings.CutPrefix(s, multiRegionPrefix); ok {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) != 16 || b[6]>>4 != multiRegionVersion {
			return nil
		}
		return b
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || formatUUID(b) != s {
		return nil
	}
	return b
}
