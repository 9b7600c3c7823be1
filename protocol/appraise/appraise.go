// Package appraise judges whether a genuine attestation document is of an image, a policy and a
// moment that one accepts. Check is the main call; pins are those of SPEC 10.1. Whether the
// document is genuine: see attest.
package appraise

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/verify"
)

// Refusals, each for one kind of fault; test with errors.Is.
var (
	ErrPins        = errors.New("malformed pins")
	ErrNoPins      = errors.New("no image is pinned")
	ErrPinsExpired = errors.New("pins have expired")
	ErrWant        = errors.New("incomplete expectation")
	ErrDebug       = errors.New("debug enclave: pcr0, pcr1 or pcr2 is zero")
	ErrImage       = errors.New("image is not pinned")
	ErrPolicy      = errors.New("policy is not the expected one")
	ErrUserData    = errors.New("user data does not fit the document")
	ErrNonce       = errors.New("nonce is not the expected one")
	ErrStale       = errors.New("document is too old")
	ErrFuture      = errors.New("document is from the future")
	ErrTooEarly    = errors.New("document is from before the expected time")
)

const (
	// AnyAge as Want.MaxAge accepts a document of any age: for archived receipts.
	AnyAge time.Duration = math.MaxInt64

	// Skew is how far two honest clocks may disagree.
	Skew = verify.Skew

	day24 = 24 * time.Hour
)

// Want says what is acceptable. The zero value denies.
type Want struct {
	Pins   *Pins  // required
	Policy []byte // compiled policy; required unless WithoutPolicy
	// Danger: compares PCRs only; the caller tells the person that the policy is unchecked
	WithoutPolicy bool
	Nonce         []byte        // nil: not compared, and age alone speaks for freshness
	MaxAge        time.Duration // required; AnyAge for archived documents
	Now           time.Time     // required: judges expiry of pins, age and future
	// zero: no lower bound. Without skew: whoever allows some subtracts it
	NotBefore time.Time
}

// Appraisal is what an acceptable document was accepted as.
type Appraisal struct {
	Image    Image           // the pins entry that fits
	Document attest.Document // a copy
	// nil only with Want.WithoutPolicy and user data that is not Anchorhold's
	UserData *attest.UserData
}

// Check accepts a genuine document that is as wanted. Each refusal is one of this package's errors.
func Check(v *verify.Attested, w Want) (*Appraisal, error) {
	if v == nil {
		return nil, fmt.Errorf("%w: no document", ErrWant)
	}
	if err := w.validate(); err != nil {
		return nil, err
	}
	a := &Appraisal{Document: v.Document()}
	if err := a.checkImage(w.Pins); err != nil {
		return nil, err
	}
	if err := a.checkPolicy(v, w); err != nil {
		return nil, err
	}
	// Constant time, so that answers cannot be used to guess a nonce; equal lengths are no secret.
	if w.Nonce != nil && subtle.ConstantTimeCompare(a.Document.Nonce, w.Nonce) != 1 {
		return nil, ErrNonce
	}
	if err := checkTime(a.Document.Timestamp, w); err != nil {
		return nil, err
	}
	return a, nil
}

// validate refuses an expectation that would accept too much because somebody forgot a field.
func (w Want) validate() error {
	switch {
	case w.Pins == nil:
		return ErrNoPins
	case w.Now.IsZero():
		return fmt.Errorf("%w: no time", ErrWant)
	case w.MaxAge <= 0:
		return fmt.Errorf("%w: no greatest age", ErrWant)
	case len(w.Policy) == 0 && !w.WithoutPolicy:
		return fmt.Errorf("%w: no policy", ErrWant)
	case w.Nonce != nil && len(w.Nonce) == 0:
		return fmt.Errorf("%w: empty nonce", ErrWant) // it would match a document without any
	}
	if err := w.Pins.Validate(); err != nil {
		return err
	}
	if !w.Now.Before(w.Pins.Expires.Add(day24)) {
		return fmt.Errorf("%w on %s", ErrPinsExpired, w.Pins.Expires.Format(dayForm))
	}
	return nil
}

// checkImage finds the pins entry all of whose registers are the document's: never PCR0 of one and
// PCR1 of another.
func (a *Appraisal) checkImage(p *Pins) error {
	if a.Document.Debug() {
		return ErrDebug
	}
	for _, i := range p.Images {
		if i.fits(&a.Document) {
			a.Image = i
			return nil
		}
	}
	pcr0, _ := a.Document.PCR(0)
	return fmt.Errorf("%w: pcr0 is %s", ErrImage, pcr0)
}

func (i *Image) fits(d *attest.Document) bool {
	for index, want := range map[int]*digest.Digest{0: &i.PCR0, 1: &i.PCR1, 2: &i.PCR2, 3: i.PCR3, 4: i.PCR4, 8: i.PCR8} {
		if want == nil {
			continue
		}
		if got, ok := d.PCR(index); !ok || got != *want {
			return false
		}
	}
	return true
}

// checkPolicy ties the policy to what the hypervisor measured.
func (a *Appraisal) checkPolicy(v *verify.Attested, w Want) error {
	u, err := v.ReadUserData()
	if len(w.Policy) == 0 {
		a.UserData = u // as far as there is any
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUserData, err)
	}
	if want := digest.Sum(w.Policy); u.Policy != want {
		return fmt.Errorf("%w: its digest is %s, want %s", ErrPolicy, u.Policy, want)
	}
	// In layout nitro-cli the user data is the program's word, good because PCR0 to PCR2 are. In
	// ours the hypervisor's measurement of the policy alone is recomputed, so bytes cannot be
	// shifted between the ramdisks.
	if want := measure.PolicyPCR2(w.Policy); w.Pins.Layout == LayoutAnchorhold && a.Image.PCR2 != want {
		return fmt.Errorf("%w: pcr2 is %s, want %s", ErrPolicy, a.Image.PCR2, want)
	}
	a.UserData = u
	return nil
}

func checkTime(t time.Time, w Want) error {
	switch {
	case t.After(w.Now.Add(Skew)):
		return fmt.Errorf("%w: %s", ErrFuture, t.Format(time.RFC3339))
	case w.MaxAge != AnyAge && w.Now.Sub(t) > w.MaxAge:
		return fmt.Errorf("%w: %s", ErrStale, t.Format(time.RFC3339))
	case !w.NotBefore.IsZero() && t.Before(w.NotBefore):
		return fmt.Errorf("%w: %s", ErrTooEarly, t.Format(time.RFC3339))
	}
	return nil
}
