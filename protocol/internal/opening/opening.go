// Package opening verifies what a parent brought back for a job (design: receipt first, then the
// result), and only then opens it into one file per resource type.
//
// Evidence.Check takes everything that stands outside the sealed result; Accepted.Open decrypts.
// HPKE does not say who sealed a result, the receipt does: there is no way to Open without a Check.
package opening

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
)

// ErrRefused says that verification failed: nothing of the result may be used.
var ErrRefused = errors.New("refused")

// Job is the job file that the owner kept: what the enclave was asked.
type Job struct {
	Header    *jobfile.Header
	Digest    digest.Digest // header digest
	Message   *envelope.Header
	Context   *envelope.Job
	Input     digest.Stream // of the message
	InputSize uint64
}

// ReadJob reads a job file whole and hashes its message, without keeping it.
func ReadJob(r io.Reader, pol *policy.Policy) (*Job, error) {
	header, sum, err := jobfile.ReadHeader(r)
	if err != nil {
		return nil, err
	}
	hash := digest.NewStream()
	size := new(counter)
	message := io.TeeReader(r, io.MultiWriter(hash, size))
	msg, err := envelope.ReadHeader(message, sealing.MessageLimits(pol))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, message); err != nil {
		return nil, err
	}
	parsed, err := envelope.ParseContext(msg.Context)
	if err != nil {
		return nil, err
	}
	return &Job{
		Header: header, Digest: sum, Message: msg, Context: parsed,
		Input: digest.Stream(hash.Sum(nil)), InputSize: uint64(*size),
	}, nil
}

// SealedAt is the owner's clock when the job file was made.
func (j *Job) SealedAt() time.Time { return time.UnixMilli(int64(j.Header.SealedAt)) }

// Evidence is all that is checked before a result is opened.
type Evidence struct {
	Job       *Job
	Receipt   []byte        // receipt file, UNVERIFIED
	Result    io.ReadSeeker // sealed result, UNVERIFIED
	Crosswalk io.ReadSeeker // sealed crosswalk; nil when the job has none

	Policy []byte // compiled, as pinned
	Pins   *appraise.Pins
	Roots  *x509.CertPool
	// AllowNotAWS accepts a policy with test endpoints. Danger: its results prove nothing about
	// AWS.
	AllowNotAWS bool
	Now         time.Time
}

// Accepted is evidence that passed Check. Only Check makes one.
type Accepted struct {
	Receipt *audit.Accepted
	e       Evidence
	policy  *policy.Policy
}

// Check verifies everything outside the sealed result. The error is ErrRefused around the reason,
// or a *audit.Refusal in its tree, which lists the checks that passed before; an error of reading
// the files is returned as it is.
func (e Evidence) Check() (*Accepted, error) {
	pol, err := policy.Parse(e.Policy)
	if err != nil {
		return nil, refuse("policy: %w", err)
	}
	if pol.NotAWS() && !e.AllowNotAWS {
		// Such an enclave would have taken its data key from any host that the parent likes.
		return nil, refuse("the policy trusts test endpoints or roots: NOT AWS")
	}
	if e.Pins == nil {
		return nil, refuse("no pins")
	}
	expect, err := e.expect(pol)
	if err != nil {
		return nil, err
	}
	file, err := receipt.ParseFile(e.Receipt)
	if err != nil {
		return nil, refuse("receipt: %w", err)
	}
	// The chain lives three hours: it is judged at the document's own time, and that time against
	// the job's below.
	verified, err := audit.Verify(file, e.Roots, time.Time{})
	if err != nil {
		return nil, refuse("receipt: %w", err)
	}
	accepted, err := verified.Check(*expect)
	if err != nil {
		return nil, asRefused(err)
	}
	return &Accepted{Receipt: accepted, e: e, policy: pol}, nil
}

// expect gathers what the owner knows; the digests of what the parent brought are computed here.
func (e Evidence) expect(pol *policy.Policy) (*audit.Expect, error) {
	job := e.Job
	tenant, ok := pol.Tenant(job.Context.Tenant)
	if !ok {
		return nil, refuse("the policy has no tenant %q, which the job names", job.Context.Tenant)
	}
	key := sealing.KeyOf(job.Message, tenant)
	if key == "" {
		return nil, refuse("the job holds no data key of one of the tenant's KMS keys")
	}
	output, size, err := sum(e.Result)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	expect := &audit.Expect{
		Pins: e.Pins, Policy: e.Policy, AllowNotAWS: e.AllowNotAWS,
		Image: job.Context.Image, Tenant: job.Context.Tenant, Pipeline: job.Context.Pipeline, Key: key,
		MessageID: job.Message.MessageID, Nonce: job.Header.Nonce, Header: job.Digest,
		Input: job.Input, InputSize: job.InputSize, Output: output, OutputSize: size,
		Reply: sha256.Sum256(job.Header.ReplyKey), ReferenceDate: job.referenceDate(pol),
		SealedAt: job.SealedAt(), Now: e.Now,
	}
	if job.Header.Parameters != nil {
		hash := sha256.Sum256(job.Header.Parameters)
		expect.Parameters = &hash
	}
	if err := e.expectCrosswalk(expect); err != nil {
		return nil, err
	}
	return expect, nil
}

func (e Evidence) expectCrosswalk(expect *audit.Expect) error {
	carries := e.Job.Header.CrosswalkKey != nil
	switch {
	case carries && e.Crosswalk == nil:
		return refuse("the job asked for a crosswalk: its sealed stream is needed too")
	case !carries && e.Crosswalk != nil:
		return refuse("the job asked for no crosswalk")
	case !carries:
		return nil
	}
	output, _, err := sum(e.Crosswalk)
	if err != nil {
		return fmt.Errorf("crosswalk: %w", err)
	}
	expect.Crosswalk = &output
	return nil
}

// referenceDate is the one the job was to be done with: the policy's where it fixes one.
func (j *Job) referenceDate(pol *policy.Policy) string {
	if p, ok := pol.Pipeline(j.Context.Pipeline); ok && p.ReferenceDate != "" {
		return p.ReferenceDate
	}
	return j.Context.ReferenceDate
}

// sum hashes a file from its beginning and leaves it there again.
func sum(r io.ReadSeeker) (digest.Stream, uint64, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return digest.Stream{}, 0, err
	}
	hash := digest.NewStream()
	n, err := io.Copy(hash, r)
	if err != nil {
		return digest.Stream{}, 0, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return digest.Stream{}, 0, err
	}
	return digest.Stream(hash.Sum(nil)), uint64(n), nil
}

// refused is a receipt's refusal as this package's, in fewer words.
type refused struct{ *audit.Refusal }

func (r refused) Error() string        { return fmt.Sprintf("%v: %s: %v", ErrRefused, r.Check, r.Err) }
func (r refused) Is(target error) bool { return target == ErrRefused }
func (r refused) Unwrap() error        { return r.Refusal }

func asRefused(err error) error {
	var r *audit.Refusal
	if errors.As(err, &r) {
		return refused{r}
	}
	return refuse("receipt: %w", err) // unreachable: Check gives nothing else
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}

// counter counts bytes written to it.
type counter uint64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
