// Package policy holds what an enclave may do: tenants, the KMS keys and pipelines of each, the
// pipelines' rules, and limits (SPEC 8). Parse reads the canonical CBOR that is measured into the
// image and checks everything. The YAML that an author writes, and its compiler, stand in
// policysource: an enclave must not link a YAML reader.
//
// A policy is public and holds no secret. Trusted: who edits it decides whose keys may be used for
// what, which is why its digest is in PCR2 and in every receipt. The zero policy permits nothing
// and does not parse.
package policy

//go:generate go run gen_vectors.go gen_reasons.go

import (
	"slices"

	"anchorhold/protocol/digest"
)

// Policy is a parsed policy. All of it has been validated.
type Policy struct {
	Tenants   []Tenant
	Pipelines []Pipeline
	Limits    Limits
	Test      *Test // nil in production; see NotAWS

	digest digest.Digest // of the compiled bytes
}

// Tenant is one data owner and what its jobs may use.
type Tenant struct {
	Name string `cbor:"name"`
	// Keys are full KMS key ARNs. Trusted: a job of the tenant may be decrypted with any of them.
	Keys []string `cbor:"keys"`
	// Pipelines names pipelines of the policy.
	Pipelines []string `cbor:"pipelines"`
}

// Pipeline is one way to process records.
type Pipeline struct {
	Name string `cbor:"name"`
	// Preset names the preset that Rules were copied from. It is empty for rules of one's own.
	Preset string `cbor:"preset"`
	// Rules are the rules themselves, so that the measured policy is complete. Trusted: they decide
	// what leaves.
	Rules        []byte   `cbor:"rules"`
	ContentTypes []string `cbor:"content_types"`
	// Raise makes one rejected record fail the job. Default: rejected records are counted.
	Raise bool `cbor:"raise"`
	// ReferenceDate is YYYY-MM-DD, or empty when each job gives its own.
	ReferenceDate string `cbor:"reference_date,omitempty"`
}

// Test replaces AWS's endpoint and roots. Danger: a policy with it trusts a KMS that is not AWS's.
type Test struct {
	KMSHost  string `cbor:"kms_host"`  // DNS name that replaces the key's own endpoint
	TLSRoots string `cbor:"tls_roots"` // PEM certificates that replace Amazon's
}

// Digest returns the policy digest (SPEC 8): SHA-384 of the compiled bytes that Parse was given.
func (p *Policy) Digest() digest.Digest { return p.digest }

// Digest returns the policy digest of compiled bytes without looking into them.
func Digest(compiled []byte) digest.Digest { return digest.Sum(compiled) }

// NotAWS reports whether the policy replaces AWS's endpoint or roots. Every tool must show it.
func (p *Policy) NotAWS() bool { return p.Test != nil }

// Tenant returns the tenant of that name.
func (p *Policy) Tenant(name string) (*Tenant, bool) {
	for i := range p.Tenants {
		if p.Tenants[i].Name == name {
			return &p.Tenants[i], true
		}
	}
	return nil, false
}

// Pipeline returns the pipeline of that name. Whether a tenant may use it: see Tenant.Allows.
func (p *Policy) Pipeline(name string) (*Pipeline, bool) {
	for i := range p.Pipelines {
		if p.Pipelines[i].Name == name {
			return &p.Pipelines[i], true
		}
	}
	return nil, false
}

// Allows reports whether the tenant may use the pipeline of that name.
func (t *Tenant) Allows(pipeline string) bool { return slices.Contains(t.Pipelines, pipeline) }

// HasKey reports whether the ARN is one of the tenant's keys, byte for byte.
func (t *Tenant) HasKey(arn string) bool { return slices.Contains(t.Keys, arn) }

// Accepts reports whether the pipeline takes records of this content type.
func (p *Pipeline) Accepts(contentType string) bool {
	return slices.Contains(p.ContentTypes, contentType)
}
