// Package appraise judges whether a genuine attestation document is of an image, policy and moment that one accepts.
// Whether the document is genuine: see attest.
package appraise

import (
	"errors"
	"math"
	"time"

	"anchorhold/protocol/attest"
)

// Refusals, each for one kind of fault; test with errors.Is.
var (
	ErrPins        = errors.New("malformed pins")
	ErrNoPins      = errors.New("no image is pinned")
	ErrPinsExpired = errors.New("pins have expired")
	ErrWant        = errors.New("incomplete expectation")
	ErrDebug       = errors.New("debug enclave")
	ErrImage       = errors.New("image is not pinned")
	ErrPolicy      = errors.New("policy is not the pinned one")
	ErrUserData    = errors.New("user data does not fit the document")
	ErrNonce       = errors.New("nonce is not the expected one")
	ErrStale       = errors.New("document is too old")
	ErrFuture      = errors.New("document is from the future")
	ErrTooEarly    = errors.New("document is from before the expected time")
)

// AnyAge as Want.MaxAge accepts a document of any age: for archived receipts.
const AnyAge time.Duration = math.MaxInt64

// Want says what is acceptable. The zero value denies.
type Want struct {
	Pins          *Pins         // required
	Policy        []byte        // compiled policy; required unless WithoutPolicy
	WithoutPolicy bool          // compares PCRs only: the caller must tell the person that the policy is unchecked
	Nonce         []byte        // nil: not compared, and age alone speaks for freshness
	MaxAge        time.Duration // required; AnyAge for archived documents
	Now           time.Time     // required: judges pins expiry, age and future
	NotBefore     time.Time     // zero: no lower bound
}

// Appraisal is what an acceptable document was accepted as.
type Appraisal struct {
	Image    Image            // the pins entry that fits
	Document attest.Document  // copy
	UserData *attest.UserData // nil only with Want.WithoutPolicy and foreign user data
}

// Check accepts a genuine document that is as wanted.
func Check(v *attest.Verified, w Want) (*Appraisal, error) { return nil, ErrWant }
