package kms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
)

// Object identifiers, DER content bytes (RFC 5652, RFC 8017, NIST CSOR).
var (
	oidEnvelopedData = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03}
	oidData          = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01}
	oidRSAESOAEP     = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07}
	oidMGF1          = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08}
	oidSHA256        = []byte{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}
	oidAES256CBC     = []byte{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a}
)

// cmsVersion is the version of EnvelopedData and of its recipient when that is named by key
// identifier (RFC 5652, 6.1).
const cmsVersion = 2

// errCMS is every failure to read or open KMS's answer: which step failed would be an oracle for
// the padding of RSA or CBC.
var errCMS = errors.New("invalid cms")

// envelopedData is a CMS EnvelopedData for one recipient.
type envelopedData struct {
	recipient    []byte // subjectKeyIdentifier
	encryptedKey []byte
	iv           []byte
	ciphertext   []byte // a copy when it came in chunks
}

// openCMS opens a CiphertextForRecipient with the private key whose public half was in the
// attestation document. The content is not authenticated: KMS's TLS is. The caller clears what it
// returns.
func openCMS(data []byte, key *rsa.PrivateKey) ([]byte, error) {
	env, err := parseCMS(data)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, errCMS
	}
	if ski := sha256.Sum256(spki); !bytes.Equal(env.recipient, ski[:]) {
		return nil, errCMS
	}
	if len(env.encryptedKey) != key.Size() {
		return nil, errCMS
	}
	cek, err := rsa.DecryptOAEP(sha256.New(), nil, key, env.encryptedKey, nil)
	defer clear(cek)
	if err != nil || len(cek) != 32 {
		return nil, errCMS
	}
	return openCBC(cek, env.iv, env.ciphertext)
}

// openCBC decrypts AES-256-CBC and takes off PKCS #7 padding (RFC 5652, 6.3).
func openCBC(key, iv, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(iv) != aes.BlockSize || len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return nil, errCMS
	}
	plain := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, ciphertext)
	n := int(plain[len(plain)-1])
	if n == 0 || n > aes.BlockSize || !bytes.Equal(plain[len(plain)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		clear(plain)
		return nil, errCMS
	}
	return plain[:len(plain)-n], nil
}

// parseCMS reads the ContentInfo that KMS sends: the exact shape, nothing optional, nothing after
// it.
func parseCMS(data []byte) (*envelopedData, error) {
	root, err := parseBER(data)
	if err != nil {
		return nil, errCMS
	}
	info := root.sequence(2)
	if info == nil || !info[0].is(tagOID, oidEnvelopedData) || !info[1].wraps(tagExplicit0, 1) {
		return nil, errCMS
	}
	// Three fields: no originatorInfo, no unprotectedAttrs.
	body := info[1].children[0].sequence(3)
	if body == nil || !body[0].is(tagInteger, []byte{cmsVersion}) || !body[1].wraps(tagSet, 1) {
		return nil, errCMS // a second recipient could open to another key
	}
	var env envelopedData
	if !env.readRecipient(body[1].children[0]) || !env.readContent(body[2]) {
		return nil, errCMS
	}
	return &env, nil
}

// readRecipient reads a KeyTransRecipientInfo with a subjectKeyIdentifier and RSAES-OAEP over
// SHA-256.
func (env *envelopedData) readRecipient(e element) bool {
	r := e.sequence(4)
	if r == nil || !r[0].is(tagInteger, []byte{cmsVersion}) || r[1].tag != tagPrimitive0 || r[3].tag != tagOctetString {
		return false
	}
	alg := r[2].sequence(2)
	if alg == nil || !alg[0].is(tagOID, oidRSAESOAEP) {
		return false
	}
	// Absent parameters mean SHA-1 (RFC 4055, 4.1); a pSource would be a third.
	params := alg[1].sequence(2)
	if params == nil || !params[0].wraps(tagExplicit0, 1) || !isSHA256(params[0].children[0]) || !params[1].wraps(tagExplicit1, 1) {
		return false
	}
	mgf := params[1].children[0].sequence(2)
	if mgf == nil || !mgf[0].is(tagOID, oidMGF1) || !isSHA256(mgf[1]) {
		return false
	}
	env.recipient, env.encryptedKey = r[1].body, r[3].body
	return true
}

// readContent reads an EncryptedContentInfo: id-data under AES-256-CBC, its [0] primitive or in
// chunks. AWS has sent both.
func (env *envelopedData) readContent(e element) bool {
	c := e.sequence(3)
	if c == nil || !c[0].is(tagOID, oidData) {
		return false
	}
	alg := c[1].sequence(2)
	if alg == nil || !alg[0].is(tagOID, oidAES256CBC) || alg[1].tag != tagOctetString || len(alg[1].body) != aes.BlockSize {
		return false
	}
	env.iv = alg[1].body
	switch c[2].tag {
	case tagPrimitive0:
		env.ciphertext = c[2].body
	case tagExplicit0:
		for _, chunk := range c[2].children {
			if chunk.tag != tagOctetString {
				return false
			}
			env.ciphertext = append(env.ciphertext, chunk.body...)
		}
	default:
		return false
	}
	return len(env.ciphertext) > 0
}

// isSHA256 takes the algorithm with NULL parameters, as KMS sends it, or none: RFC 4055, 2.1 asks
// for both.
func isSHA256(e element) bool {
	if alg := e.sequence(1); alg != nil {
		return alg[0].is(tagOID, oidSHA256)
	}
	alg := e.sequence(2)
	return alg != nil && alg[0].is(tagOID, oidSHA256) && alg[1].is(tagNull, nil)
}

// sequence returns the children of a SEQUENCE that has exactly n, else nil.
func (e element) sequence(n int) []element {
	if !e.wraps(tagSequence, n) {
		return nil
	}
	return e.children
}

func (e element) wraps(tag byte, n int) bool { return e.tag == tag && len(e.children) == n }

func (e element) is(tag byte, body []byte) bool { return e.tag == tag && bytes.Equal(e.body, body) }
