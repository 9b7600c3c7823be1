package audit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
)

// Refusals of Check, besides those of appraise: each names the one thing that is not as expected.
var (
	ErrExpect     = errors.New("incomplete expectation")
	ErrFailed     = errors.New("the job failed: this is no receipt")
	ErrPolicy     = errors.New("the policy is unusable")
	ErrNotAWS     = errors.New("the policy is NOT AWS: it replaces AWS's endpoint or roots")
	ErrImage      = errors.New("not the image that the job was sealed to")
	ErrTenant     = errors.New("another tenant")
	ErrPipeline   = errors.New("another pipeline")
	ErrKey        = errors.New("another key")
	ErrMessage    = errors.New("another message")
	ErrNonce      = errors.New("another nonce: the receipt of another submission")
	ErrHeader     = errors.New("another job header")
	ErrInput      = errors.New("another input")
	ErrOutput     = errors.New("another result")
	ErrReply      = errors.New("another reply key")
	ErrParameters = errors.New("other parameters")
	ErrCrosswalk  = errors.New("another crosswalk")
	ErrReference  = errors.New("another reference date")
)

// Expect is what the owner knows of the job. The zero value denies: every field is required unless
// it says otherwise.
type Expect struct {
	Pins *appraise.Pins
	// compiled policy, as the owner keeps it; never the one that the parent serves
	Policy      []byte
	AllowNotAWS bool // Danger: accepts a policy with test endpoints; never for real records

	Image    digest.Digest // anchorhold:image of the context
	Tenant   string
	Pipeline string
	// ARN of the only key sealed to; empty: any that the policy gives the tenant
	Key           string
	MessageID     [32]byte
	Nonce         [32]byte
	Header        digest.Digest
	Input         digest.Stream
	InputSize     uint64 // 0: the digest alone decides
	Output        digest.Stream
	OutputSize    uint64 // 0: the digest alone decides
	Reply         [32]byte
	Parameters    *[32]byte      // nil: the job carries none
	Crosswalk     *digest.Stream // nil: no crosswalk was asked for
	ReferenceDate string         // empty: as the pipeline has it
	// by the owner's clock; neither document nor job may be older, but for appraise.Skew
	SealedAt time.Time
	// judges pins and future; to judge an archived receipt, a time of then
	Now time.Time
}

// CheckLine is one check that passed, for a person.
type CheckLine struct{ Name, Detail string }

// Accepted is a receipt that is all the owner expects: the result may be opened.
type Accepted struct {
	Leaf  *receipt.Leaf
	Image appraise.Image
	Lines []CheckLine
}

// Refusal tells which check refused and which had passed before it.
type Refusal struct {
	Check  string
	Err    error // one of the sentinels of receipt, appraise or attest is in its tree
	Passed []CheckLine
}

func (r *Refusal) Error() string { return "receipt refused: " + r.Check + ": " + r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// step is one check: a detail for the person, or the reason to refuse.
type step struct {
	name string
	run  func() (string, error)
}

// Check does every check that must pass before the owner opens a result; HPKE does not say who
// sealed, this does. The error is always a *Refusal.
func (v *Verified) Check(e Expect) (*Accepted, error) {
	c := &checker{v: v, e: e}
	if err := e.validate(); err != nil {
		return nil, &Refusal{Check: "expectation", Err: err}
	}
	var lines []CheckLine
	for _, s := range c.steps() {
		detail, err := s.run()
		if err != nil {
			return nil, &Refusal{Check: s.name, Err: err, Passed: lines}
		}
		lines = append(lines, CheckLine{Name: s.name, Detail: detail})
	}
	return &Accepted{Leaf: v.Leaf, Image: c.image, Lines: lines}, nil
}

// checker carries what earlier steps found to later ones.
type checker struct {
	v      *Verified
	e      Expect
	policy *policy.Policy
	image  appraise.Image
}

// steps are in order: a later one may rely on those before it.
func (c *checker) steps() []step {
	return []step{
		{"document", c.document},
		{"job", c.job},
		{"policy", c.checkPolicy},
		{"measurements", c.measurements},
		{"image", func() (string, error) { return equal(c.v.Leaf.Image, c.e.Image, ErrImage) }},
		{"tenant", c.tenant},
		{"pipeline", c.pipeline},
		{"key", c.key},
		{"nonce", func() (string, error) { return same(c.v.Leaf.Nonce, c.e.Nonce, ErrNonce) }},
		{"message", func() (string, error) { return same(c.v.Leaf.MessageID, c.e.MessageID, ErrMessage) }},
		{"header", func() (string, error) { return equal(c.v.Leaf.Header, c.e.Header, ErrHeader) }},
		{"input", func() (string, error) {
			return sized(c.v.Leaf.Input, c.e.Input, c.v.Leaf.InputSize, c.e.InputSize, ErrInput)
		}},
		{"result", func() (string, error) {
			return sized(c.v.Leaf.Output, c.e.Output, c.v.Leaf.OutputSize, c.e.OutputSize, ErrOutput)
		}},
		{"reply key", func() (string, error) { return same(c.v.Leaf.Reply, c.e.Reply, ErrReply) }},
		{"parameters", c.parameters},
		{"crosswalk", c.crosswalk},
		{"reference date", c.referenceDate},
		{"time", c.time},
	}
}

// validate refuses an expectation with a hole in it: what nobody expects would pass unchecked.
func (e Expect) validate() error {
	var zero [32]byte
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"pins", e.Pins == nil},
		{"policy", len(e.Policy) == 0},
		{"image", e.Image.IsZero()},
		{"tenant", e.Tenant == ""},
		{"pipeline", e.Pipeline == ""},
		{"message id", e.MessageID == zero},
		{"nonce", e.Nonce == zero},
		{"header", e.Header.IsZero()},
		{"input", e.Input.IsZero()},
		{"output", e.Output.IsZero()},
		{"reply", e.Reply == zero},
		{"sealing time", e.SealedAt.IsZero()},
		{"time", e.Now.IsZero()},
	} {
		if f.missing {
			return fmt.Errorf("%w: no %s", ErrExpect, f.name)
		}
	}
	return nil
}

func (c *checker) document() (string, error) {
	d := c.v.Attested.Document()
	detail := fmt.Sprintf("signed by the hypervisor for %s at %s", d.ModuleID, d.Timestamp.Format(time.RFC3339))
	if d.Ignored > 0 {
		detail += ", ignored: " + d.IgnoredText()
	}
	return detail, nil
}

func (c *checker) job() (string, error) {
	switch {
	case c.v.Failure != nil:
		return "", fmt.Errorf("%w (%s)", ErrFailed, c.v.Failure.Code)
	case c.v.Leaf == nil:
		return "", ErrFailed // unreachable: File.Verify sets one
	}
	return fmt.Sprintf("succeeded, leaf %d of boot %x", c.v.Leaf.Sequence, c.v.UserData.Boot), nil
}

func (c *checker) checkPolicy() (string, error) {
	p, err := policy.Parse(c.e.Policy)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	c.policy = p
	if !p.NotAWS() {
		return p.Digest().String(), nil
	}
	if !c.e.AllowNotAWS {
		return "", ErrNotAWS
	}
	return "NOT AWS, allowed for tests: " + p.Digest().String(), nil
}

func (c *checker) measurements() (string, error) {
	a, err := appraise.Check(c.v.Attested, appraise.Want{
		Pins: c.e.Pins, Policy: c.e.Policy, MaxAge: appraise.AnyAge, Now: c.e.Now, NotBefore: c.e.notBefore(),
	})
	if err != nil {
		return "", err
	}
	c.image = a.Image
	bound := "and pcr2 is that of the policy"
	if c.e.Pins.Layout == appraise.LayoutNitroCLI {
		bound = "and the pinned program names the policy"
	}
	return fmt.Sprintf("pcr0, pcr1 and pcr2 are those of %s, %s", a.Image.Name, bound), nil
}

// notBefore allows for an owner's clock that is ahead. Nothing old passes by that: the nonce is of
// this job file.
func (e Expect) notBefore() time.Time { return e.SealedAt.Add(-appraise.Skew) }

func (c *checker) tenant() (string, error) {
	if _, known := c.policy.Tenant(c.e.Tenant); !known || c.v.Leaf.Tenant != c.e.Tenant {
		return "", ErrTenant
	}
	return c.e.Tenant, nil
}

func (c *checker) pipeline() (string, error) {
	t, _ := c.policy.Tenant(c.e.Tenant)
	if c.v.Leaf.Pipeline != c.e.Pipeline || !t.Allows(c.e.Pipeline) {
		return "", ErrPipeline
	}
	return c.e.Pipeline, nil
}

func (c *checker) key() (string, error) {
	t, _ := c.policy.Tenant(c.e.Tenant)
	if !t.HasKey(c.v.Leaf.Key) || (c.e.Key != "" && c.v.Leaf.Key != c.e.Key) {
		return "", ErrKey
	}
	return c.v.Leaf.Key + ", KMS requests " + strings.Join(c.v.Leaf.KMSRequests, " "), nil
}

func (c *checker) parameters() (string, error) {
	got, want := c.v.Leaf.Parameters, c.e.Parameters
	switch {
	case got == nil && want == nil:
		return "none", nil
	case got == nil || want == nil:
		return "", ErrParameters
	}
	return same(*got, *want, ErrParameters)
}

func (c *checker) crosswalk() (string, error) {
	got, want := c.v.Leaf.Crosswalk, c.e.Crosswalk
	switch {
	case got == nil && want == nil:
		return "none", nil
	case got == nil || want == nil:
		return "", ErrCrosswalk
	}
	return same(*got, *want, ErrCrosswalk)
}

func (c *checker) referenceDate() (string, error) {
	got := c.v.Leaf.ReferenceDate
	if p, ok := c.policy.Pipeline(c.e.Pipeline); ok && p.ReferenceDate != "" && got != p.ReferenceDate {
		return "", ErrReference
	}
	if c.e.ReferenceDate != "" && got != c.e.ReferenceDate {
		return "", ErrReference
	}
	if got == "" {
		return "none", nil
	}
	return got, nil
}

func (c *checker) time() (string, error) {
	// The document's own time was judged with the measurements. A leaf of a job that began before
	// sealing is of another job.
	if c.v.Leaf.Finished.Before(c.e.notBefore()) {
		return "", appraise.ErrTooEarly
	}
	return fmt.Sprintf("sealed %s by your clock, finished %s", c.e.SealedAt.UTC().Format(time.RFC3339), c.v.Leaf.Finished.Format(time.RFC3339)), nil
}

func equal(got, want digest.Digest, refuse error) (string, error) {
	if got != want {
		return "", refuse
	}
	return got.String(), nil
}

func same(got, want [32]byte, refuse error) (string, error) {
	if got != want {
		return "", refuse
	}
	return fmt.Sprintf("%x", got), nil
}

func sized(got, want digest.Stream, size, wantSize uint64, refuse error) (string, error) {
	if wantSize != 0 && size != wantSize {
		return "", refuse
	}
	text, err := same(got, want, refuse)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d bytes", text, size), nil
}
