package receipt

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
)

const (
	fileLabel   = "anchorhold/v1 receipt file"
	maxPath     = 8      // log2 of MaxBatch
	maxDocument = 0x3000 // NSM response limit, nsm-api
	maxFile     = maxLeaf + maxDocument + 1024
)

// Refusals of File.Verify besides ErrMalformed, ErrPath and those of attest.
var (
	ErrPurpose      = errors.New("document was not made for receipts")
	ErrInconsistent = errors.New("leaf does not fit its document")
)

// File is a receipt file (SPEC 7.3). Its content is UNVERIFIED.
type File struct {
	Leaf     []byte
	Index    uint64
	Path     []digest.Digest
	Document []byte
}

type fileWire struct {
	Label    string          `cbor:"label"`
	Leaf     []byte          `cbor:"leaf"`
	Index    uint64          `cbor:"index"`
	Path     []digest.Digest `cbor:"path"`
	Document []byte          `cbor:"document"`
}

// Encode returns the canonical bytes. Error: ErrMalformed, when ParseFile would refuse them.
func (f *File) Encode() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	b, err := canonical.Marshal(fileWire{Label: fileLabel, Leaf: f.Leaf, Index: f.Index, Path: f.Path, Document: f.Document})
	if err != nil {
		return nil, malformed("file cannot be encoded")
	}
	return b, nil
}

// ParseFile reads a receipt file. Its content is UNVERIFIED. Error: ErrMalformed.
func ParseFile(b []byte) (*File, error) {
	if len(b) > maxFile {
		return nil, malformed("file is too long")
	}
	var w fileWire
	if err := canonical.Unmarshal(b, &w); err != nil || w.Label != fileLabel {
		return nil, malformed("not a receipt file")
	}
	f := &File{Leaf: w.Leaf, Index: w.Index, Path: w.Path, Document: w.Document}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) check() error {
	switch {
	case len(f.Leaf) == 0 || len(f.Leaf) > maxLeaf:
		return malformed("leaf is empty or too long")
	case len(f.Document) == 0 || len(f.Document) > maxDocument:
		return malformed("document is empty or too long")
	case f.Index >= MaxBatch || len(f.Path) > maxPath:
		return malformed("index or path is beyond the largest batch")
	}
	return nil
}

// Verified is a leaf that a genuine receipts document signs. It is not accepted yet: see Check.
type Verified struct {
	Attested *attest.Verified
	UserData UserData
	Leaf     *Leaf    // nil for a failure
	Failure  *Failure // nil for a receipt
}

// Verify checks that a genuine receipts document signs the leaf. A zero now judges the document's chain at the document's
// own time: its leaf certificate lives 3 hours, so all but fresh receipts are verified so. Errors: those of attest,
// ErrMalformed, ErrPurpose, ErrPath, ErrInconsistent.
func (f *File) Verify(roots *x509.CertPool, now time.Time) (*Verified, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	a, err := verifyDocument(f.Document, roots, now)
	if err != nil {
		return nil, err
	}
	u, err := receiptsUserData(a)
	if err != nil {
		return nil, err
	}
	if err := VerifyPath(LeafHash(f.Leaf), f.Index, u.Batch.Size, f.Path, u.Batch.Root); err != nil {
		return nil, err
	}
	v := &Verified{Attested: a, UserData: *u}
	if v.Leaf, v.Failure, err = ParseLeaf(f.Leaf); err != nil {
		return nil, err
	}
	if err := v.consistent(u.Batch.First + f.Index); err != nil {
		return nil, err
	}
	return v, nil
}

func verifyDocument(b []byte, roots *x509.CertPool, now time.Time) (*attest.Verified, error) {
	if now.IsZero() {
		return attest.VerifyArchived(b, roots)
	}
	return attest.Verify(b, roots, now)
}

// receiptsUserData refuses documents of other purposes: in a challenge the caller, hence the parent, chose bytes that the
// hypervisor signed.
func receiptsUserData(a *attest.Verified) (*UserData, error) {
	u, err := a.ReadUserData()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPurpose, err)
	}
	if u.Purpose != PurposeReceipts {
		return nil, fmt.Errorf("%w but for %s", ErrPurpose, u.Purpose)
	}
	return u, nil
}

// consistent wants of a leaf what an enclave that runs our program always writes.
func (v *Verified) consistent(sequence uint64) error {
	d := v.Attested.Document()
	finished, got := time.Time{}, uint64(0)
	if v.Failure != nil {
		finished, got = v.Failure.Finished, v.Failure.Sequence
	} else {
		finished, got = v.Leaf.Finished, v.Leaf.Sequence
		switch pcr0, ok := d.PCR(0); {
		case ok && pcr0 == v.Leaf.Image:
		case d.Debug(): // a person must hear of it, whatever else is wrong
			return fmt.Errorf("%w: image: %w", ErrInconsistent, appraise.ErrDebug)
		default:
			return fmt.Errorf("%w: image", ErrInconsistent)
		}
		if v.Leaf.Policy != v.UserData.Policy {
			return fmt.Errorf("%w: policy", ErrInconsistent)
		}
	}
	if got != sequence {
		return fmt.Errorf("%w: sequence is %d, want %d", ErrInconsistent, got, sequence)
	}
	// The enclave's clock runs from the NSM's, so it is off by no more than it drifts between documents.
	if finished.After(d.Timestamp.Add(attest.Skew)) {
		return fmt.Errorf("%w: finished after it was signed", ErrInconsistent)
	}
	return nil
}
