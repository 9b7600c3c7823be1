package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"hash/crc32"
	"math/big"
	"os"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"anchorhold/eif/image"
	"anchorhold/protocol/pinsfile"
)

// writeKernel writes what the header of a kernel is known by: kernel FILE x86_64|arm64
func writeKernel(ts *testscript.TestScript, _ bool, args []string) {
	b := make([]byte, 0x400)
	if args[1] == "arm64" {
		copy(b[0x38:], "ARM\x64")
	} else {
		copy(b[0x1fe:], "\x55\xaa")
		copy(b[0x202:], "HdrS")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// appendFile adds one file to another: append FILE MORE
func appendFile(ts *testscript.TestScript, _ bool, args []string) {
	both := ts.ReadFile(args[0]) + ts.ReadFile(args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(both), 0o644))
}

// parsePins wants a pins file that owners' tools read: pins FILE
func parsePins(ts *testscript.TestScript, _ bool, args []string) {
	_, err := pinsfile.Parse([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
}

// writeSection copies a signed image of five other sections with another signature or metadata
// section: section IN KIND OUT
func writeSection(ts *testscript.TestScript, _ bool, args []string) {
	i, err := image.Parse([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	const metadata, last = 2, 5
	data := &i.Sections[last].Data
	year := time.Hour * 24 * 365
	switch args[1] {
	case "metadata":
		i.Sections[metadata].Data = []byte("none")
	case "control": // a C1 control, text that runs backwards, and one outside of the first plane
		old := []byte(`"KernelVersion":"`)
		i.Sections[metadata].Data = bytes.Replace(i.Sections[metadata].Data, old, append(old, "\u009b31m\u202e\U000e0001"...), 1)
	case "notpem":
		*data = coseSection(ts, i, elliptic.P384(), year, []byte("none"))
	case "es256", "resigned":
		*data = coseSection(ts, i, elliptic.P256(), year, nil)
	case "es512":
		*data = coseSection(ts, i, elliptic.P521(), year, nil)
	case "p224":
		*data = coseSection(ts, i, elliptic.P224(), year, nil)
	case "expired":
		*data = coseSection(ts, i, elliptic.P384(), -time.Hour, nil)
	case "expired-forged":
		*data = coseSection(ts, i, elliptic.P384(), -time.Hour, nil)
		(*data)[len(*data)-1] ^= 1
	case "forged":
		*data = bytes.Clone(*data)
		(*data)[len(*data)-1] ^= 1
	default:
		ts.Fatalf("no section %q", args[1])
	}
	b, err := i.Encode()
	ts.Check(err)
	// the size in the table stays that of the signature before, as AWS's library leaves it
	if args[1] == "resigned" {
		copy(b[284+8*last:], ts.ReadFile(args[0])[284+8*last:][:8])
		binary.BigEndian.PutUint32(b[544:], crc32.Update(crc32.ChecksumIEEE(b[:544]), crc32.IEEETable, b[548:]))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b, 0o644))
}

// coseSection signs an image as AWS's library does, with a CBOR library, on any curve. text
// replaces the certificate.
func coseSection(ts *testscript.TestScript, i *image.Image, curve elliptic.Curve, valid time.Duration, text []byte) []byte {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	ts.Check(err)
	if text == nil {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"},
			NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(valid),
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
		ts.Check(err)
		text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	algorithm, hash := -35, crypto.SHA384
	switch curve {
	case elliptic.P256():
		algorithm, hash = -7, crypto.SHA256
	case elliptic.P521():
		algorithm, hash = -36, crypto.SHA512
	}
	marshal := func(v any) []byte {
		b, err := cbor.Marshal(v)
		ts.Check(err)
		return b
	}
	ints := func(b []byte) []int { // not a byte string
		out := make([]int, len(b))
		for k, c := range b {
			out[k] = int(c)
		}
		return out
	}
	pcr0 := i.Measure().PCR0
	protected := marshal(map[int]int{1: algorithm})
	payload := marshal(struct {
		Index int   `cbor:"register_index"`
		Value []int `cbor:"register_value"`
	}{0, ints(pcr0[:])})
	h := hash.New()
	h.Write(marshal([]any{"Signature1", protected, []byte{}, payload}))
	der, err := k.Sign(rand.Reader, h.Sum(nil), hash)
	ts.Check(err)
	var rs struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(der, &rs)
	ts.Check(err)
	size := (curve.Params().BitSize + 7) / 8
	raw := append(rs.R.FillBytes(make([]byte, size)), rs.S.FillBytes(make([]byte, size))...)
	return marshal([]any{struct {
		Certificate []int `cbor:"signing_certificate"`
		Signature   []int `cbor:"signature"`
	}{ints(text), ints(marshal([]any{protected, map[int]int{}, payload, raw}))}})
}
