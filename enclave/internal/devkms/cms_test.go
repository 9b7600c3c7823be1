package devkms_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"anchorhold/enclave/internal/devkms"
)

// This reader shares no code with the writer: it reads BER into a tree, then takes the tree apart
// as RFC 5652 has it.

// An element is one BER value. Of a constructed one content is nil.
type element struct {
	tag      byte
	content  []byte
	children []element
}

// readElement returns the first element of b and what follows it.
func readElement(t testing.TB, b []byte) (element, []byte) {
	t.Helper()
	if len(b) < 2 {
		t.Fatal("BER ends early")
	}
	e := element{tag: b[0]}
	n, rest := int(b[1]), b[2:]
	if n == 0x80 {
		for !bytes.HasPrefix(rest, []byte{0, 0}) {
			var child element
			child, rest = readElement(t, rest)
			e.children = append(e.children, child)
		}
		return e, rest[2:]
	}
	if n > 0x80 {
		size := n & 0x7f
		n = 0
		for _, d := range rest[:size] {
			n = n<<8 | int(d)
		}
		rest = rest[size:]
	}
	body := rest[:n]
	if e.tag&0x20 == 0 {
		e.content = body
		return e, rest[n:]
	}
	for len(body) > 0 {
		var child element
		child, body = readElement(t, body)
		e.children = append(e.children, child)
	}
	return e, rest[n:]
}

// An enveloped is what one EnvelopedData says.
type enveloped struct {
	ski, wrapped, iv, content []byte
	form                      byte // tag of the encrypted content: 0x80 or 0xa0
	chunks                    []int
}

func readEnveloped(t testing.TB, b []byte) enveloped {
	t.Helper()
	root, rest := readElement(t, b)
	if len(rest) != 0 || len(root.children) != 2 {
		t.Fatal("not one ContentInfo")
	}
	data := root.children[1].children[0]
	ktri := data.children[1].children[0]
	info := data.children[2]
	m := enveloped{
		ski: ktri.children[1].content, wrapped: ktri.children[3].content,
		iv: info.children[1].children[1].content, form: info.children[2].tag, content: info.children[2].content,
	}
	for _, chunk := range info.children[2].children {
		m.content = append(m.content, chunk.content...)
		m.chunks = append(m.chunks, len(chunk.content))
	}
	return m
}

func (m enveloped) open(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(der); !bytes.Equal(m.ski, want[:]) {
		t.Errorf("subject key identifier is %x, want %x", m.ski, want)
	}
	contentKey, err := rsa.DecryptOAEP(sha256.New(), nil, key, m.wrapped, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.content) == 0 || len(m.content)%16 != 0 || len(contentKey) != 32 {
		t.Fatalf("got %d bytes of content and a key of %d", len(m.content), len(contentKey))
	}
	plaintext := make([]byte, len(m.content))
	cipher.NewCBCDecrypter(block, m.iv).CryptBlocks(plaintext, m.content)
	n := int(plaintext[len(plaintext)-1])
	if n < 1 || n > 16 || !bytes.Equal(plaintext[len(plaintext)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		t.Fatalf("padding is %x", plaintext[max(0, len(plaintext)-16):])
	}
	return plaintext[:len(plaintext)-n]
}

func TestEnvelop(t *testing.T) {
	key := recipientKey()
	for _, size := range []int{0, 1, 15, 16, 32, 127, 240, 983, 984, 1000, 4096} {
		plaintext := bytes.Repeat([]byte{0x5a}, size)
		for form, tag := range map[devkms.Form]byte{devkms.Primitive: 0x80, devkms.Constructed: 0xa0} {
			b, err := devkms.Envelop(&key.PublicKey, plaintext, form)
			if err != nil {
				t.Fatal(err)
			}
			m := readEnveloped(t, b)
			if m.form != tag {
				t.Errorf("%d bytes: got form %x, want %x", size, m.form, tag)
			}
			if got := m.open(t, key); !bytes.Equal(got, plaintext) {
				t.Errorf("%d bytes, form %x: another plaintext came back", size, tag)
			}
			if size == 4096 && form == devkms.Constructed && (len(m.chunks) != 5 || m.chunks[0] != 1000 || m.chunks[4] != 112) {
				t.Errorf("got chunks %v, want four of 1000 and one of 112 as real answers have", m.chunks)
			}
		}
	}
}

func TestEnvelopIsFresh(t *testing.T) {
	first, err := devkms.Envelop(&recipientKey().PublicKey, []byte("x"), devkms.Primitive)
	if err != nil {
		t.Fatal(err)
	}
	second, err := devkms.Envelop(&recipientKey().PublicKey, []byte("x"), devkms.Primitive)
	if err != nil {
		t.Fatal(err)
	}
	a, b := readEnveloped(t, first), readEnveloped(t, second)
	if bytes.Equal(a.iv, b.iv) || bytes.Equal(a.content, b.content) {
		t.Error("two answers share IV or content key")
	}
}

// mask blanks the octet strings, which hold all that differs from answer to answer.
func mask(t testing.TB, b []byte) []byte {
	t.Helper()
	m := readEnveloped(t, b)
	out := bytes.Clone(b)
	for _, secret := range [][]byte{m.ski, m.wrapped, m.iv, m.content} {
		i := bytes.Index(out, secret)
		if i < 0 {
			t.Fatal("content is in several pieces")
		}
		clear(out[i : i+len(secret)])
	}
	return out
}

// Real answers of AWS KMS to an RSA-2048 recipient: ours must have the same bytes wherever no
// random value stands.
func TestEnvelopLikeAWS(t *testing.T) {
	dir := os.Getenv("VECTORS")
	if dir == "" {
		t.Skip("VECTORS is not set: skipping cms/")
	}
	files, err := filepath.Glob(filepath.Join(dir, "cms", "*.ber"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s/cms: %v", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			real, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := readEnveloped(t, real)
			form := devkms.Constructed
			if m.form == 0x80 {
				form = devkms.Primitive
			}
			ours, err := devkms.Envelop(&recipientKey().PublicKey, make([]byte, len(m.content)-1), form)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := mask(t, ours), mask(t, real); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
}

// The reader itself, on a real answer whose key was published.
func TestReaderOpensAWS(t *testing.T) {
	dir := os.Getenv("VECTORS")
	if dir == "" {
		t.Skip("VECTORS is not set: skipping cms/edgebit")
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, "cms", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block, _ := pem.Decode(read("edgebit-privkey.pem"))
	var key *rsa.PrivateKey
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key = parsed.(*rsa.PrivateKey)
	} else if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		t.Fatal(err)
	}
	got := readEnveloped(t, read("edgebit-ciphertext-for-recipient.ber")).open(t, key)
	if want := read("edgebit-plaintext.bin"); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}
