package audit_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

// The parent holds the file: whatever it changes is found out.
func TestFileTampered(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, []*receipt.File) *receipt.File
		want   error
	}{
		"another leaf of the batch": {func(_ *world, f []*receipt.File) *receipt.File { f[1].Leaf = f[2].Leaf; return f[1] }, receipt.ErrPath},
		"another index":             {func(_ *world, f []*receipt.File) *receipt.File { f[1].Index = 0; return f[1] }, receipt.ErrPath},
		"index beyond the batch":    {func(_ *world, f []*receipt.File) *receipt.File { f[1].Index = 5; return f[1] }, receipt.ErrPath},
		"path too long": {func(_ *world, f []*receipt.File) *receipt.File {
			f[1].Path = append(f[1].Path, digest.Digest{})
			return f[1]
		}, receipt.ErrPath},
		"path too short":        {func(_ *world, f []*receipt.File) *receipt.File { f[1].Path = f[1].Path[:1]; return f[1] }, receipt.ErrPath},
		"no path":               {func(_ *world, f []*receipt.File) *receipt.File { f[1].Path = nil; return f[1] }, receipt.ErrPath},
		"leaf with a byte more": {func(_ *world, f []*receipt.File) *receipt.File { f[1].Leaf = append(f[1].Leaf, 0); return f[1] }, receipt.ErrPath},
		"document with a bit flipped": {func(_ *world, f []*receipt.File) *receipt.File {
			f[1].Document[len(f[1].Document)-1] ^= 1
			return f[1]
		}, verify.ErrSignature},
		"empty leaf":     {func(_ *world, f []*receipt.File) *receipt.File { f[1].Leaf = nil; return f[1] }, receipt.ErrMalformed},
		"empty document": {func(_ *world, f []*receipt.File) *receipt.File { f[1].Document = nil; return f[1] }, receipt.ErrMalformed},
	} {
		w := newWorld(t)
		f := c.change(w, w.files(t, w.leaf(0), w.leaf(1), w.leaf(2)))
		if v, err := audit.Verify(f, w.ca.Roots(), time.Time{}); !errors.Is(err, c.want) || v != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// A document that the enclave made for KMS or for a caller must not sign receipts, whatever its
// user data says.
func TestOtherPurposesSignNoReceipts(t *testing.T) {
	w := newWorld(t)
	leaves := encodeAll(t, w.leaf(0))
	batch := w.userData(0, 0, digest.Digest{}, leaves)
	plain := func(p receipt.Purpose) *receipt.UserData {
		return &receipt.UserData{Purpose: p, Boot: w.boot, Policy: batch.Policy}
	}
	for name, doc := range map[string][]byte{
		"kms":                       w.attest(t, plain(receipt.PurposeKMS), nil, []byte("key")),
		"challenge":                 w.attest(t, plain(receipt.PurposeChallenge), []byte("nonce"), nil),
		"receipts with public key":  w.attest(t, batch, nil, []byte("key")),
		"receipts with nonce":       w.attest(t, batch, []byte("nonce"), nil),
		"receipts with empty nonce": w.attest(t, batch, []byte{}, nil),
	} {
		if v, err := audit.Verify(cut(leaves, doc)[0], w.ca.Roots(), time.Time{}); !errors.Is(err, audit.ErrPurpose) || v != nil {
			t.Errorf("%s: got %v, want %v", name, err, audit.ErrPurpose)
		}
	}
}

// An inner node of the tree must not pass as a leaf, nor a whole batch's user data as one.
func TestNodeIsNoLeaf(t *testing.T) {
	w := newWorld(t)
	files := w.files(t, w.leaf(0), w.leaf(1))
	h := hashes([][]byte{files[0].Leaf, files[1].Leaf})
	f := &receipt.File{Leaf: append(h[0][:], h[1][:]...), Document: files[0].Document}
	if _, err := audit.Verify(f, w.ca.Roots(), time.Time{}); !errors.Is(err, receipt.ErrPath) {
		t.Errorf("got %v, want %v", err, receipt.ErrPath)
	}
}

// A leaf says which image, policy and place it is of; what its document says goes before.
func TestLeafFitsItsDocument(t *testing.T) {
	for name, change := range map[string]func(*world, *receipt.Leaf){
		"image":               func(_ *world, l *receipt.Leaf) { l.Image = sum("other") },
		"policy":              func(_ *world, l *receipt.Leaf) { l.Policy = sum("other") },
		"sequence":            func(_ *world, l *receipt.Leaf) { l.Sequence = 5 },
		"finished afterwards": func(w *world, l *receipt.Leaf) { l.Finished = w.clock.Add(2 * time.Minute) },
	} {
		w := newWorld(t)
		l := w.leaf(0)
		change(w, l)
		if v, err := audit.Verify(w.files(t, l)[0], w.ca.Roots(), time.Time{}); !errors.Is(err, audit.ErrInconsistent) || v != nil {
			t.Errorf("%s: got %v, want %v", name, err, audit.ErrInconsistent)
		}
	}
	w := newWorld(t)
	if _, err := audit.Verify(w.files(t, w.failure(1))[0], w.ca.Roots(), time.Time{}); !errors.Is(err, audit.ErrInconsistent) {
		t.Errorf("failure with another sequence: got %v", err)
	}
	claimed := w.leaf(0)
	w.start(measure.Image{})
	if _, err := audit.Verify(w.files(t, claimed)[0], w.ca.Roots(), time.Time{}); !errors.Is(err, audit.ErrInconsistent) || !errors.Is(err, appraise.ErrDebug) {
		t.Errorf("debug enclave whose leaf names the pinned image: got %v, want %v", err, appraise.ErrDebug)
	}
	leaves := [][]byte{[]byte("no leaf at all")}
	f := cut(leaves, w.attest(t, w.userData(0, 0, digest.Digest{}, leaves), nil, nil))[0]
	if _, err := audit.Verify(f, w.ca.Roots(), time.Time{}); !errors.Is(err, receipt.ErrMalformed) {
		t.Errorf("signed bytes that are no leaf: got %v", err)
	}
}

func TestFileRoundTrip(t *testing.T) {
	w := newWorld(t)
	for _, f := range append(w.files(t, w.leaf(0)), w.files(t, w.leaf(0), w.failure(1), w.leaf(2))...) {
		b, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := receipt.ParseFile(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("encodes to other bytes, error %v", err)
		}
		if _, err := audit.Verify(got, w.ca.Roots(), time.Time{}); err != nil {
			t.Error(err)
		}
	}
}

func TestFileVectors(t *testing.T) {
	outcomes := map[string]error{
		"receipt": nil, "failure": nil, "malformed": receipt.ErrMalformed, "path": receipt.ErrPath, "purpose": audit.ErrPurpose,
		"inconsistent": audit.ErrInconsistent, "signature": verify.ErrSignature,
	}
	b, err := os.ReadFile("../receipt/testdata/root.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b)
	for _, v := range vectorfile.Load(t, "../receipt/testdata/file-*.txt") {
		want, known := outcomes[v.Kind()]
		if !known {
			t.Fatalf("%s: outcome %q is unknown", v.Name, v.Expect())
		}
		f, err := receipt.ParseFile(v.Body)
		if err != nil {
			v.CheckReason(t, err)
			if !errors.Is(err, want) || want == nil {
				t.Errorf("%s: parse: got %v, want %v", v.Name, err, want)
			}
			continue
		}
		x, err := audit.Verify(f, roots, time.Time{})
		v.CheckReason(t, err)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", v.Name, err, want)
		}
		if err == nil && (x.Leaf != nil) != (v.Expect() == "receipt") {
			t.Errorf("%s: got %+v", v.Name, x)
		}
	}
}
