package job

import (
	"bytes"
	"crypto/sha256"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/policy"
)

// kmsProvider is the provider id of KMS keys in an envelope (AWS Encryption SDK message format).
const kmsProvider = "aws-kms"

// claims are what a message says about itself, after it was found to fit this enclave and its
// policy. They are authentic only once KMS and the envelope have opened under them; nothing is
// released before.
type claims struct {
	*envelope.Job
	tenant   *policy.Tenant
	pipeline *policy.Pipeline
	key      envelope.EncryptedKey
}

// check compares a message's context with the enclave and its policy: what every message must fit
// (SPEC 3.1 and 3.2). No field of the request can widen what the measured policy gives its tenant.
func (s *Service) check(h *envelope.Header) (*claims, error) {
	job, err := envelope.ParseContext(h.Context)
	if err != nil {
		return nil, code.New(code.ContextInvalid, err)
	}
	if job.Image != s.config.Image.PCR0 {
		return nil, code.New(code.ImageMismatch, nil)
	}
	c := &claims{Job: job}
	var ok bool
	if c.tenant, ok = s.config.Policy.Tenant(job.Tenant); !ok {
		return nil, code.New(code.TenantUnknown, nil)
	}
	if c.pipeline, ok = s.config.Policy.Pipeline(job.Pipeline); !ok || !c.tenant.Allows(job.Pipeline) {
		return nil, code.New(code.PipelineNotAllowed, nil)
	}
	if c.key, ok = pickKey(h.Keys, c.tenant); !ok {
		return nil, code.New(code.KeyNotAllowed, nil)
	}
	return c, s.checkDates(job)
}

// pickKey returns the first encrypted key under a key ARN of the tenant.
func pickKey(keys []envelope.EncryptedKey, tenant *policy.Tenant) (envelope.EncryptedKey, bool) {
	for _, k := range keys {
		if k.Provider == kmsProvider && tenant.HasKey(k.Info) {
			return k, true
		}
	}
	return envelope.EncryptedKey{}, false
}

// checkDates holds not-after to the NSM's clock.
func (s *Service) checkDates(job *envelope.Job) error {
	now := s.config.Now().UTC()
	if job.Expired(now) {
		return code.New(code.Expired, nil)
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	days := min(s.config.Policy.Limits.NotAfterDays, maxDays)
	if job.NotAfter.After(today.AddDate(0, 0, int(days))) {
		return code.New(code.NotAfterTooFar, nil)
	}
	return nil
}

// maxDays keeps the sum of dates in range, whatever the policy says.
const maxDays = 36_500

// checkRecords makes the checks that concern a message of records and its job file.
func (c *claims) checkRecords(file *jobfile.Header) error {
	known := c.ContentType == envelope.ContentRecords || c.ContentType == envelope.ContentMessage
	if !known || !c.pipeline.Accepts(c.ContentType) {
		return code.New(code.ContentTypeUnsupported, nil)
	}
	// The keys in the file are the parent's word until the message, which the owner sealed, names
	// their hashes.
	if sha256.Sum256(file.ReplyKey) != c.Reply {
		return code.New(code.ReplyMismatch, nil)
	}
	if !matches(c.Crosswalk, file.CrosswalkKey) {
		return code.New(code.CrosswalkMismatch, nil)
	}
	switch {
	case c.Parameters != nil && file.Parameters == nil:
		return code.New(code.ParametersMissing, nil)
	case !matches(c.Parameters, file.Parameters):
		return code.New(code.ParametersMismatch, nil)
	}
	return nil
}

// matches reports whether want is the SHA-256 of b, or both are absent.
func matches(want *[32]byte, b []byte) bool {
	if want == nil || len(b) == 0 {
		return want == nil && len(b) == 0
	}
	sum := sha256.Sum256(b)
	return bytes.Equal(sum[:], want[:])
}

// referenceDate returns the day that ages are counted to: the policy's, else the job's.
func (c *claims) referenceDate() (string, error) {
	fixed, asked := c.pipeline.ReferenceDate, c.ReferenceDate
	switch {
	case fixed == "" && asked == "":
		return "", code.New(code.ReferenceDateMissing, nil)
	case fixed == "":
		return asked, nil
	case asked != "" && asked != fixed:
		// the owner would read ages that mean something else
		return "", code.New(code.ContextInvalid, nil)
	default:
		return fixed, nil
	}
}

// checkParameters makes the checks that concern a parameters message p of the job c (SPEC 3.4).
func (c *claims) checkParameters(p *claims) error {
	if p.ContentType != envelope.ContentParameters || p.Image != c.Image || p.Tenant != c.Tenant ||
		p.Pipeline != c.Pipeline || p.Reply != c.Reply || p.Parameters != nil || p.Crosswalk != nil || p.Earlier != 0 {
		return code.New(code.ParametersMismatch, nil)
	}
	return nil
}
