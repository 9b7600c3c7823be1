package image_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"anchorhold/eif/image"
)

// TestFirstCertificate: each text has one certificate for OpenSSL, whose PEM reader was asked, or
// none. Were another one taken, one image would have two signers, and the PCR8 shown would not be
// the one that the hypervisor attests.
func TestFirstCertificate(t *testing.T) {
	k := newKey(t, elliptic.P384())
	first, second := newCert(t, k, now.AddDate(1, 0, 0)), newCert(t, k, now.AddDate(2, 0, 0))
	data := base64Of(first)
	block := func(body string) []byte {
		return []byte("-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n")
	}
	marked := func(after string) []byte {
		return bytes.Replace(first, []byte("BEGIN CERTIFICATE-----"), []byte("BEGIN CERTIFICATE-----"+after), 1)
	}
	none := []byte(nil)
	for name, c := range map[string]struct{ text, want []byte }{
		"marker after 254 bytes of a line":           {join(strings.Repeat("x", 254), first, second), first},
		"marker after 508 bytes of a line":           {join(strings.Repeat("x", 508), first, second), first},
		"marker after 253 bytes of a line":           {join(strings.Repeat("x", 253), first, second), second},
		"marker of 255 bytes":                        {join("-----BEGIN ", strings.Repeat("x", 239), "-----\n", second), second},
		"control character after the marker":         {join(marked("\x01"), second), first},
		"NUL after the marker":                       {join(marked("\x00"), second), first},
		"DEL after the marker":                       {join(marked("\x7f"), second), second},
		"byte after the marker that one CPU trims":   {join(marked("\xff"), second), none},
		"byte order mark before a later block":       {join(otherBlock(), "\xef\xbb\xbf", first, second), first},
		"byte order mark in a later line":            {join("text\n\xef\xbb\xbf", first, second), second},
		"empty block first":                          {join("-----BEGIN X-----\n-----END X-----\n", second), none},
		"all data in one line":                       {join(block(data), second), first},
		"all data in one line that ends with spaces": {join(block(data+strings.Repeat(" ", 254)), second), none},
		"line that is cut where it ends":             {join(block(data[:254]+"\n"+data[254:]), second), none},
		"empty line at the beginning of a block":     {join(marked("\n"), second), first},
		"the same with a long line":                  {join(block("\n"+data), second), none},
		"the same with a short line":                 {join(block("\n"+data[:60]+"\n"+data[60:124]+"\n"+data[124:]), second), none},
	} {
		cert, _, err := image.ParseCertificate(c.text)
		switch {
		case c.want == nil && !errors.Is(err, image.BadCert):
			t.Errorf("%s: got %v, want %v", name, err, image.BadCert)
		case c.want != nil && (err != nil || !bytes.Equal(cert.Raw, der(t, c.want))):
			t.Errorf("%s: got error %v and another certificate, want the expected one", name, err)
		}
	}
}

// TestSignPublishesNoKey: the certificate file goes into the image, so a file that holds the key
// too would give it away.
func TestSignPublishesNoKey(t *testing.T) {
	k := newKey(t, elliptic.P384())
	cert := newCert(t, k, now.AddDate(1, 0, 0))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	encrypted := bytes.Replace(key, []byte("KEY-----\n"), []byte("KEY-----\nProc-Type: 4,ENCRYPTED\n\n"), 1)
	for name, text := range map[string][]byte{
		"key before": join(key, cert), "key after": join(cert, key), "key after a chain": join(cert, cert, key),
		"encrypted key after": join(cert, encrypted), "key that is indented": join(cert, " ", key), "another block": join(otherBlock(), cert),
	} {
		if _, err := build(t, parts()).Sign(k, text, now); !errors.Is(err, image.BadCert) {
			t.Errorf("%s: got %v, want %v", name, err, image.BadCert)
		}
	}
	if _, err := build(t, parts()).Sign(k, join("text\n", cert, cert, "text\n"), now); err != nil {
		t.Errorf("a chain with text: %v", err)
	}
}

// TestLongestCertificate: what is signed can be read again.
func TestLongestCertificate(t *testing.T) {
	k := newKey(t, elliptic.P384())
	cert := newCert(t, k, now.AddDate(1, 0, 0))
	for _, size := range []int{1<<16 - 1, 1 << 16} {
		signed, err := build(t, parts()).Sign(k, join(cert, strings.Repeat("\n", size-len(cert))), now)
		if size == 1<<16 {
			if !errors.Is(err, image.BadCert) {
				t.Errorf("%d bytes: got %v, want %v", size, err, image.BadCert)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := signed.Verify(nil, now); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func join(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

func otherBlock() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")})
}

func der(t *testing.T, certificate []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(certificate)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

// base64Of returns the base64 of a certificate's PEM in one line.
func base64Of(certificate []byte) string {
	lines := strings.Split(strings.TrimSpace(string(certificate)), "\n")
	return strings.Join(lines[1:len(lines)-1], "")
}
