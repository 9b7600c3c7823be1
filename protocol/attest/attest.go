// Package attest reads attestation documents of the Nitro Secure Module and the user data that an
// Anchorhold enclave puts into them. What it reads is UNVERIFIED: package verify checks who signed
// it, appraise whether it is the enclave one wants.
//
// The documents are COSE_Sign1 with ES384, as AWS's attestation process describes. Fields that are
// used are read more strictly than it asks; fields of other names are skipped and counted (SPEC
// 6.1).
package attest

//go:generate go run generate.go generate_more.go generate_newer.go generate_reasons.go

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/digest"
)

// Refusals, each for one kind of fault; test with errors.Is.
var (
	ErrMalformed  = errors.New("malformed attestation document")
	ErrAlgorithm  = errors.New("attestation document is not signed with ES384 alone")
	ErrNotEnclave = errors.New("attestation document is not of a Nitro enclave")
)

// Document is what a document says. From Parse it is UNVERIFIED; from verify.Attested it is
// genuine.
type Document struct {
	ModuleID    string
	Timestamp   time.Time
	PCRs        map[int][]byte // locked PCRs, 48 bytes each
	Certificate []byte         // leaf, DER
	CABundle    [][]byte       // DER, root first
	PublicKey   []byte         // nil when absent
	UserData    []byte         // nil when absent
	Nonce       []byte         // nil when absent
	// number of fields that this version does not know; their values are not kept
	Ignored int
}

// PCR returns a PCR and whether the document has it.
func (d *Document) PCR(index int) (digest.Digest, bool) {
	b, ok := d.PCRs[index]
	if !ok || len(b) != digest.Size {
		return digest.Digest{}, false
	}
	return digest.Digest(b), true
}

// Debug tells whether any of PCR0 to PCR2 is zero or missing, as in a debug enclave, whose console
// the parent reads. The other PCRs say nothing about it: a real debug document has PCR4 set.
func (d *Document) Debug() bool {
	for i := range 3 {
		if p, ok := d.PCR(i); !ok || p.IsZero() {
			return true
		}
	}
	return false
}

// IgnoredText says how many unknown fields were skipped, for a person.
func (d *Document) IgnoredText() string {
	if d.Ignored == 1 {
		return "1 unknown field"
	}
	return fmt.Sprintf("%d unknown fields", d.Ignored)
}

// Clone returns a copy that shares no memory with d.
func (d *Document) Clone() Document {
	c := *d
	c.PCRs = make(map[int][]byte, len(d.PCRs))
	for i, p := range d.PCRs {
		c.PCRs[i] = bytes.Clone(p)
	}
	c.Certificate = bytes.Clone(d.Certificate)
	c.CABundle = make([][]byte, len(d.CABundle))
	for i, b := range d.CABundle {
		c.CABundle[i] = bytes.Clone(b)
	}
	c.PublicKey, c.UserData, c.Nonce = bytes.Clone(d.PublicKey), bytes.Clone(d.UserData), bytes.Clone(d.Nonce)
	return c
}

// Signed is a well-formed document with the bytes that its signature covers.
type Signed struct {
	Document  *Document
	Payload   []byte
	Signature []byte // r and s of P-384, 48 bytes each
}

// Parse reads a well-formed document. Its content is UNVERIFIED. Errors: ErrMalformed,
// ErrAlgorithm, ErrNotEnclave.
func Parse(b []byte) (*Document, error) {
	s, err := ParseSigned(b)
	if err != nil {
		return nil, err
	}
	return s.Document, nil
}
