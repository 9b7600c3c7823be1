package image_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"anchorhold/eif/image"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// now is the time at which testdata/signature was made; see generate.go.
var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

const signatureVectors = "testdata/signature/*.txt"

func parse(t *testing.T, v vectorfile.Vector) *image.Image {
	t.Helper()
	i, err := image.Parse(v.Body)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestSignatures(t *testing.T) {
	good := parse(t, vectorfile.Load(t, "testdata/signature/good.txt")[0])
	signer, pcr8, err := good.Verify(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := measure.CertificatePCR8(signer.Raw); pcr8 != want {
		t.Errorf("PCR8: got %s, want %s", pcr8, want)
	}
	for _, v := range vectorfile.Load(t, signatureVectors) {
		t.Run(v.Name, func(t *testing.T) {
			want := signer
			if v.Header["certificate"] == "own" {
				want = nil
			}
			cert, pcr8, err := parse(t, v).Verify(want, now)
			if v.Expect() == "ok" {
				if err != nil || pcr8 != measure.CertificatePCR8(cert.Raw) {
					t.Errorf("got %v and PCR8 %s, want that of the first certificate", err, pcr8)
				}
				return
			}
			wantFault(t, err, v.Kind())
			v.CheckReason(t, err)
			if cert != nil || !pcr8.IsZero() {
				t.Error("got a certificate beside the error")
			}
		})
	}
}

// TestIgnored: what is not read must be said, or a reader of the section would take it for
// verified.
func TestIgnored(t *testing.T) {
	for name, want := range map[string][2]int{"good": {0, 0}, "chain": {0, 1}, "two-signers": {1, 0}, "other-block-first": {0, 0}} {
		signatures, blocks, err := parse(t, vectorfile.Load(t, "testdata/signature/"+name+".txt")[0]).Ignored()
		if got := [2]int{signatures, blocks}; err != nil || got != want {
			t.Errorf("%s: got %v and %v, want %v", name, got, err, want)
		}
	}
	if _, _, err := build(t, parts()).Ignored(); err == nil {
		t.Error("an image without signature: got no error")
	}
}

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newCert(t *testing.T, k *ecdsa.PrivateKey, to time.Time) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"}, NotBefore: now.AddDate(-2, 0, 0), NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestSign(t *testing.T) {
	k := newKey(t, elliptic.P384())
	cert := newCert(t, k, now.AddDate(1, 0, 0))
	plain := build(t, parts())
	signed, err := plain.Sign(k, cert, now)
	if err != nil {
		t.Fatal(err)
	}
	if signed.Measure() != plain.Measure() || plain.Signed() || !signed.Signed() {
		t.Error("signing changes the measurements or the image it was given")
	}
	first, err := signed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := signed.Sign(k, cert, now)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
		t.Errorf("signed twice: %v, other bytes: want one signature, the same", err)
	}
	parsed, err := image.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := parsed.Verify(nil, now); err != nil {
		t.Error(err)
	}
}

func TestSignRefuses(t *testing.T) {
	k := newKey(t, elliptic.P384())
	valid := newCert(t, k, now.AddDate(1, 0, 0))
	p256 := newKey(t, elliptic.P256())
	for name, c := range map[string]struct {
		key  *ecdsa.PrivateKey
		cert []byte
		want string
	}{
		"expired":       {k, newCert(t, k, now.AddDate(-1, 0, 0)), "expired"},
		"another's key": {newKey(t, elliptic.P384()), valid, "key"},
		"P-256":         {p256, newCert(t, p256, now.AddDate(1, 0, 0)), "key"},
		"no PEM":        {k, []byte("none"), "certificate"},
		"too large":     {k, append(bytes.Clone(valid), bytes.Repeat([]byte("\n"), 1<<16)...), "certificate"},
	} {
		signed, err := build(t, parts()).Sign(c.key, c.cert, now)
		if signed != nil {
			t.Errorf("%s: got an image", name)
		}
		wantFault(t, err, c.want)
	}
}

// Every byte of the measured parts counts.
func TestSignatureCoversTheImage(t *testing.T) {
	k := newKey(t, elliptic.P384())
	signed, err := build(t, parts()).Sign(k, newCert(t, k, now.AddDate(1, 0, 0)), now)
	if err != nil {
		t.Fatal(err)
	}
	for n, s := range signed.Sections {
		if s.Type == image.Metadata || s.Type == image.Signature {
			continue
		}
		changed := *signed
		changed.Sections = append([]image.Section(nil), signed.Sections...)
		data := bytes.Clone(s.Data)
		data[len(data)/2] ^= 1
		changed.Sections[n].Data = data
		_, _, err := changed.Verify(nil, now)
		wantFault(t, err, "other-pcr0")
	}
}

// No panic; a section that is accepted is the one that its parts give again.
func FuzzSignatureSection(f *testing.F) {
	for _, v := range vectorfile.Load(f, signatureVectors) {
		i, err := image.Parse(v.Body)
		if err != nil {
			f.Fatal(err)
		}
		if s := i.Sections[len(i.Sections)-1]; s.Type == image.Signature {
			f.Add(s.Data)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if again, ok := image.ReencodeSignature(b); ok && !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
		i, err := image.New(parts())
		if err != nil {
			t.Fatal(err)
		}
		i.Sections = append(i.Sections, image.Section{Type: image.Signature, Data: b})
		if cert, _, err := i.Verify(nil, now); (cert == nil) == (err == nil) {
			t.Errorf("got %v and %v", cert, err)
		}
	})
}
