package kms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/cryptotest"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/protocoltest/vectorfile"
)

//go:generate go test -run ^TestGenerated$ -generate .

var generate = flag.Bool("generate", false, "write the vectors into testdata")

const vectorKeyFile = "testdata/recipient-test-key.pem"

// cmsVector is one answer of KMS, true or forged.
type cmsVector struct {
	name, expect, comment string
	plaintext, body       []byte
}

// TestGenerated makes the vectors and compares them with testdata, or writes them there. Randomness
// is fixed.
func TestGenerated(t *testing.T) {
	key := vectorKey(t)
	cryptotest.SetGlobalRandom(t, 1)
	var names []string
	for _, v := range slices.Concat(opened(t, key), reshaped(t, key), berVectors()) {
		path := filepath.Join("testdata", v.name+".txt")
		names = append(names, path)
		header := map[string]string{"expect": v.expect, "comment": v.comment, "encoding": "hex"}
		if v.expect == "opens" {
			header["plaintext"] = hex.EncodeToString(v.plaintext)
		}
		want, err := vectorfile.Format(header, v.body)
		if err != nil {
			t.Fatal(err)
		}
		if *generate {
			if err := vectorfile.Write(path, header, v.body); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is generated, %v", path, err)
		}
	}
	slices.Sort(names)
	if found, _ := filepath.Glob("testdata/*.txt"); !slices.Equal(found, names) {
		t.Errorf("got %q in testdata, want %q", found, names)
	}
}

// vectorKey reads the key that the vectors are for. It protects nothing. Made once: how crypto/rsa
// finds primes may change.
func vectorKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	if _, err := os.Stat(vectorKeyFile); *generate && errors.Is(err, fs.ErrNotExist) {
		k, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			t.Fatal(err)
		}
		b := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorKeyFile, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return parseKey(t, read(t, vectorKeyFile))
}

// opened are answers in all the forms that are accepted.
func opened(t *testing.T, key *rsa.PrivateKey) []cmsVector {
	var out []cmsVector
	add := func(name, comment string, plaintext, body []byte) {
		out = append(out, cmsVector{"opens-" + name, "opens", comment, plaintext, body})
	}
	for name, form := range map[string]devkms.Form{"primitive": devkms.Primitive, "chunks": devkms.Constructed} {
		for size, word := range map[int]string{0: "empty", 32: "key", 1500: "long"} {
			plaintext := bytes.Repeat([]byte{7}, size)
			cryptotest.SetGlobalRandom(t, 2) // the same bytes in whatever order
			body, err := devkms.Envelop(&key.PublicKey, plaintext, form)
			if err != nil {
				t.Fatal(err)
			}
			add(name+"-"+word, "indefinite lengths, as AWS sends them", plaintext, body)
		}
	}
	for _, c := range []struct {
		name, comment string
		change        func(*cmsParts)
	}{
		{"definite", "definite lengths throughout", func(*cmsParts) {}},
		{"hash-without-null", "RFC 4055, 2.1: parameters of SHA-256 absent", func(p *cmsParts) { p.oaep = oaepBare(oidSHA256, oidSHA256) }},
		{"two-chunks", "content cut within a block", func(p *cmsParts) {
			p.contentElement = der(tagExplicit0, der(tagOctetString, p.content[:5]), der(tagOctetString, p.content[5:]))
		}},
	} {
		cryptotest.SetGlobalRandom(t, 3)
		p := parts(t, key)
		c.change(p)
		add(c.name, c.comment, bytes.Repeat([]byte{0x59}, 32), p.encode())
	}
	return out
}
