package kms

// White-box: the reader of KMS's answers is not exported, and its refusals all look alike from
// outside, on purpose.

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/protocoltest/vectorfile"
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

// TestVectors: what KMS sends opens, and each other answer is refused at its own step, with one and
// the same error.
func TestVectors(t *testing.T) {
	key := vectorKey(t)
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		if got := refusedAt(v.Body, key); got != v.Expect() {
			t.Errorf("%s: refused at %q, want %q", v.Name, got, v.Expect())
		}
		plain, err := openCMS(v.Body, key)
		if v.Expect() != "opens" {
			if err != errCMS || plain != nil {
				t.Errorf("%s: got %d bytes, %v, want only %v", v.Name, len(plain), err, errCMS)
			}
			continue
		}
		if got := hex.EncodeToString(plain); err != nil || got != v.Header["plaintext"] {
			t.Errorf("%s: got %s, %v, want %s", v.Name, got, err, v.Header["plaintext"])
		}
	}
}

// refusedAt goes through the steps of openCMS one by one: a vector that an earlier step refuses by
// accident tests nothing.
func refusedAt(b []byte, key *rsa.PrivateKey) string {
	root, err := parseBER(b)
	if err != nil {
		rest, ok := walk(b)
		switch {
		case !ok:
			return "ber"
		case len(rest) > 0:
			return "trailing"
		}
		return "limit"
	}
	info := root.sequence(2)
	if info == nil || !info[0].is(tagOID, oidEnvelopedData) || !info[1].wraps(tagExplicit0, 1) {
		return "envelope"
	}
	body := info[1].children[0].sequence(3)
	if body == nil || !body[0].is(tagInteger, []byte{cmsVersion}) || !body[1].wraps(tagSet, 1) {
		return "envelope"
	}
	var env envelopedData
	if !env.readRecipient(body[1].children[0]) {
		return "recipient"
	}
	if !env.readContent(body[2]) {
		return "content"
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if ski := sha256.Sum256(spki); err != nil || !bytes.Equal(env.recipient, ski[:]) {
		return "identifier"
	}
	if len(env.encryptedKey) != key.Size() {
		return "unwrap"
	}
	contentKey, err := rsa.DecryptOAEP(sha256.New(), nil, key, env.encryptedKey, nil)
	if err != nil {
		return "unwrap"
	}
	if len(contentKey) != 32 {
		return "content-key"
	}
	if _, err := openCBC(contentKey, env.iv, env.ciphertext); err != nil {
		return "padding"
	}
	return "opens"
}

// walk reads one BER element without any limit, by other code than the reader's, and returns what
// follows it.
func walk(b []byte) (rest []byte, ok bool) {
	if len(b) < 2 || b[0] == 0 || b[0]&0x1f == 0x1f {
		return nil, false
	}
	nested, n, head := b[0]&0x20 != 0, int(b[1]), 2
	if n == 0x80 {
		for b = b[2:]; !bytes.HasPrefix(b, []byte{0, 0}); {
			if b, ok = walk(b); !ok || !nested {
				return nil, false
			}
		}
		return b[2:], nested
	}
	if size := n & 0x7f; n > 0x80 {
		if size > 2 || len(b) < 2+size {
			return nil, false
		}
		for n = 0; head < 2+size; head++ {
			n = n<<8 | int(b[head])
		}
	}
	if len(b) < head+n {
		return nil, false
	}
	for inner := b[head : head+n]; nested && len(inner) > 0; {
		if inner, ok = walk(inner); !ok {
			return nil, false
		}
	}
	return b[head+n:], true
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

func FuzzCMS(f *testing.F) {
	key := testKey()
	f.Add(envelop(f, make([]byte, 32), devkms.Primitive))
	f.Add(envelop(f, make([]byte, 1500), devkms.Constructed))
	f.Add(parts(f, key).encode())
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
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

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseKey(t testing.TB, b []byte) *rsa.PrivateKey {
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
