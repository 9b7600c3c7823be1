package kms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"
)

var oidSHA1 = []byte{0x2b, 0x0e, 0x03, 0x02, 0x1a}

// cmsParts is an answer of 32 bytes taken apart, so that a test can change one part and put it
// together again.
type cmsParts struct {
	contentType, version, afterVersion []byte
	recipientVersion, rid              []byte
	wrapOID, oaep, wrapped             []byte
	twice, noRecipient                 bool
	innerType, cipherOID, iv, content  []byte
	contentElement                     []byte // in place of content as one [0]
	afterContent, trailing             []byte
	contentKey                         []byte // not encoded
}

func parts(t testing.TB, key *rsa.PrivateKey) *cmsParts {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ski := sha256.Sum256(spki)
	p := &cmsParts{
		contentType:      der(tagOID, oidEnvelopedData),
		version:          der(tagInteger, []byte{2}),
		recipientVersion: der(tagInteger, []byte{2}),
		rid:              der(tagPrimitive0, ski[:]),
		wrapOID:          der(tagOID, oidRSAESOAEP),
		oaep:             oaep(oidSHA256, oidSHA256),
		innerType:        der(tagOID, oidData),
		cipherOID:        der(tagOID, oidAES256CBC),
		iv:               make([]byte, aes.BlockSize),
		contentKey:       bytes.Repeat([]byte{3}, 32),
	}
	p.wrapped = wrap(t, key, p.contentKey)
	block, err := aes.NewCipher(p.contentKey)
	if err != nil {
		t.Fatal(err)
	}
	p.content = encryptCBC(block, p.iv, append(bytes.Repeat([]byte{0x59}, 32), bytes.Repeat([]byte{16}, 16)...))
	return p
}

// encryptPadded replaces the content by these bytes, padding and all.
func (p *cmsParts) encryptPadded(padded []byte) {
	block, err := aes.NewCipher(p.contentKey)
	if err != nil {
		panic(err) // 32 bytes
	}
	p.content = encryptCBC(block, p.iv, padded)
}

func encryptCBC(block cipher.Block, iv, padded []byte) []byte {
	out := make([]byte, len(padded))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, padded)
	return out
}

// encode puts the parts together with definite lengths: the reader takes both, and the indefinite
// ones come from devkms.
func (p *cmsParts) encode() []byte {
	recipient := der(tagSequence, p.recipientVersion, p.rid, der(tagSequence, p.wrapOID, p.oaep), der(tagOctetString, p.wrapped))
	recipients := der(tagSet, recipient)
	if p.twice {
		recipients = der(tagSet, recipient, recipient)
	}
	if p.noRecipient {
		recipients = der(tagSet)
	}
	encrypted := p.contentElement
	if encrypted == nil {
		encrypted = der(tagPrimitive0, p.content)
	}
	content := der(tagSequence, p.innerType, der(tagSequence, p.cipherOID, der(tagOctetString, p.iv)), encrypted)
	body := der(tagSequence, p.version, p.afterVersion, recipients, content, p.afterContent)
	return append(der(tagSequence, p.contentType, der(tagExplicit0, body)), p.trailing...)
}

func oaep(hash, mgf []byte, more ...[]byte) []byte {
	algorithm := func(oid []byte) []byte { return der(tagSequence, der(tagOID, oid), der(tagNull)) }
	fields := [][]byte{
		der(tagExplicit0, algorithm(hash)),
		der(tagExplicit1, der(tagSequence, der(tagOID, oidMGF1), algorithm(mgf))),
	}
	return der(tagSequence, append(fields, more...)...)
}

// oaepBare names both hashes without parameters.
func oaepBare(hash, mgf []byte) []byte {
	algorithm := func(oid []byte) []byte { return der(tagSequence, der(tagOID, oid)) }
	return der(tagSequence, der(tagExplicit0, algorithm(hash)), der(tagExplicit1, der(tagSequence, der(tagOID, oidMGF1), algorithm(mgf))))
}

// der encodes one element of definite length.
func der(tag byte, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	switch n := len(b); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, b...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, b...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, b...)
	}
}
