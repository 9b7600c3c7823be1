package devkms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
)

// Form is how the encrypted content is encoded: AWS has sent both, and a reader must take both.
type Form int

// The forms of CiphertextForRecipient.
const (
	Alternate   Form = iota // one after the other
	Primitive               // [0] IMPLICIT OCTET STRING in one piece
	Constructed             // [0] with OCTET STRINGs of 1000 bytes
)

// chunkSize is the length of the OCTET STRINGs that real answers of the constructed form hold.
const chunkSize = 1000

// Object identifiers of RFC 5652, RFC 8017 and NIST's AES, as DER.
var (
	oidEnvelopedData = oid("06092a864886f70d010703")
	oidData          = oid("06092a864886f70d010701")
	oidOAEP          = oid("06092a864886f70d010107")
	oidMGF1          = oid("06092a864886f70d010108")
	oidSHA256        = oid("0609608648016503040201")
	oidAES256CBC     = oid("060960864801650304012a")
	derNull          = []byte{0x05, 0x00}
	endOfContents    = []byte{0x00, 0x00}
	version2         = []byte{0x02, 0x01, 0x02}
)

func oid(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // our own constant
	}
	return b
}

// Envelop encrypts plaintext to key as KMS answers a Recipient: CMS EnvelopedData (RFC 5652) in BER
// with indefinite lengths, one recipient named by the SHA-256 of its SubjectPublicKeyInfo,
// RSAES-OAEP with SHA-256, AES-256-CBC. Nothing authenticates the content, as in the original:
// whoever knows the public key can forge one.
func Envelop(key *rsa.PublicKey, plaintext []byte, form Form) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the recipient's key: %w", err)
	}
	contentKey, iv := make([]byte, 32), make([]byte, aes.BlockSize)
	rand.Read(contentKey)
	rand.Read(iv)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, contentKey, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypting to the recipient: %w", err)
	}
	content, err := encryptCBC(contentKey, iv, plaintext)
	if err != nil {
		return nil, err
	}
	ski := sha256.Sum256(spki)
	recipient := tlv(0x30, version2, tlv(0x80, ski[:]), oaepAlgorithm(), tlv(0x04, wrapped))
	info := indefinite(0x30, oidData, tlv(0x30, oidAES256CBC, tlv(0x04, iv)), encodeContent(content, form))
	data := indefinite(0x30, version2, tlv(0x31, recipient), info)
	return indefinite(0x30, oidEnvelopedData, indefinite(0xa0, data)), nil
}

// oaepAlgorithm is RSAES-OAEP-params with SHA-256 for hash and mask, written out, and no label.
func oaepAlgorithm() []byte {
	hash := tlv(0x30, oidSHA256, derNull)
	return tlv(0x30, oidOAEP, tlv(0x30, tlv(0xa0, hash), tlv(0xa1, tlv(0x30, oidMGF1, hash))))
}

func encodeContent(content []byte, form Form) []byte {
	if form == Primitive {
		return tlv(0x80, content)
	}
	var chunks [][]byte
	for chunk := range slices.Chunk(content, chunkSize) {
		chunks = append(chunks, tlv(0x04, chunk))
	}
	return indefinite(0xa0, chunks...)
}

// encryptCBC pads as PKCS #7 does: 1 to 16 bytes, always.
func encryptCBC(key, iv, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	n := aes.BlockSize - len(plaintext)%aes.BlockSize
	padded := slices.Concat(plaintext, slices.Repeat([]byte{byte(n)}, n))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	return padded, nil
}

// tlv encodes with a definite length.
func tlv(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	n := len(body)
	switch {
	case n < 0x80:
		return slices.Concat([]byte{tag, byte(n)}, body)
	case n < 0x100:
		return slices.Concat([]byte{tag, 0x81, byte(n)}, body)
	default: // contents are at most 6 KiB
		return slices.Concat([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body)
	}
}

func indefinite(tag byte, parts ...[]byte) []byte {
	return slices.Concat([]byte{tag, 0x80}, slices.Concat(parts...), endOfContents)
}
