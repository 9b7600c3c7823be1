// Package attest checks that a Nitro enclave signed a document. Whether it is the enclave one wants: see appraise.
//
// Verify and VerifyArchived follow AWS's attestation process (COSE_Sign1, ES384, certificate chain to a pinned root). Fields
// that are used are read more strictly than it asks; fields of other names are skipped and counted (SPEC 6.1). They promise
// nothing about measurements, nonces or age.
package attest

//go:generate go run generate.go generate_more.go generate_newer.go generate_reasons.go

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/digest"
)

// Refusals, each for one kind of fault; test with errors.Is.
var (
	ErrMalformed   = errors.New("malformed attestation document")
	ErrAlgorithm   = errors.New("attestation document is not signed with ES384 alone")
	ErrNotEnclave  = errors.New("attestation document is not of a Nitro enclave")
	ErrUntrusted   = errors.New("certificate chain does not end at a pinned root")
	ErrCertificate = errors.New("invalid certificate in the chain")
	ErrExpired     = errors.New("certificate chain is not valid at this time")
	ErrTimestamp   = errors.New("document time lies outside its certificate's validity")
	ErrSignature   = errors.New("invalid document signature")
)

// Skew is how far a verifier's clock may be behind the hypervisor's. A leaf is used seconds after its first valid second,
// so without it a slightly slow clock refuses fresh documents.
const Skew = time.Minute

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
	Ignored     int            // number of fields that this version does not know; their values are not kept
}

// PCR returns a PCR and whether the document has it.
func (d *Document) PCR(index int) (digest.Digest, bool) {
	b, ok := d.PCRs[index]
	if !ok || len(b) != digest.Size {
		return digest.Digest{}, false
	}
	return digest.Digest(b), true
}

// Debug tells whether any of PCR0 to PCR2 is zero or missing, as in a debug enclave, whose console the parent reads. The
// other PCRs say nothing about it: a real debug document has PCR4 set.
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

func (d *Document) clone() Document {
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

// Verified is a genuine document: only Verify, VerifyArchived and a Verifier make one.
type Verified struct {
	document *Document
	digest   digest.Digest
}

// Document returns a copy of what the genuine document says.
func (v *Verified) Document() Document { return v.document.clone() }

// Digest returns the SHA-384 of the document's bytes.
func (v *Verified) Digest() digest.Digest { return v.digest }

// Parse reads a well-formed document. Its content is UNVERIFIED. Errors: ErrMalformed, ErrAlgorithm, ErrNotEnclave.
func Parse(b []byte) (*Document, error) {
	s, err := parse(b)
	if err != nil {
		return nil, err
	}
	return s.document, nil
}

// Verify accepts a document whose chain ends at one of roots and is valid at now. A zero now is refused: a clock that was
// never set must not turn a live check into an archived one.
func Verify(b []byte, roots *x509.CertPool, now time.Time) (*Verified, error) {
	return verifyLive(b, now, pinned(roots))
}

// VerifyArchived accepts a document whose chain was valid at the document's own time. It says nothing about how old the
// document is: the caller compares its time with what it knows.
func VerifyArchived(b []byte, roots *x509.CertPool) (*Verified, error) {
	return verify(b, time.Time{}, pinned(roots))
}

// chainBuilder returns the verified chain of a document, whose times are not judged yet.
type chainBuilder func(*Document) (*chain, error)

func pinned(roots *x509.CertPool) chainBuilder {
	return func(d *Document) (*chain, error) { return buildChain(d, roots) }
}

func verifyLive(b []byte, now time.Time, build chainBuilder) (*Verified, error) {
	if now.IsZero() {
		return nil, fmt.Errorf("%w: no time given", ErrExpired)
	}
	return verify(b, now, build)
}

// verify checks a document; the zero now stands for the document's own time.
func verify(b []byte, now time.Time, build chainBuilder) (*Verified, error) {
	s, err := parse(b)
	if err != nil {
		return nil, err
	}
	c, err := build(s.document)
	if err != nil {
		return nil, err
	}
	at, t := now, s.document.Timestamp
	// A document from at most Skew ahead means that this clock is slow. An expired chain gains nothing: t is later than now.
	if now.IsZero() || (t.After(now) && t.Sub(now) <= Skew) {
		at = t
	}
	if err := c.validAt(t, at); err != nil {
		return nil, err
	}
	if err := s.checkSignature(c.key); err != nil {
		return nil, err
	}
	return &Verified{document: s.document, digest: digest.Sum(b)}, nil
}
