// Package verify checks that a Nitro enclave signed an attestation document. Whether it is the
// enclave one wants: see appraise.
//
// Document and Archived follow AWS's attestation process: signature by the leaf, certificate chain
// to a pinned root. They promise nothing about measurements, nonces or age.
package verify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
)

// Refusals besides those of attest, each for one kind of fault; test with errors.Is.
var (
	ErrUntrusted   = errors.New("certificate chain does not end at a pinned root")
	ErrCertificate = errors.New("invalid certificate in the chain")
	ErrExpired     = errors.New("certificate chain is not valid at this time")
	ErrTimestamp   = errors.New("document time lies outside its certificate's validity")
	ErrSignature   = errors.New("invalid document signature")
)

// Skew is how far a verifier's clock may be behind the hypervisor's. A leaf is used seconds after
// its first valid second, so without it a slightly slow clock refuses fresh documents.
const Skew = time.Minute

// Attested is a genuine document: only Document, Archived and a Verifier make one.
type Attested struct {
	document *attest.Document
	digest   digest.Digest
}

// Document returns a copy of what the genuine document says.
func (v *Attested) Document() attest.Document { return v.document.Clone() }

// Digest returns the SHA-384 of the document's bytes.
func (v *Attested) Digest() digest.Digest { return v.digest }

// Document accepts a document whose chain ends at one of roots and is valid at now. A zero now is
// refused: a clock that was never set must not turn a live check into an archived one.
func Document(b []byte, roots *x509.CertPool, now time.Time) (*Attested, error) {
	return verifyLive(b, now, pinned(roots))
}

// Archived accepts a document whose chain was valid at the document's own time. It says nothing
// about how old the document is: the caller compares its time with what it knows.
func Archived(b []byte, roots *x509.CertPool) (*Attested, error) {
	return verify(b, time.Time{}, pinned(roots))
}

// chainBuilder returns the verified chain of a document, whose times are not judged yet.
type chainBuilder func(*attest.Document) (*chain, error)

func pinned(roots *x509.CertPool) chainBuilder {
	return func(d *attest.Document) (*chain, error) { return buildChain(d, roots) }
}

func verifyLive(b []byte, now time.Time, build chainBuilder) (*Attested, error) {
	if now.IsZero() {
		return nil, fmt.Errorf("%w: no time given", ErrExpired)
	}
	return verify(b, now, build)
}

// verify checks a document; the zero now stands for the document's own time.
func verify(b []byte, now time.Time, build chainBuilder) (*Attested, error) {
	s, err := attest.ParseSigned(b)
	if err != nil {
		return nil, err
	}
	c, err := build(s.Document)
	if err != nil {
		return nil, err
	}
	at, t := now, s.Document.Timestamp
	// A document from at most Skew ahead means that this clock is slow. An expired chain gains
	// nothing: t is later than now.
	if now.IsZero() || (t.After(now) && t.Sub(now) <= Skew) {
		at = t
	}
	if err := c.validAt(t, at); err != nil {
		return nil, err
	}
	if err := checkSignature(s, c.key); err != nil {
		return nil, err
	}
	return &Attested{document: s.Document, digest: digest.Sum(b)}, nil
}

// ReadUserData returns the user data of a genuine document. It wants the fields that the purpose
// allows and no others (SPEC 6), or a document that the enclave made for one purpose would serve
// another. Error: attest.ErrUserData.
func (v *Attested) ReadUserData() (*attest.UserData, error) {
	d := v.document
	u, err := attest.ParseUserData(d.UserData)
	if err != nil {
		return nil, err
	}
	if (d.PublicKey != nil) != (u.Purpose == attest.PurposeKMS) || (d.Nonce != nil) != (u.Purpose == attest.PurposeChallenge) {
		return nil, attest.ErrUserData
	}
	return u, nil
}
