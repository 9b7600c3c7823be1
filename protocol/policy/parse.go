package policy

import (
	"errors"
	"fmt"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
)

const (
	compiledLabel = "anchorhold/v1 policy"

	// maxCompiled bounds a compiled policy. It lies in a ramdisk, so this is about memory and about
	// what a person can review.
	maxCompiled = 8 * miB
)

// compiled is the wire form (SPEC 8).
type compiled struct {
	Label     string     `cbor:"label"`
	Tenants   []Tenant   `cbor:"tenants"`
	Pipelines []Pipeline `cbor:"pipelines"`
	Limits    Limits     `cbor:"limits"`
	Test      *Test      `cbor:"test,omitempty"`
}

var errInvalid = errors.New("invalid policy")

// Parse reads a compiled policy and checks all that policysource.Compile checks: the bytes may come
// from another compiler, and what is measured is the bytes. The error names every fault.
func Parse(b []byte) (*Policy, error) {
	if len(b) > maxCompiled {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", errInvalid, len(b), maxCompiled)
	}
	var c compiled
	if err := canonical.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", errInvalid, err)
	}
	if c.Label != compiledLabel {
		return nil, fmt.Errorf("%w: label is not %q", errInvalid, compiledLabel)
	}
	p := &Policy{Tenants: c.Tenants, Pipelines: c.Pipelines, Limits: c.Limits, Test: c.Test, digest: digest.Sum(b)}
	if faults := p.Faults(); len(faults) > 0 {
		return nil, fmt.Errorf("%w: %w", errInvalid, joinFaults(faults))
	}
	return p, nil
}

// Encode returns the compiled form. It refuses what Parse would refuse: what is measured must be
// what an enclave accepts, or the image would not start.
func (p *Policy) Encode() ([]byte, error) {
	if faults := p.Faults(); len(faults) > 0 {
		return nil, fmt.Errorf("%w: %w", errInvalid, joinFaults(faults))
	}
	b, err := canonical.Marshal(compiled{
		Label: compiledLabel, Tenants: p.Tenants, Pipelines: p.Pipelines, Limits: p.Limits, Test: p.Test,
	})
	if err != nil {
		return nil, err
	}
	if _, err := Parse(b); err != nil {
		return nil, err
	}
	return b, nil
}
