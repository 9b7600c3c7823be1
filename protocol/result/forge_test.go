package result_test

import (
	"bytes"
	"crypto/hpke"
	"encoding/binary"
	"testing"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/result"
)

// forge builds sealed streams by hand: vectors must not follow a fault of the Sealer, and most of
// these it cannot make.
type forge struct {
	chunkLabel string
	out        []byte
	sender     *hpke.Sender
	index      uint64
}

const (
	resultMagic    = "AHRES1\r\n"
	resultLabel    = "anchorhold/v1 result"
	crosswalkMagic = "AHXWK1\r\n"
	crosswalkLabel = "anchorhold/v1 crosswalk"
)

func binding() result.Binding {
	return result.Binding{Header: digest.Sum([]byte("header")), Nonce: [32]byte{7}, Policy: digest.Sum([]byte("policy"))}
}

func newForge(t *testing.T, magic, label string, publicKey []byte) *forge {
	t.Helper()
	pk, err := hpke.MLKEM768X25519().NewPublicKey(publicKey)
	if err != nil {
		t.Fatal(err)
	}
	b := binding()
	info := bytes.Join([][]byte{[]byte(label), b.Header[:], b.Nonce[:], b.Policy[:]}, nil)
	enc, sender, err := hpke.NewSender(pk, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		t.Fatal(err)
	}
	return &forge{
		chunkLabel: "anchorhold/v1 result chunk", sender: sender,
		out: append([]byte(magic), enc...),
	}
}

// chunk seals plain, filled up with zeros, as the next chunk.
func (f *forge) chunk(t *testing.T, last bool, plain ...[]byte) *forge {
	t.Helper()
	p := bytes.Join(plain, nil)
	if len(p) > 16384 {
		t.Fatalf("chunk of %d bytes", len(p))
	}
	return f.raw(t, last, append(p, make([]byte, 16384-len(p))...))
}

// raw seals plain as it is.
func (f *forge) raw(t *testing.T, last bool, plain []byte) *forge {
	t.Helper()
	aad := binary.BigEndian.AppendUint64([]byte(f.chunkLabel), f.index)
	if last {
		aad = append(aad, 1)
	} else {
		aad = append(aad, 0)
	}
	c, err := f.sender.Seal(aad, plain)
	if err != nil {
		t.Fatal(err)
	}
	f.out = append(f.out, c...)
	f.index++
	return f
}

// seg is one segment with its true length.
func seg(kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(body)))
	return append(b, body...)
}

// text returns n bytes that look like records.
func text(n int) []byte {
	return bytes.Repeat([]byte(`{"resourceType":"Basic"}`+"\n"), n/25+1)[:n]
}
