package attest

import (
	"errors"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
)

const (
	userDataLabel = "anchorhold/v1 attestation"
	// SPEC 6: AWS documents 512 bytes for user_data in one place and 1024 in another.
	maxUserData = 512
	// MaxBatch is the largest number of leaves in a batch (SPEC 2.2).
	MaxBatch = 256
)

// ErrUserData says that user data is not that of SPEC 6, or does not fit its document.
var ErrUserData = errors.New("malformed user data")

// Purpose says what the enclave asked a document for (SPEC 6).
type Purpose string

// The purposes of SPEC 6.
const (
	PurposeKMS       Purpose = "kms"
	PurposeReceipts  Purpose = "receipts"
	PurposeChallenge Purpose = "challenge"
)

// UserData is the user_data of every document that the enclave requests (SPEC 6).
type UserData struct {
	Purpose Purpose
	Boot    [16]byte
	Policy  digest.Digest
	Batch   *Batch // set exactly when Purpose is PurposeReceipts
}

// Batch describes the batch of receipt leaves that a receipts document signs.
type Batch struct {
	Number   uint64        // from 0
	First    uint64        // sequence number of the first leaf
	Size     uint64        // leaves, 1 to MaxBatch
	Root     digest.Digest // Merkle root
	Previous digest.Digest // head of the batch before, zero for batch 0
}

// userData is the CBOR form.
type userData struct {
	Label    string         `cbor:"label"`
	Purpose  Purpose        `cbor:"purpose"`
	Boot     [16]byte       `cbor:"boot"`
	Policy   digest.Digest  `cbor:"policy"`
	Batch    *uint64        `cbor:"batch,omitempty"`
	First    *uint64        `cbor:"first,omitempty"`
	Size     *uint64        `cbor:"size,omitempty"`
	Root     *digest.Digest `cbor:"root,omitempty"`
	Previous *digest.Digest `cbor:"previous,omitempty"`
}

// Encode returns the canonical bytes. Error: ErrUserData, when ParseUserData would refuse them.
func (u *UserData) Encode() ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	w := userData{Label: userDataLabel, Purpose: u.Purpose, Boot: u.Boot, Policy: u.Policy}
	if b := u.Batch; b != nil {
		w.Batch, w.First, w.Size, w.Root, w.Previous = &b.Number, &b.First, &b.Size, &b.Root, &b.Previous
	}
	return canonical.Marshal(w)
}

// ParseUserData reads canonical bytes. Error: ErrUserData.
func ParseUserData(b []byte) (*UserData, error) {
	if len(b) > maxUserData {
		return nil, ErrUserData
	}
	var w userData
	if err := canonical.Unmarshal(b, &w); err != nil || w.Label != userDataLabel {
		return nil, ErrUserData
	}
	u := &UserData{Purpose: w.Purpose, Boot: w.Boot, Policy: w.Policy}
	set := w.Batch != nil
	if (w.First != nil) != set || (w.Size != nil) != set || (w.Root != nil) != set || (w.Previous != nil) != set {
		return nil, ErrUserData
	}
	if set {
		u.Batch = &Batch{Number: *w.Batch, First: *w.First, Size: *w.Size, Root: *w.Root, Previous: *w.Previous}
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	return u, nil
}

func (u *UserData) check() error {
	switch u.Purpose {
	case PurposeKMS, PurposeChallenge:
		if u.Batch != nil {
			return ErrUserData
		}
		return nil
	case PurposeReceipts:
		return u.Batch.check()
	}
	return ErrUserData
}

func (b *Batch) check() error {
	switch {
	case b == nil, b.Size < 1, b.Size > MaxBatch:
		return ErrUserData
	case b.First+b.Size < b.First: // overflow: sequence numbers would wrap
		return ErrUserData
	case (b.Number == 0) != b.Previous.IsZero(), (b.Number == 0) != (b.First == 0):
		return ErrUserData // SPEC 6: the first batch, and only it, has nothing before
	}
	return nil
}
