package attest_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/verify"
)

// Unknown fields are counted, and the fields that are known read as without them.
func TestUnknownFieldsAreCounted(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/ok*.txt") {
		want := 0
		switch {
		case v.Name == "ok-unknown-16":
			want = 16
		case strings.HasPrefix(v.Name, "ok-unknown"):
			want = 1
		}
		verified, err := verify.Archived(v.Body, testRoots(t))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		d := verified.Document()
		if d.Ignored != want {
			t.Errorf("%s: got %d ignored fields, want %d", v.Name, d.Ignored, want)
		}
		if want > 0 && (string(d.UserData) != "user data" || len(d.PCRs) != 16 || len(d.CABundle) != 4 || d.PublicKey != nil || d.Nonce != nil) {
			t.Errorf("%s: known fields read otherwise: %+v", v.Name, d)
		}
		if s := fmt.Sprintf("%+v", d); strings.Contains(s, "future") {
			t.Errorf("%s: the document keeps the unknown field: %s", v.Name, s)
		}
	}
}

// An unknown field is skipped and signed all the same: verified bytes are the bytes that came.
func TestUnknownFieldsAreSigned(t *testing.T) {
	roots, doc := testRoots(t), vectorfile.Load(t, "testdata/ok-unknown.txt")[0].Body
	at := bytes.Index(doc, []byte("\x66future\x61x"))
	if at < 0 {
		t.Fatal("no unknown field in the vector")
	}
	for bit := range 8 * 9 {
		b := bytes.Clone(doc)
		b[at+bit/8] ^= 1 << (bit % 8)
		if v, err := verify.Archived(b, roots); err == nil {
			t.Errorf("bit %d of the unknown field changed: got %+v", bit, v.Document())
		}
	}
	b := bytes.Clone(doc)
	b[at+8] = 'y' // well-formed as before: only the signature can tell
	if _, err := verify.Archived(b, roots); !errors.Is(err, verify.ErrSignature) {
		t.Errorf("another value: got %v, want %v", err, verify.ErrSignature)
	}
}

// Documents made elsewhere, with what a newer NSM might send.
func TestDocumentsOfNewerModules(t *testing.T) {
	folder := os.Getenv("CASES")
	if folder == "" {
		t.Skip("CASES is unset: documents of newer modules skipped")
	}
	pem, err := os.ReadFile(filepath.Join(folder, "nitro", "att-root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no root in att-root.pem")
	}
	for name, want := range map[string]int{"extra-key.doc": 1, "indefinite-pcrs.doc": 0} {
		b, err := os.ReadFile(filepath.Join(folder, "nitro", name))
		if err != nil {
			t.Fatal(err)
		}
		v, err := verify.Archived(b, roots)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := v.Document(); d.Ignored != want || len(d.PCRs) == 0 || d.ModuleID == "" {
			t.Errorf("%s: got %+v, want %d ignored fields", name, d, want)
		}
		for at := len(b) - 96; at < len(b); at += 19 {
			b[at] ^= 1
			if _, err := verify.Archived(b, roots); !errors.Is(err, verify.ErrSignature) {
				t.Errorf("%s with byte %d changed: got %v, want %v", name, at, err, verify.ErrSignature)
			}
			b[at] ^= 1
		}
	}
}
