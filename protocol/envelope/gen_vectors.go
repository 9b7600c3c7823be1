//go:build ignore

// Gen_vectors writes testdata. It builds messages from the format reference with code of its own:
// it shares nothing with the package, so that an error in one of them shows.
package main

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"log"
	"math/big"
	"strings"

	"anchorhold/protocol/protocoltest/vectorfile"
)

const frameLength = 32

var (
	dataKey  = bytes.Repeat([]byte{0x11}, 32)
	otherKey = bytes.Repeat([]byte{0x22}, 32)
	id       = bytes.Repeat([]byte{0x33}, 32)
	text     = strings.Repeat("0123456789abcdef", 5) // two full frames and a half
)

// message is a message in parts, each of which a scenario may replace.
type message struct {
	version        byte
	suite          uint16
	id             []byte
	context, keys  []byte
	content        byte
	frameLength    uint32
	key, commitKey []byte
	signer         *ecdsa.PrivateKey
	plain          string
	editBody       func(b []byte) []byte   // header body, before the tag
	editHeader     func(b []byte) []byte   // header body and tag, after the tag
	editFrames     func(f [][]byte) []byte // nil: all in order
	footer         func(sig []byte) []byte
	tail           []byte
}

func base() *message {
	return &message{
		version: 2, suite: 0x0478, id: id, content: 2, frameLength: frameLength, key: dataKey, commitKey: dataKey, plain: text,
		context: context("anchorhold:tenant", "clinic", "purpose", "vector"),
		keys:    keys("aws-kms", "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000", "blob"),
	}
}

func signed() *message {
	m := base()
	m.suite, m.signer = 0x0578, signer(7)
	m.context = context("anchorhold:tenant", "clinic", "aws-crypto-public-key", publicKey(m.signer))
	return m
}

func signer(n int64) *ecdsa.PrivateKey {
	b := make([]byte, 48)
	big.NewInt(n).FillBytes(b)
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), b)
	check(err)
	return k
}

func publicKey(k *ecdsa.PrivateKey) string {
	b, err := k.PublicKey.Bytes()
	check(err)
	return base64.StdEncoding.EncodeToString(append([]byte{2 + b[96]&1}, b[1:49]...))
}

// offCurve is a compressed point whose x is no point's.
func offCurve() string {
	b := append([]byte{2}, make([]byte, 48)...)
	for b[48] = 1; ; b[48]++ {
		if x, _ := elliptic.UnmarshalCompressed(elliptic.P384(), b); x == nil {
			return base64.StdEncoding.EncodeToString(b)
		}
	}
}

func u16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func u64(n int) []byte    { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
func str(s string) []byte { return append(u16(len(s)), s...) }

// context writes pairs in the order given.
func context(pairs ...string) []byte {
	b := u16(len(pairs) / 2)
	for _, s := range pairs {
		b = append(b, str(s)...)
	}
	return b
}

func keys(fields ...string) []byte {
	b := u16(len(fields) / 3)
	for _, s := range fields {
		b = append(b, str(s)...)
	}
	return b
}

func expand(key, salt []byte, info string) []byte {
	b, err := hkdf.Key(sha512.New, key, salt, info, 32)
	check(err)
	return b
}

func (m *message) gcm() cipher.AEAD {
	block, err := aes.NewCipher(expand(m.key, m.id, string(u16(int(m.suite)))+"DERIVEKEY"))
	check(err)
	g, err := cipher.NewGCM(block)
	check(err)
	return g
}

func (m *message) seal(seq uint32, final bool, label string, plain string, iv []byte) []byte {
	aad := bytes.Join([][]byte{m.id, []byte(label), u32(seq), u64(len(plain))}, nil)
	var b []byte
	if final {
		b = u32(0xFFFFFFFF)
	}
	b = append(append(b, u32(seq)...), iv...)
	if final {
		b = append(b, u32(uint32(len(plain)))...)
	}
	return m.gcm().Seal(b, iv, []byte(plain), aad)
}

const (
	regular = "AWSKMSEncryptionClient Frame"
	last    = "AWSKMSEncryptionClient Final Frame"
)

func iv(seq uint32) []byte { return append(make([]byte, 8), u32(seq)...) }

func (m *message) frames() [][]byte {
	var f [][]byte
	plain, seq := m.plain, uint32(1)
	for len(plain) > frameLength {
		f = append(f, m.seal(seq, false, regular, plain[:frameLength], iv(seq)))
		plain, seq = plain[frameLength:], seq+1
	}
	return append(f, m.seal(seq, true, last, plain, iv(seq)))
}

func join(f [][]byte) []byte { return bytes.Join(f, nil) }

func (m *message) bytes() []byte {
	body := bytes.Join([][]byte{
		{m.version},
		u16(int(m.suite)), m.id, u16(len(m.context)), m.context, m.keys,
		{m.content},
		u32(m.frameLength), expand(m.commitKey, m.id, "COMMITKEY"),
	}, nil)
	if m.editBody != nil {
		body = m.editBody(body)
	}
	b := m.gcm().Seal(body, make([]byte, 12), nil, body)
	if m.editHeader != nil {
		b = m.editHeader(b)
	}
	if m.editFrames == nil {
		m.editFrames = join
	}
	b = append(b, m.editFrames(m.frames())...)
	if m.signer != nil {
		sum := sha512.Sum384(b)
		// without randomness: deterministic, RFC 6979
		sig, err := m.signer.Sign(nil, sum[:], crypto.SHA384)
		check(err)
		if m.footer == nil {
			m.footer = func(sig []byte) []byte { return append(u16(len(sig)), sig...) }
		}
		b = append(b, m.footer(sig)...)
	}
	return append(b, m.tail...)
}

func write(name, expect, comment string, m *message) {
	h := map[string]string{
		"expect": because(name, expect), "comment": comment, "encoding": "hex",
		"data-key": hex.EncodeToString(dataKey), "plaintext": hex.EncodeToString([]byte(m.plain)),
	}
	check(vectorfile.Write("testdata/"+name+".txt", h, m.bytes()))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	good()
	badHeaders()
	badBodies()
	badFooters()
}
