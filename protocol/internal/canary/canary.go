// Package canary tries, with the credentials of the parent's role, every way to a data key that
// leads around attestation, and says whether the key policy refuses each. The main calls are
// [CheckCaller] and [Target.Attempts].
//
// Refusals prove something only if the enclave does open the ciphertext, which the caller shows in
// the same run; if the credentials are the role's; and if AWS names the key policy as what refuses.
// A refusal for want of an IAM permission would end with that permission, which whoever administers
// the role can give: such an attempt is inconclusive, and so is one whose reason is not known.
//
// No attempt changes anything, also where it succeeds: a grant is asked for by a dry run, and the
// policies that come with PutKeyPolicy and ReplicateKey would lock their author out, which KMS
// never accepts. What cannot be tried without harm is not tried: disabling the key, scheduling its
// deletion, importing or deleting material, revoking grants. The linter judges these from the
// policy.
package canary

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
)

// A Target is what the attempts are made on.
type Target struct {
	Client     *kms.Client
	Key        string            // ARN
	Ciphertext []byte            // a data key that the enclave opens
	Context    map[string]string // its encryption context
	Role       string            // ARN of the parent's role: a grant is tried for it
	// ARN of a key that the role may encrypt under; empty: re-encryption goes to Key
	OwnKey string
	// a genuine attestation document of the enclave, without a public key
	Document []byte
	Refused  [][]byte // further documents that must not open, each with a public key
}

// Verdict says how an attempt ended.
type Verdict string

// Verdicts.
const (
	Refused Verdict = "refused" // as it should be
	// refused, and not known to be by the key policy: proves nothing
	Inconclusive Verdict = "inconclusive"
	// refused for another reason than expected: the next attempt may succeed
	Odd  Verdict = "odd"
	Open Verdict = "OPEN" // it succeeded: alarm
)

// order are the verdicts, worst last.
var order = []Verdict{Refused, Inconclusive, Odd, Open}

// An Outcome is one attempt and how it ended.
type Outcome struct {
	Attempt string  `json:"attempt"`
	Verdict Verdict `json:"verdict"`
	Code    string  `json:"code,omitempty"` // KMS's exception
	// whose policy refused, when the code is AccessDeniedException
	By   string   `json:"by,omitempty"`
	Want []string `json:"want"`
}

// An attempt is one request; it returns nil when KMS granted it.
type attempt struct {
	name string
	want []string // codes of refusal
	do   func(context.Context) error
}

// granted are answers that KMS gives to who is authorized, in place of doing it: to a dry run, and
// to a policy that locks its author out.
var granted = []string{"DryRunOperationException", "MalformedPolicyDocumentException"}

const accessDenied = "AccessDeniedException"

var (
	// denied is what the key policy does.
	denied = []string{accessDenied}
	// unproven is what KMS says to documents that it does not accept; AWS does not document the
	// code.
	unproven = []string{accessDenied, "ValidationException", "InvalidParameterException"}
)

// Attempts makes all attempts, one after the other, and returns how each ended. The error is that
// of ctx.
func (t *Target) Attempts(ctx context.Context) ([]Outcome, error) {
	documents, err := t.documents(time.Now())
	if err != nil {
		return nil, err
	}
	list := append(append(t.opening(), documents...), append(t.around(), t.minting()...)...)
	var outcomes []Outcome
	for _, a := range append(list, t.governing()...) {
		o := Outcome{Attempt: a.name, Want: a.want}
		err := a.do(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var api smithy.APIError
		switch {
		case err == nil:
			o.Verdict = Open
		case errors.As(err, &api):
			o.Code = api.ErrorCode()
			o.Verdict, o.By = t.judge(a, o.Code, api.ErrorMessage())
		default:
			o.Verdict, o.Code = Odd, "no answer from KMS"
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// Worst sums outcomes up: Open before Odd before Inconclusive before Refused. No outcome at all is
// Inconclusive.
func Worst(outcomes []Outcome) Verdict {
	if len(outcomes) == 0 {
		return Inconclusive
	}
	worst := 0
	for _, o := range outcomes {
		worst = max(worst, slices.Index(order, o.Verdict))
	}
	return order[worst]
}

// Count says how many outcomes have each verdict.
func Count(outcomes []Outcome) map[Verdict]int {
	n := make(map[Verdict]int, len(order))
	for _, v := range order {
		n[v] = 0
	}
	for _, o := range outcomes {
		n[o.Verdict]++
	}
	return n
}

// plain clears a secret that KMS should not have given; that it did is what counts.
func plain(secret []byte, err error) error {
	clear(secret)
	return err
}

func (t *Target) decrypt(ctx context.Context, change func(*kms.DecryptInput)) error {
	in := &kms.DecryptInput{KeyId: &t.Key, CiphertextBlob: bytes.Clone(t.Ciphertext), EncryptionContext: t.Context}
	change(in)
	out, err := t.Client.Decrypt(ctx, in)
	if err != nil {
		return err
	}
	return plain(out.Plaintext, nil)
}
