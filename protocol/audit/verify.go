// Package audit checks receipts offline: that the hypervisor signed a leaf, that the leaf is what
// the owner of the job expects, and that batches of leaves are one history.
//
// Verify makes a Verified leaf of a receipt file. Verified.Check makes an Accepted receipt of it:
// only that says that the result in hand was made from the input by the pinned image under the
// policy. VerifyChain proves the order of batches, and CheckFork that no two histories were shown;
// neither proves that the last batches were shown.
package audit

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

// Refusals of Verify, besides those of receipt, attest and verify.
var (
	ErrPurpose      = errors.New("document was not made for receipts")
	ErrInconsistent = errors.New("leaf does not fit its document")
)

// Verified is a leaf that a genuine receipts document signs. It is not accepted yet: see Check.
type Verified struct {
	Attested *verify.Attested
	UserData receipt.UserData
	Leaf     *receipt.Leaf    // nil for a failure
	Failure  *receipt.Failure // nil for a receipt
}

// Verify checks that a genuine receipts document signs the leaf. A zero now judges the document's
// chain at the document's own time: its leaf certificate lives 3 hours, so all but fresh receipts
// are verified so. Errors: those of attest, ErrMalformed, ErrPurpose, ErrPath, ErrInconsistent.
func Verify(f *receipt.File, roots *x509.CertPool, now time.Time) (*Verified, error) {
	if err := f.Check(); err != nil {
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
	if err := receipt.VerifyPath(receipt.LeafHash(f.Leaf), f.Index, u.Batch.Size, f.Path, u.Batch.Root); err != nil {
		return nil, err
	}
	v := &Verified{Attested: a, UserData: *u}
	if v.Leaf, v.Failure, err = receipt.ParseLeaf(f.Leaf); err != nil {
		return nil, err
	}
	if err := v.consistent(u.Batch.First + f.Index); err != nil {
		return nil, err
	}
	return v, nil
}

func verifyDocument(b []byte, roots *x509.CertPool, now time.Time) (*verify.Attested, error) {
	if now.IsZero() {
		return verify.Archived(b, roots)
	}
	return verify.Document(b, roots, now)
}

// receiptsUserData refuses documents of other purposes: in a challenge the caller, hence the
// parent, chose bytes that the hypervisor signed.
func receiptsUserData(a *verify.Attested) (*receipt.UserData, error) {
	u, err := a.ReadUserData()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPurpose, err)
	}
	if u.Purpose != receipt.PurposeReceipts {
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
	// The enclave's clock runs from the NSM's, so it is off by no more than it drifts between
	// documents.
	if finished.After(d.Timestamp.Add(verify.Skew)) {
		return fmt.Errorf("%w: finished after it was signed", ErrInconsistent)
	}
	return nil
}
