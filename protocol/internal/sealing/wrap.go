package sealing

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/result"
)

// Wrapping says what belongs around a message that an official AWS Encryption SDK made.
type Wrapping struct {
	Policy     []byte         // compiled
	Pins       *appraise.Pins // nil: whether the image is an approved one stays unchecked
	Reply      []byte
	Crosswalk  []byte // nil: none
	Parameters []byte // a parameters message, sealed by the same SDK; nil: none
	Now        time.Time
}

// Wrap writes a job file around the message. It refuses (ErrRefused) what the enclave would refuse
// by what stands in the clear: context, keys, sizes, frames. Whether the message decrypts only the
// enclave can tell.
func (w Wrapping) Wrap(message io.Reader, out io.Writer) (*Sealed, error) {
	pol, err := policy.Parse(w.Policy)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if err := result.CheckPublicKey(w.Reply); err != nil {
		return nil, fmt.Errorf("reply key: %w", err)
	}
	msg, err := envelope.ReadHeader(message, MessageLimits(pol))
	if err != nil {
		return nil, fmt.Errorf("%w: message: %w", ErrRefused, err)
	}
	job, err := w.admit(pol, msg, envelope.ContentRecords, envelope.ContentMessage)
	if err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	if err := w.admitHashes(pol, job); err != nil {
		return nil, err
	}
	header := jobfile.Header{ReplyKey: w.Reply, CrosswalkKey: w.Crosswalk, SealedAt: uint64(w.Now.UnixMilli()), Parameters: w.Parameters}
	rand.Read(header.Nonce[:])
	head, err := header.Encode()
	if err != nil {
		return nil, err
	}
	limit := pol.Limits.JobBytes
	limited := &limitWriter{w: out, left: limit, limit: limit}
	for _, part := range [][]byte{head, msg.Raw()} {
		if _, err := limited.Write(part); err != nil {
			return nil, err
		}
	}
	if err := walkBody(msg, message, limited); err != nil {
		return nil, err
	}
	return &Sealed{Context: msg.Context, MessageID: msg.MessageID, Header: digest.Sum(head), Size: int64(limit - limited.left), OtherKeys: otherKeys(msg, pol, job)}, nil
}

// MessageLimits are the policy's limits of an envelope header.
func MessageLimits(pol *policy.Policy) envelope.Limits {
	return envelope.Limits{MaxKeys: int(min(pol.Limits.EncryptedKeys, 1<<16)), MaxFrameLength: uint32(min(pol.Limits.FrameLength, 1<<32-1))}
}

// admit makes the checks that a message must pass whatever it carries.
func (w Wrapping) admit(pol *policy.Policy, msg *envelope.Header, contentTypes ...string) (*envelope.Job, error) {
	job, err := envelope.ParseContext(msg.Context)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if !slices.Contains(contentTypes, job.ContentType) {
		return nil, fmt.Errorf("%w: anchorhold:content-type is %q, want %s", ErrRefused, job.ContentType, strings.Join(contentTypes, " or "))
	}
	tenant, ok := pol.Tenant(job.Tenant)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: the policy has no tenant %q", ErrRefused, job.Tenant)
	case !tenant.Allows(job.Pipeline):
		return nil, fmt.Errorf("%w: the policy does not allow tenant %s the pipeline %q", ErrRefused, job.Tenant, job.Pipeline)
	case KeyOf(msg, tenant) == "":
		return nil, fmt.Errorf("%w: no encrypted data key is of one of the tenant's KMS keys: expected provider %s and one of %s; "+
			"make it the generator of the SDK's keyring (as a child it needs kms:Encrypt: key-policy --sealers-may-encrypt)",
			ErrRefused, provider, strings.Join(tenant.Keys, ", "))
	case job.Reply != sha256.Sum256(w.Reply):
		return nil, fmt.Errorf("%w: anchorhold:reply is %x, this reply key gives %x", ErrRefused, job.Reply, sha256.Sum256(w.Reply))
	case job.Expired(w.Now):
		return nil, fmt.Errorf("%w: anchorhold:not-after is %s, which is past", ErrRefused, job.NotAfter.Format(day))
	}
	if latest := w.Now.UTC().Truncate(24*time.Hour).AddDate(0, 0, int(min(pol.Limits.NotAfterDays, 36500))); job.NotAfter.After(latest) {
		return nil, fmt.Errorf("%w: anchorhold:not-after is %s, the policy allows at most %s", ErrRefused, job.NotAfter.Format(day), latest.Format(day))
	}
	if err := w.admitImage(job); err != nil {
		return nil, err
	}
	return job, nil
}

// admitImage compares the image with the pins, where there are any.
func (w Wrapping) admitImage(job *envelope.Job) error {
	if w.Pins == nil {
		return nil
	}
	if !w.Now.Before(w.Pins.Expires.AddDate(0, 0, 1)) {
		return fmt.Errorf("%w: the pins expired after %s", ErrRefused, w.Pins.Expires.Format(day))
	}
	for _, image := range w.Pins.Images {
		if image.PCR0 == job.Image {
			return CheckImage(w.Pins, image, w.Policy)
		}
	}
	return fmt.Errorf("%w: anchorhold:image is %s, which the pins do not hold", ErrRefused, job.Image)
}

// admitHashes checks what the context says about the rest of the job file.
func (w Wrapping) admitHashes(pol *policy.Policy, job *envelope.Job) error {
	pipeline, _ := pol.Pipeline(job.Pipeline)
	if !pipeline.Accepts(job.ContentType) {
		return fmt.Errorf("%w: pipeline %s does not take %s", ErrRefused, job.Pipeline, job.ContentType)
	}
	if pipeline.ReferenceDate != "" && job.ReferenceDate != "" && job.ReferenceDate != pipeline.ReferenceDate {
		return fmt.Errorf("%w: anchorhold:reference-date is %s, the policy fixes %s", ErrRefused, job.ReferenceDate, pipeline.ReferenceDate)
	}
	if pipeline.ReferenceDate == "" && job.ReferenceDate == "" {
		return fmt.Errorf("%w: the context lacks %s, and the policy does not fix it", ErrRefused, envelope.KeyReferenceDate)
	}
	if err := sameHash(envelope.KeyCrosswalk, job.Crosswalk, w.Crosswalk); err != nil {
		return err
	}
	if err := sameHash(envelope.KeyParameters, job.Parameters, w.Parameters); err != nil {
		return err
	}
	if w.Parameters == nil {
		return nil
	}
	msg, err := envelope.ReadHeader(bytes.NewReader(w.Parameters), MessageLimits(pol))
	if err != nil {
		return fmt.Errorf("%w: parameters message: %w", ErrRefused, err)
	}
	other, err := w.admit(pol, msg, envelope.ContentParameters)
	if err != nil {
		return fmt.Errorf("parameters message: %w", err)
	}
	if other.Image != job.Image || other.Tenant != job.Tenant || other.Pipeline != job.Pipeline {
		return fmt.Errorf("%w: the parameters message is of another image, tenant or pipeline than the message", ErrRefused)
	}
	return nil
}

// sameHash checks that the context names a part of the job file exactly when there is one.
func sameHash(name string, want *[32]byte, part []byte) error {
	got := sha256.Sum256(part)
	switch {
	case want == nil && part == nil:
		return nil
	case want == nil:
		return fmt.Errorf("%w: the context lacks %s: expected %x", ErrRefused, name, got)
	case part == nil:
		return fmt.Errorf("%w: the context names %s, and none is given", ErrRefused, name)
	case *want != got:
		return fmt.Errorf("%w: %s is %x, what is given hashes to %x", ErrRefused, name, *want, got)
	}
	return nil
}

// otherKeys name the encrypted data keys that are not the tenant's. Who may use one opens the
// message, whatever the tenant's key policy says.
func otherKeys(msg *envelope.Header, pol *policy.Policy, job *envelope.Job) []string {
	tenant, _ := pol.Tenant(job.Tenant) // admit saw it
	var list []string
	for _, k := range msg.Keys {
		if k.Provider != provider || !tenant.HasKey(k.Info) {
			list = append(list, k.Provider+" "+k.Info)
		}
	}
	return list
}

// KeyOf returns the ARN of the encrypted data key that the enclave uses (SPEC 3.2): the first of
// one of the tenant's KMS keys, or "".
func KeyOf(msg *envelope.Header, tenant *policy.Tenant) string {
	for _, k := range msg.Keys {
		if k.Provider == provider && tenant.HasKey(k.Info) {
			return k.Info
		}
	}
	return ""
}
