// Package sealing makes job files on the data owner's side: Plan.Check compares what is asked with
// pins and policy before any key exists, Approved.Seal then encrypts records (SPEC 3 and 4). Wrap
// makes a job file around a message of an official AWS Encryption SDK.
//
// The checks protect the owner from a wrong or stale image. They protect nobody from the parent:
// that is the key policy's work, which sees the same encryption context.
package sealing

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/result"
)

// ErrRefused says that pins or policy do not permit what is asked.
var ErrRefused = errors.New("refused")

// ErrUnclear says that the caller must choose: policy or pins leave more than one possibility.
var ErrUnclear = errors.New("unclear")

// defaultDays is how long a job can be decrypted unless the owner says otherwise or the policy
// permits less.
const defaultDays = 7

const day = "2006-01-02"

// Plan says what is to be sealed for whom. Names left empty are filled in where policy or pins hold
// exactly one.
type Plan struct {
	Policy []byte         // compiled
	Pins   *appraise.Pins // the images that the owner accepts
	Image  string         // name in the pins

	Tenant, Pipeline, Key string

	ContentType string // of the records; empty: envelope.ContentRecords

	Reply     []byte // public key that the result is sealed to
	Crosswalk []byte // public key of the crosswalk stream, or nil

	// Earlier is the crosswalk of an earlier job, of EarlierSize bytes, whose surrogates are to
	// stay; nil or of no bytes: none.
	Earlier     io.Reader
	EarlierSize int64

	NotAfter      string // YYYY-MM-DD; empty: the policy's longest, at most 7 days
	ReferenceDate string // YYYY-MM-DD; empty: today, where the policy does not fix it

	// of the envelope; zero: the package's default, at most the policy's
	FrameLength uint32
	Parameters  map[string][]byte // sealed as the parameters message; nil: none
	Now         time.Time
}

// Approved is a plan that passed Check. Only Check makes one.
type Approved struct {
	Policy *policy.Policy
	Image  appraise.Image
	Job    envelope.Job // without the hash of the parameters message, which does not exist yet
	Key    string

	plan     Plan
	frame    uint32
	notAWS   bool
	pipeline *policy.Pipeline
}

// NotAWS reports whether the policy replaces AWS's endpoint or roots: the caller must say so.
func (a *Approved) NotAWS() bool { return a.notAWS }

// Check compares the plan with pins and policy. Errors: ErrRefused, ErrUnclear, or the fault of the
// input.
func (p Plan) Check() (*Approved, error) {
	pol, err := policy.Parse(p.Policy)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	a := &Approved{Policy: pol, plan: p, notAWS: pol.NotAWS()}
	for _, step := range []func() error{a.chooseImage, a.chooseTenant, a.chooseDates, a.chooseFrame, a.checkKeys} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// chooseImage finds the approved image in the pins and ties it to the policy.
func (a *Approved) chooseImage() error {
	pins := a.plan.Pins
	if pins == nil || len(pins.Images) == 0 {
		return fmt.Errorf("%w: the pins name no image", ErrRefused)
	}
	if !a.plan.Now.Before(pins.Expires.AddDate(0, 0, 1)) {
		return fmt.Errorf("%w: the pins expired after %s: get those of a current release", ErrRefused, pins.Expires.Format(day))
	}
	var names []string
	found := 0
	for _, image := range pins.Images {
		names = append(names, image.Name)
		if image.Name == a.plan.Image || a.plan.Image == "" {
			a.Image = image
			found++
		}
	}
	switch {
	case found == 0:
		return fmt.Errorf("%w: the pins hold no image %q: expected one of %s", ErrUnclear, a.plan.Image, strings.Join(names, ", "))
	case found > 1:
		return fmt.Errorf("%w: the pins hold %d images: choose one of %s", ErrUnclear, found, strings.Join(names, ", "))
	}
	return CheckImage(pins, a.Image, a.plan.Policy)
}

// CheckImage recomputes PCR2 from the policy where the layout permits it (SPEC 10.1): pins of
// another policy's image would approve other rules than those in hand.
func CheckImage(pins *appraise.Pins, image appraise.Image, compiled []byte) error {
	if image.PCR0.IsZero() || image.PCR1.IsZero() || image.PCR2.IsZero() {
		return fmt.Errorf("%w: image %q is pinned to a debug enclave (a zero PCR)", ErrRefused, image.Name)
	}
	if pins.Layout != appraise.LayoutAnchorhold {
		return nil
	}
	if want := measure.PolicyPCR2(compiled); image.PCR2 != want {
		return fmt.Errorf("%w: image %q was built with another policy: its pcr2 is %s, this policy gives %s", ErrRefused, image.Name, image.PCR2, want)
	}
	return nil
}

// chooseTenant settles tenant, key and pipeline, each of which the policy must tie to the others.
func (a *Approved) chooseTenant() error {
	var names []string
	for _, t := range a.Policy.Tenants {
		names = append(names, t.Name)
	}
	name, err := choose("tenant", a.plan.Tenant, names)
	if err != nil {
		return err
	}
	tenant, _ := a.Policy.Tenant(name)
	if a.Key, err = choose("key", a.plan.Key, tenant.Keys); err != nil {
		return fmt.Errorf("tenant %s: %w", name, err)
	}
	pipeline, err := choose("pipeline", a.plan.Pipeline, tenant.Pipelines)
	if err != nil {
		return fmt.Errorf("tenant %s: %w", name, err)
	}
	a.pipeline, _ = a.Policy.Pipeline(pipeline)
	content := cmp.Or(a.plan.ContentType, envelope.ContentRecords)
	if !a.pipeline.Accepts(content) {
		return fmt.Errorf("%w: pipeline %s takes %s, not %s", ErrRefused, pipeline, strings.Join(a.pipeline.ContentTypes, ", "), content)
	}
	a.Job.Image, a.Job.Tenant, a.Job.Pipeline, a.Job.ContentType = a.Image.PCR0, name, pipeline, content
	return nil
}

// choose returns the asked one of the allowed, or the only one.
func choose(what, asked string, allowed []string) (string, error) {
	if asked == "" {
		if len(allowed) == 1 {
			return allowed[0], nil
		}
		return "", fmt.Errorf("%w: the policy allows several: choose a %s of %s", ErrUnclear, what, strings.Join(allowed, ", "))
	}
	for _, name := range allowed {
		if name == asked {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w: the policy does not allow %s %q: expected one of %s", ErrRefused, what, asked, strings.Join(allowed, ", "))
}

// chooseDates settles the last day and the day that ages are counted to.
func (a *Approved) chooseDates() error {
	today := a.plan.Now.UTC().Truncate(24 * time.Hour)
	days := int(min(a.Policy.Limits.NotAfterDays, 36500))
	a.Job.NotAfter = today.AddDate(0, 0, min(days, defaultDays))
	if a.plan.NotAfter != "" {
		t, err := time.Parse(day, a.plan.NotAfter)
		if err != nil {
			return fmt.Errorf("%w: not-after is %q, expected YYYY-MM-DD", ErrUnclear, a.plan.NotAfter)
		}
		if latest := today.AddDate(0, 0, days); t.After(latest) || t.Before(today) {
			return fmt.Errorf("%w: not-after is %s, the policy allows %s to %s", ErrRefused, a.plan.NotAfter, today.Format(day), latest.Format(day))
		}
		a.Job.NotAfter = t
	}
	fixed := a.pipeline.ReferenceDate
	switch asked := a.plan.ReferenceDate; {
	case fixed != "" && asked != "" && asked != fixed:
		return fmt.Errorf("%w: reference date is %s, the policy fixes %s", ErrRefused, asked, fixed)
	case fixed != "":
	case asked == "":
		a.Job.ReferenceDate = today.Format(day)
	default:
		if _, err := time.Parse(day, asked); err != nil {
			return fmt.Errorf("%w: reference date is %q, expected YYYY-MM-DD", ErrUnclear, asked)
		}
		a.Job.ReferenceDate = asked
	}
	return nil
}

// ReferenceDate is the day that ages are counted to, from the policy or the job.
func (a *Approved) ReferenceDate() string {
	if a.pipeline.ReferenceDate != "" {
		return a.pipeline.ReferenceDate
	}
	return a.Job.ReferenceDate
}

// chooseFrame keeps to the policy's frame length: the enclave refuses longer frames unread.
func (a *Approved) chooseFrame() error {
	limit := a.Policy.Limits.FrameLength
	if a.plan.FrameLength == 0 {
		a.frame = uint32(min(limit, envelope.DefaultFrameLength))
		return nil
	}
	if uint64(a.plan.FrameLength) > limit {
		return fmt.Errorf("%w: frame length is %d, the policy allows at most %d", ErrRefused, a.plan.FrameLength, limit)
	}
	a.frame = a.plan.FrameLength
	return nil
}

// checkKeys checks the public keys and puts their hashes into the context.
func (a *Approved) checkKeys() error {
	if err := result.CheckPublicKey(a.plan.Reply); err != nil {
		return fmt.Errorf("reply key: %w", err)
	}
	a.Job.Reply = sha256.Sum256(a.plan.Reply)
	if a.plan.Crosswalk == nil {
		return nil
	}
	if err := result.CheckPublicKey(a.plan.Crosswalk); err != nil {
		return fmt.Errorf("crosswalk key: %w", err)
	}
	hash := sha256.Sum256(a.plan.Crosswalk)
	a.Job.Crosswalk = &hash
	return nil
}

// PolicyDigest is the digest that receipts must name.
func (a *Approved) PolicyDigest() digest.Digest { return a.Policy.Digest() }
