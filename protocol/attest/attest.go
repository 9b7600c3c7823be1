// Package attest checks that a Nitro enclave signed a document. Whether it is the enclave one wants: see appraise.
//
// Verify and VerifyArchived follow AWS's attestation process (COSE_Sign1, ES384, chain to a pinned root) more strictly
// than it asks: what AWS does not send is refused. They promise nothing about measurements, nonces or age.
package attest

import (
	"crypto/x509"
	"errors"
	"time"

	"anchorhold/protocol/digest"
)

// Refusals, each for one kind of fault; test with errors.Is.
var (
	ErrMalformed   = errors.New("malformed attestation document")
	ErrAlgorithm   = errors.New("attestation document is not signed with ES384")
	ErrNotEnclave  = errors.New("attestation document is not of a Nitro enclave")
	ErrUntrusted   = errors.New("certificate chain does not end at a pinned root")
	ErrCertificate = errors.New("invalid certificate in the chain")
	ErrExpired     = errors.New("certificate chain is not valid at this time")
	ErrTimestamp   = errors.New("document time lies outside its certificate's validity")
	ErrSignature   = errors.New("invalid document signature")
)

// Document is what a document says. From Parse it is UNVERIFIED; from Verified.Document it is genuine.
type Document struct {
	ModuleID    string
	Timestamp   time.Time
	PCRs        map[int][]byte // locked PCRs, 48 bytes each
	Certificate []byte         // leaf, DER
	CABundle    [][]byte       // DER, root first
	PublicKey   []byte         // nil when absent
	UserData    []byte         // nil when absent
	Nonce       []byte         // nil when absent
}

// Verified is a genuine document: only Verify, VerifyArchived and a Verifier make one.
type Verified struct {
	document Document
	digest   digest.Digest
}

// Document returns a copy of what the genuine document says.
func (v *Verified) Document() Document { return v.document }

// Digest returns the SHA-384 of the document's bytes.
func (v *Verified) Digest() digest.Digest { return v.digest }

// Debug tells whether any of PCR0 to PCR2 is zero or missing, as in a debug enclave, whose memory and console the
// parent reads.
func (d *Document) Debug() bool { return true }

// Parse reads a well-formed document. Its content is UNVERIFIED.
func Parse(b []byte) (*Document, error) { return nil, ErrMalformed }

// Verify accepts a document whose chain is valid at now and ends at one of roots.
func Verify(b []byte, roots *x509.CertPool, now time.Time) (*Verified, error) {
	return nil, ErrMalformed
}

// VerifyArchived accepts a document whose chain was valid at the document's own time.
func VerifyArchived(b []byte, roots *x509.CertPool) (*Verified, error) { return nil, ErrMalformed }
