package attest_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/verify"
)

// realDocuments loads AWS-signed documents that nobody here made.
func realDocuments(t testing.TB) map[string][]byte {
	t.Helper()
	root := os.Getenv("VECTORS")
	if root == "" {
		t.Skip("VECTORS is unset: set attestation skipped")
	}
	paths, err := filepath.Glob(filepath.Join(root, "attestation", "*.cose"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("set attestation: %d documents, error %v", len(paths), err)
	}
	docs := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		// NitroTPM documents chain to the same root and are no enclave's: refused, whoever signed
		// them.
		if bytes.Contains(b, []byte("nitrotpm_pcrs")) {
			if _, err := verify.Archived(b, verify.AWSRoots()); !errors.Is(err, attest.ErrNotEnclave) {
				t.Errorf("%s: got %v, want %v", filepath.Base(p), err, attest.ErrNotEnclave)
			}
			continue
		}
		docs[p] = b
	}
	return docs
}

// decoded is the independent decode that lies beside each document.
type decoded struct {
	ModuleID  string            `json:"module_id"`
	Timestamp int64             `json:"timestamp"`
	PCRs      map[string]string `json:"pcrs"`
	PublicKey *string           `json:"public_key"`
	UserData  *string           `json:"user_data"`
	Nonce     *string           `json:"nonce"`
}

func TestRealDocumentsVerifyAtTheirOwnTime(t *testing.T) {
	for path, b := range realDocuments(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			v, err := verify.Archived(b, verify.AWSRoots())
			if err != nil {
				t.Fatalf("archived: %v", err)
			}
			d := v.Document()
			compare(t, &d, strings.TrimSuffix(path, ".cose")+".json")
			if _, err := verify.Document(b, verify.AWSRoots(), d.Timestamp.Add(time.Second)); err != nil {
				t.Errorf("live, one second after: %v", err)
			}
			other := append([]byte{0xd2}, b...)
			if b[0] == 0xd2 {
				other = b[1:]
			}
			if _, err := verify.Archived(other, verify.AWSRoots()); err != nil {
				t.Errorf("with and without tag 18: %v", err)
			}
		})
	}
}

func compare(t *testing.T, d *attest.Document, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("%s: no decode to compare with", filepath.Base(path))
		return
	}
	var want decoded
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if got, want := d.Debug(), want.PCRs["0"] == "0"; got != want {
		t.Errorf("debug: got %v, want %v", got, want)
	}
	if d.ModuleID != want.ModuleID || d.Timestamp.UnixMilli() != want.Timestamp {
		t.Errorf("got %s at %d, want %s at %d", d.ModuleID, d.Timestamp.UnixMilli(), want.ModuleID, want.Timestamp)
	}
	if len(d.PCRs) != len(want.PCRs) {
		t.Errorf("got %d PCRs, want %d", len(d.PCRs), len(want.PCRs))
	}
	for index, value := range want.PCRs {
		i, err := strconv.Atoi(index)
		if err != nil {
			t.Fatal(err)
		}
		if value == "0" {
			value = strings.Repeat("0", 96)
		}
		if got := hex.EncodeToString(d.PCRs[i]); got != value {
			t.Errorf("PCR%d: got %s, want %s", i, got, value)
		}
	}
	optional := func(name string, got []byte, want *string) {
		t.Helper()
		if (got == nil) != (want == nil) {
			t.Errorf("%s: got %x, want %v", name, got, want)
			return
		}
		if want == nil {
			return
		}
		if length, _, _ := strings.Cut(*want, "B"); strconv.Itoa(len(got)) != length {
			t.Errorf("%s: got %d bytes, want %s", name, len(got), length)
		}
	}
	optional("public_key", d.PublicKey, want.PublicKey)
	optional("user_data", d.UserData, want.UserData)
	optional("nonce", d.Nonce, want.Nonce)
}

// A stolen or replayed document of another day must not pass as live.
func TestRealDocumentsAreRefusedLive(t *testing.T) {
	for path, b := range realDocuments(t) {
		_, err := verify.Document(b, verify.AWSRoots(), time.Now())
		if !errors.Is(err, verify.ErrExpired) {
			t.Errorf("%s: got %v, want %v", filepath.Base(path), err, verify.ErrExpired)
		}
	}
}

// Every single flipped bit of a real document is noticed.
func TestRealDocumentsWithAFlippedBit(t *testing.T) {
	docs := realDocuments(t)
	v := verify.NewVerifier(verify.AWSRoots())
	for path, b := range docs {
		// every 61st byte: all parts of the document within a second
		for at := 0; at < len(b); at += 61 {
			c := append([]byte(nil), b...)
			c[at] ^= 1 << (at % 8)
			if _, err := v.Archived(c); err == nil {
				t.Errorf("%s: byte %d flipped, and accepted", filepath.Base(path), at)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	var doc []byte
	for _, d := range realDocuments(b) {
		doc = d
	}
	b.Run("whole chain", func(b *testing.B) {
		for b.Loop() {
			if _, err := verify.Archived(doc, verify.AWSRoots()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("chain cached", func(b *testing.B) {
		v := verify.NewVerifier(verify.AWSRoots())
		for b.Loop() {
			if _, err := v.Archived(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The embedded root is AWS's: the fingerprint stands in AWS's user guide.
func TestAWSRoot(t *testing.T) {
	b, err := os.ReadFile("../verify/roots.go")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b[bytes.Index(b, []byte("-----BEGIN")):])
	const want = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
	if got := fmt.Sprintf("%x", sha256.Sum256(block.Bytes)); got != want {
		t.Errorf("fingerprint is %s, want %s", got, want)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	if !verify.AWSRoots().Equal(pool) {
		t.Error("the pool does not hold AWS's root alone")
	}
}
