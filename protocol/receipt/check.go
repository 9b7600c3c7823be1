package receipt

import (
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
)

// Expect is what the owner knows of the job. The zero value denies: all fields are required unless said otherwise.
type Expect struct {
	Pins        *appraise.Pins
	Policy      []byte // compiled policy, as pinned
	AllowNotAWS bool   // accepts a policy with test endpoints: never for real records

	Image      digest.Digest // anchorhold:image of the context
	Tenant     string
	Pipeline   string
	Key        string // key ARN of the envelope that KMS opened; empty: any that the policy gives the tenant
	MessageID  [32]byte
	Nonce      [32]byte
	Header     digest.Digest
	Input      digest.Digest
	InputSize  uint64
	Output     digest.Digest // of the sealed result in hand
	OutputSize uint64
	Reply      [32]byte
	Parameters *[32]byte      // nil: the job carries none
	Crosswalk  *digest.Digest // nil: the job carries none
	SealedAt   time.Time
	Now        time.Time
}

// CheckLine is one check that passed, for a person.
type CheckLine struct{ Name, Detail string }

// Accepted is a receipt that is all the owner expects.
type Accepted struct {
	Leaf  *Leaf
	Image appraise.Image
	Lines []CheckLine
}

// Refusal tells which check refused, and those that passed before. Unwrap gives its sentinel.
type Refusal struct {
	Check  string
	Err    error
	Passed []CheckLine
}

func (r *Refusal) Error() string { return "receipt refused: " + r.Check + ": " + r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Check does every check that must pass before the owner opens a result.
func (v *Verified) Check(e Expect) (*Accepted, error) { return nil, &Refusal{Err: ErrMalformed} }

// Chain is a run of consecutive batches of one boot.
type Chain struct {
	Boot        [16]byte
	First, Last uint64        // batch numbers
	Head        digest.Digest // of the last batch
}

// VerifyChain checks that genuine receipts documents are consecutive batches of one boot.
func VerifyChain(docs ...*attest.Verified) (*Chain, error) { return nil, ErrMalformed }

// VerifyBatch checks that leaf hashes are those that a genuine receipts document signs.
func VerifyBatch(v *attest.Verified, leaves []digest.Digest) (*UserData, error) {
	return nil, ErrMalformed
}
