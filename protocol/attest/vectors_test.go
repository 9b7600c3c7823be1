package attest_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/verify"
)

var outcomes = map[string]error{
	"ok":          nil,
	"malformed":   attest.ErrMalformed,
	"algorithm":   attest.ErrAlgorithm,
	"not-enclave": attest.ErrNotEnclave,
	"untrusted":   verify.ErrUntrusted,
	"certificate": verify.ErrCertificate,
	"expired":     verify.ErrExpired,
	"timestamp":   verify.ErrTimestamp,
	"signature":   verify.ErrSignature,
}

func testRoots(t testing.TB) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile("testdata/root.pem")
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(b) {
		t.Fatal("no root in testdata/root.pem")
	}
	return p
}

// Every vector has the outcome that it expects, the same from a verifier that has seen all other
// chains before.
func TestVectors(t *testing.T) {
	roots := testRoots(t)
	cached := verify.NewVerifier(roots)
	seen := map[string]int{}
	for range 2 { // the second time chains come from the cache
		for _, v := range vectorfile.Load(t, "testdata/*.txt") {
			want, ok := outcomes[v.Kind()]
			if !ok {
				t.Fatalf("%s: outcome %q is unknown", v.Name, v.Expect())
			}
			seen[v.Kind()]++
			verified, err := verifyVector(t, v, func() (*verify.Attested, error) { return verify.Archived(v.Body, roots) },
				func(now time.Time) (*verify.Attested, error) { return verify.Document(v.Body, roots, now) })
			v.CheckReason(t, err)
			if !errors.Is(err, want) || (err != nil && verified != nil) {
				t.Errorf("%s: got %v, want %v", v.Name, err, want)
			}
			_, err = verifyVector(t, v, func() (*verify.Attested, error) { return cached.Archived(v.Body) },
				func(now time.Time) (*verify.Attested, error) { return cached.Document(v.Body, now) })
			if !errors.Is(err, want) {
				t.Errorf("%s, cached: got %v, want %v", v.Name, err, want)
			}
			_, err = attest.Parse(v.Body)
			if parses := !errors.Is(want, attest.ErrMalformed) && !errors.Is(want, attest.ErrAlgorithm) && !errors.Is(want, attest.ErrNotEnclave); (err == nil) != parses {
				t.Errorf("%s: parse: %v", v.Name, err)
			}
		}
	}
	for o := range outcomes {
		if seen[o] == 0 {
			t.Errorf("no vector expects %s", o)
		}
	}
}

// verifyVector verifies live at the vector's time, or at the document's own when the vector gives
// none.
func verifyVector(t *testing.T, v vectorfile.Vector, archived func() (*verify.Attested, error), live func(time.Time) (*verify.Attested, error)) (*verify.Attested, error) {
	t.Helper()
	s, given := v.Header["now"]
	if !given {
		return archived()
	}
	now, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return live(now)
}

// A clock that was never set must not turn a live check into an archived one.
func TestNoTimeIsNotArchived(t *testing.T) {
	ok := vectorfile.Load(t, "testdata/ok-archived.txt")[0].Body
	if _, err := verify.Document(ok, testRoots(t), time.Time{}); !errors.Is(err, verify.ErrExpired) {
		t.Errorf("got %v, want %v", err, verify.ErrExpired)
	}
	if _, err := verify.NewVerifier(testRoots(t)).Document(ok, time.Time{}); !errors.Is(err, verify.ErrExpired) {
		t.Errorf("verifier: got %v, want %v", err, verify.ErrExpired)
	}
}

// Only the pinned root counts: not the system's, not AWS's for a test document, nor a test root for
// AWS's.
func TestRoots(t *testing.T) {
	ok := vectorfile.Load(t, "testdata/ok-archived.txt")[0].Body
	// what x509 takes for the system's, when it is given none
	t.Setenv("SSL_CERT_FILE", "testdata/root.pem")
	for name, roots := range map[string]*x509.CertPool{"none": nil, "empty": x509.NewCertPool(), "AWS": verify.AWSRoots()} {
		if _, err := verify.Archived(ok, roots); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("roots %s: got %v, want %v", name, err, verify.ErrUntrusted)
		}
	}
	for path, b := range realDocuments(t) {
		if _, err := verify.Archived(b, testRoots(t)); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s under a test root: got %v", path, err)
		}
	}
}

// What was verified must not change when the caller reuses its buffer or edits the copy it was
// given.
func TestVerifiedDoesNotChange(t *testing.T) {
	b := append([]byte(nil), vectorfile.Load(t, "testdata/ok-archived.txt")[0].Body...)
	v, err := verify.Archived(b, testRoots(t))
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	d := v.Document()
	clear(d.UserData)
	clear(d.PCRs[0])
	d.PCRs[1] = nil
	d.CABundle[0] = nil
	d = v.Document()
	if string(d.UserData) != "user data" || d.Debug() || d.PCRs[1] == nil || d.CABundle[0] == nil {
		t.Error("the verified document changed")
	}
}

func TestDebug(t *testing.T) {
	for name, want := range map[string]bool{"ok": false, "ok-debug": true} {
		d, err := attest.Parse(vectorfile.Load(t, "testdata/"+name+".txt")[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		if d.Debug() != want {
			t.Errorf("%s: debug is %v", name, d.Debug())
		}
		for i := range 3 { // one zero or missing register is enough
			p := d.PCRs[i]
			d.PCRs[i] = make([]byte, 48)
			if !d.Debug() {
				t.Errorf("%s: PCR%d zero is not debug", name, i)
			}
			delete(d.PCRs, i)
			if !d.Debug() {
				t.Errorf("%s: PCR%d missing is not debug", name, i)
			}
			d.PCRs[i] = p
		}
	}
	if !new(attest.Document).Debug() {
		t.Error("the zero document is not debug")
	}
}

// No bytes make the parser panic, and what it accepts is bounded by what there is.
func FuzzDocument(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	roots := testRoots(f)
	signed := map[string]bool{} // documents that are good at their own time
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		if v.Kind() == "ok" || v.Kind() == "expired" {
			signed[string(bytes.TrimPrefix(v.Body, []byte{0xd2}))] = true
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := attest.Parse(b)
		if (err == nil) != (d != nil) {
			t.Fatal("an error and a document, or neither")
		}
		if d != nil && len(d.Certificate)+len(d.UserData)+len(d.Nonce)+len(d.PublicKey) > len(b) {
			t.Fatal("more bytes than there were")
		}
		if _, err := verify.Archived(b, roots); err == nil && !signed[string(bytes.TrimPrefix(b, []byte{0xd2}))] {
			t.Fatal("a document that nobody signed")
		}
	})
}
