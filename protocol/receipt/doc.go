// Package receipt holds what an enclave states about each job: leaves, Merkle batches that
// attestation documents sign, and receipt files (SPEC 6 and 7). The hypervisor signs a batch of
// leaves; no signing key exists. What a file says is UNVERIFIED: package audit checks it.
package receipt

//go:generate go run generate.go generate_reasons.go

import (
	"errors"

	"anchorhold/protocol/attest"
)

// ErrMalformed says that bytes are not a receipt file or leaf in the form of SPEC 7.
var ErrMalformed = errors.New("malformed receipt")

// UserData is the user data of SPEC 6. It stands in attest, because appraise reads it too.
type UserData = attest.UserData

// Batch is the part of UserData that describes a batch.
type Batch = attest.Batch

// Purpose is the purpose of SPEC 6.
type Purpose = attest.Purpose

// The purposes of SPEC 6.
const (
	PurposeKMS       = attest.PurposeKMS
	PurposeReceipts  = attest.PurposeReceipts
	PurposeChallenge = attest.PurposeChallenge
)

// MaxBatch is the largest number of leaves in a batch (SPEC 2.2).
const MaxBatch = attest.MaxBatch

// ParseUserData reads the user data of SPEC 6.
func ParseUserData(b []byte) (*UserData, error) { return attest.ParseUserData(b) }
