package attest

import "anchorhold/protocol/digest"

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
	Size     uint64        // leaves, 1 to 256
	Root     digest.Digest // Merkle root
	Previous digest.Digest // head of the batch before, zero for batch 0
}

// Encode returns the canonical bytes.
func (u *UserData) Encode() ([]byte, error) { return nil, ErrMalformed }

// ParseUserData reads canonical bytes.
func ParseUserData(b []byte) (*UserData, error) { return nil, ErrMalformed }
