// Package receipt holds receipts: leaves that an enclave writes for each job, the Merkle batches that attestation
// documents sign, and their verification (SPEC 6 and 7).
package receipt

import (
	"crypto/x509"
	"errors"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// ErrMalformed says that bytes are not a receipt file, leaf or path in the form of SPEC 7.
var ErrMalformed = errors.New("malformed receipt")

// UserData is the user data of SPEC 6; it stands in attest because appraise reads it too.
type UserData = attest.UserData

// Batch is the batch part of UserData.
type Batch = attest.Batch

// Purpose is the purpose of SPEC 6.
type Purpose = attest.Purpose

// The purposes of SPEC 6.
const (
	PurposeKMS       = attest.PurposeKMS
	PurposeReceipts  = attest.PurposeReceipts
	PurposeChallenge = attest.PurposeChallenge
)

// ParseUserData reads the user data of SPEC 6.
func ParseUserData(b []byte) (*UserData, error) { return attest.ParseUserData(b) }

// Leaf is a receipt leaf (SPEC 7.1).
type Leaf struct {
	Sequence        uint64
	Image           digest.Digest
	Tenant          string
	Pipeline        string
	Key             string
	KMSRequests     []string
	MessageID       [32]byte
	Nonce           [32]byte
	Header          digest.Digest
	Input           digest.Digest
	Output          digest.Digest
	InputSize       uint64
	OutputSize      uint64
	Policy          digest.Digest
	Reply           [32]byte
	Parameters      *[32]byte      // optional
	Crosswalk       *digest.Digest // optional
	ReferenceDate   string         // optional
	RecordsIn       uint64         // bucketed
	RecordsOut      uint64         // bucketed
	RecordsRejected uint64         // bucketed
	Started         time.Time      // milliseconds, NSM clock
	Finished        time.Time      // milliseconds, NSM clock
}

// Failure is a failure leaf (SPEC 7.1). It never passes as a receipt.
type Failure struct {
	Sequence    uint64
	Code        code.Code
	Header      digest.Digest
	KMSRequests []string
	Finished    time.Time
}

// Encode returns the canonical bytes of the leaf.
func (l *Leaf) Encode() ([]byte, error) { return nil, ErrMalformed }

// Encode returns the canonical bytes of the failure leaf.
func (f *Failure) Encode() ([]byte, error) { return nil, ErrMalformed }

// ParseLeaf reads a leaf: exactly one of the two is not nil when err is nil.
func ParseLeaf(b []byte) (*Leaf, *Failure, error) { return nil, nil, ErrMalformed }

// Bucket returns the smallest power of two that is not smaller than n, 0 for 0.
func Bucket(n uint64) uint64 { return n }

// File is a receipt file (SPEC 7.3).
type File struct {
	Leaf     []byte
	Index    uint64
	Path     []digest.Digest
	Document []byte
}

// Encode returns the canonical bytes of the file.
func (f *File) Encode() ([]byte, error) { return nil, ErrMalformed }

// ParseFile reads a receipt file. Its content is UNVERIFIED.
func ParseFile(b []byte) (*File, error) { return nil, ErrMalformed }

// Verify checks that a genuine document signs the leaf; a zero now verifies at the document's own time.
func (f *File) Verify(roots *x509.CertPool, now time.Time) (*Verified, error) {
	return nil, ErrMalformed
}

// Verified is a leaf that a genuine receipts document signs. It is not yet accepted: see Check.
type Verified struct {
	Attested *attest.Verified
	UserData UserData
	Leaf     *Leaf    // nil for a failure
	Failure  *Failure // nil for a receipt
}
