// Package policy holds what an enclave may do: tenants, the KMS keys and pipelines of each, the pipelines' rules, and limits
// (SPEC 8). An author writes YAML, CompileYAML makes the canonical CBOR that is measured into the image, Parse reads that back
// and checks everything again.
//
// A policy is public and holds no secret. Trusted: who edits it decides whose keys may be used for what, which is why its
// digest is in PCR2 and in every receipt. The zero policy permits nothing and does not parse.
package policy

import "anchorhold/protocol/digest"

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
	Name      string
	Keys      []string // full KMS key ARNs
	Pipelines []string // names of pipelines that exist in the policy
}

// Pipeline is one way to process records.
type Pipeline struct {
	Name          string
	Preset        string // name of the preset that Rules were copied from; empty for rules of one's own
	Rules         []byte // the rules themselves, so that the measured policy is complete
	ContentTypes  []string
	Raise         bool   // true: one rejected record fails the job; false: it is counted
	ReferenceDate string // YYYY-MM-DD, or empty when each job gives its own
}

// Limits bounds the work of one enclave. Each is at least 1.
type Limits struct {
	JobBytes       uint64 // bytes of a job file
	RecordBytes    uint64 // bytes of one record
	Records        uint64 // records in a job
	Identifiers    uint64 // distinct identifiers in a job, which are held in memory
	Nesting        uint64 // JSON depth
	FrameLength    uint64 // largest frame length of an envelope
	EncryptedKeys  uint64 // encrypted data keys in an envelope
	NotAfterDays   uint64 // anchorhold:not-after lies at most so many days ahead
	Replays        uint64 // decryptions of one message id by one boot
	ConcurrentJobs uint64 // jobs at once in one enclave
	JobSeconds     uint64 // time for one job
}

// Test replaces AWS's endpoint and roots. Danger: a policy with it trusts a KMS that is not AWS's.
type Test struct {
	KMSHost  string // DNS name
	TLSRoots string // PEM certificates
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
func (t *Tenant) Allows(pipeline string) bool { return contains(t.Pipelines, pipeline) }

// HasKey reports whether the ARN is one of the tenant's keys, byte for byte.
func (t *Tenant) HasKey(arn string) bool { return contains(t.Keys, arn) }

// Accepts reports whether the pipeline takes records of this content type.
func (p *Pipeline) Accepts(contentType string) bool { return contains(p.ContentTypes, contentType) }

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
