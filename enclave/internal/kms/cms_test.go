package kms

// White-box: the reader of KMS's answers is not exported, and its refusals all look alike from outside, on purpose.

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"anchorhold/enclave/internal/devkms"
)

// testKey is made once: it takes long.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		panic(err)
	}
	return k
})

func TestRealAnswers(t *testing.T) {
	root := os.Getenv("VECTORS")
	if root == "" {
		t.Skip("VECTORS is unset: set cms skipped")
	}
	files, _ := filepath.Glob(filepath.Join(root, "cms", "*.ber"))
	if len(files) == 0 {
		t.Fatal("set cms holds no .ber file")
	}
	for _, f := range files {
		if _, err := parseCMS(read(t, f)); err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
	}
	keys, _ := filepath.Glob(filepath.Join(root, "cms", "*-privkey.pem"))
	if len(keys) == 0 {
		t.Fatal("set cms holds no private key")
	}
	for _, k := range keys {
		name := strings.TrimSuffix(k, "-privkey.pem")
		blobs, _ := filepath.Glob(name + "*.ber")
		if len(blobs) == 0 {
			t.Errorf("%s opens nothing", filepath.Base(k))
		}
		for _, b := range blobs {
			got, err := openCMS(read(t, b), parseKey(t, read(t, k)))
			if want := read(t, name+"-plaintext.bin"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: got %d bytes, %v, want the published plaintext", filepath.Base(b), len(got), err)
			}
		}
	}
}

func TestOpensBothContentForms(t *testing.T) {
	for name, form := range map[string]devkms.Form{"primitive": devkms.Primitive, "constructed": devkms.Constructed} {
		for _, size := range []int{0, 1, 15, 16, 32, 999, 1000, 4096} {
			want := bytes.Repeat([]byte{7}, size)
			got, err := openCMS(envelop(t, want, form), testKey())
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes: got %d bytes, %v", name, size, len(got), err)
			}
		}
	}
}

// TestRefusesOtherShapes changes one thing each in an answer that opens.
func TestRefusesOtherShapes(t *testing.T) {
	key := testKey()
	good := parts(t, key)
	if _, err := openCMS(good.encode(), key); err != nil {
		t.Fatalf("the unchanged answer does not open: %v", err)
	}
	for name, change := range map[string]func(*cmsParts){
		"content type signed data":     func(p *cmsParts) { p.contentType = der(tagOID, oidData) },
		"enveloped data version 0":     func(p *cmsParts) { p.version = der(tagInteger, []byte{0}) },
		"version with a leading zero":  func(p *cmsParts) { p.version = der(tagInteger, []byte{0, 2}) },
		"recipient version 0":          func(p *cmsParts) { p.recipientVersion = der(tagInteger, []byte{0}) },
		"another recipient":            func(p *cmsParts) { p.rid[5] ^= 1 },
		"short recipient":              func(p *cmsParts) { p.rid = der(tagPrimitive0, []byte{1}) },
		"issuer and serial number":     func(p *cmsParts) { p.rid = der(tagSequence, der(tagInteger, []byte{1})) },
		"two recipients":               func(p *cmsParts) { p.twice = true },
		"no recipient":                 func(p *cmsParts) { p.noRecipient = true },
		"originator info":              func(p *cmsParts) { p.afterVersion = der(tagExplicit0, nil) },
		"unprotected attributes":       func(p *cmsParts) { p.afterContent = der(tagExplicit1, nil) },
		"rsa pkcs1 v1.5":               func(p *cmsParts) { p.wrapOID = der(tagOID, append(bytes.Clone(oidRSAESOAEP[:8]), 1)) },
		"oaep defaults, so sha-1":      func(p *cmsParts) { p.oaep = der(tagSequence, nil) },
		"oaep without parameters":      func(p *cmsParts) { p.oaep = nil },
		"oaep hash sha-1":              func(p *cmsParts) { p.oaep = oaep(oidSHA1, oidSHA256) },
		"oaep mgf1 with sha-1":         func(p *cmsParts) { p.oaep = oaep(oidSHA256, oidSHA1) },
		"oaep with a label":            func(p *cmsParts) { p.oaep = oaep(oidSHA256, oidSHA256, der(0xa2, nil)) },
		"encrypted key one bit off":    func(p *cmsParts) { p.wrapped[100] ^= 1 },
		"encrypted key too short":      func(p *cmsParts) { p.wrapped = p.wrapped[1:] },
		"inner type enveloped data":    func(p *cmsParts) { p.innerType = der(tagOID, oidEnvelopedData) },
		"aes-128-cbc":                  func(p *cmsParts) { p.cipherOID = der(tagOID, append(bytes.Clone(oidAES256CBC[:8]), 2)) },
		"iv of 15 bytes":               func(p *cmsParts) { p.iv = p.iv[1:] },
		"ciphertext one byte short":    func(p *cmsParts) { p.content = p.content[1:] },
		"ciphertext without last half": func(p *cmsParts) { p.content = p.content[:16] },
		"padding one bit off":          func(p *cmsParts) { p.content[len(p.content)-17] ^= 1 },
		"no ciphertext":                func(p *cmsParts) { p.content = nil },
		"trailing byte":                func(p *cmsParts) { p.trailing = []byte{0} },
		"trailing end marker":          func(p *cmsParts) { p.trailing = []byte{0, 0} },
		"content key of 16 bytes":      func(p *cmsParts) { p.wrapped = wrap(t, key, make([]byte, 16)) },
		"wrapped with sha-1":           func(p *cmsParts) { p.wrapped = wrapSHA1(t, key, p.contentKey) },
	} {
		p := parts(t, key)
		change(p)
		if got, err := openCMS(p.encode(), key); err != errCMS || got != nil {
			t.Errorf("%s: got %d bytes, %v, want only %v", name, len(got), err, errCMS)
		}
	}
}

func TestWrongKeyOpensNothing(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCMS(envelop(t, make([]byte, 32), devkms.Primitive), other); err != errCMS {
		t.Errorf("got %v, want %v", err, errCMS)
	}
}

func TestHostileBER(t *testing.T) {
	nested := bytes.Repeat([]byte{0x30, 0x80}, 8000)
	for name, b := range map[string][]byte{
		"empty":                       {},
		"one byte":                    {0x30},
		"length without bytes":        {0x30, 0x82},
		"length past the end":         {0x04, 0x82, 0xff, 0xff},
		"length of five bytes":        {0x04, 0x85, 1, 1, 1, 1, 1},
		"primitive of no length":      {0x04, 0x80, 0, 0},
		"end marker alone":            {0, 0},
		"end marker in a definite":    {0x30, 0x02, 0, 0},
		"high tag":                    {0x1f, 0x01, 0x00},
		"indefinite without an end":   {0x30, 0x80, 0x05, 0x00},
		"deep":                        nested,
		"wide":                        der(tagSequence, bytes.Repeat([]byte{5, 0}, 4000)),
		"long":                        make([]byte, maxBER+1),
		"child longer than its frame": {0x30, 0x03, 0x04, 0x05, 0x00},
	} {
		if _, err := parseBER(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzCMS(f *testing.F) {
	key := testKey()
	f.Add(envelop(f, make([]byte, 32), devkms.Primitive))
	f.Add(envelop(f, make([]byte, 1500), devkms.Constructed))
	f.Add(parts(f, key).encode())
	f.Add([]byte{0x30, 0x80, 0, 0})
	real, _ := filepath.Glob(filepath.Join(os.Getenv("VECTORS"), "cms", "*.ber"))
	for _, name := range real {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		env, err := parseCMS(b)
		if err != nil {
			if env != nil {
				t.Error("a value beside an error")
			}
			return
		}
		if n := len(env.recipient) + len(env.encryptedKey) + len(env.iv) + len(env.ciphertext); n > len(b) {
			t.Errorf("read %d bytes of %d", n, len(b))
		}
	})
}

func envelop(t testing.TB, plaintext []byte, form devkms.Form) []byte {
	t.Helper()
	b, err := devkms.Envelop(&testKey().PublicKey, plaintext, form)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wrap(t testing.TB, key *rsa.PrivateKey, contentKey []byte) []byte {
	t.Helper()
	b, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, contentKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wrapSHA1(t testing.TB, key *rsa.PrivateKey, contentKey []byte) []byte {
	t.Helper()
	b, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, contentKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseKey(t *testing.T, b []byte) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatal("no PEM block")
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*rsa.PrivateKey)
}
