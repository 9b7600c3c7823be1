// Package message has the control messages between parent and enclave, SPEC 2.2, and the connection
// that carries them.
//
// Decode checks form and the ranges that SPEC 2.2 gives. It proves nothing about the sender: in the
// enclave every message is the adversary's.
package message

//go:generate go run gen_vectors.go gen_reasons.go

import (
	"crypto/sha256"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// Message is one of the control messages below, as a value: a type switch names Job, not *Job.
type Message interface {
	// Op is the value of the key "op".
	Op() string
}

// Ranges of SPEC 2.2.
const (
	// MaxLeaves is the number of leaves in a batch, so that the message fits a frame.
	MaxLeaves = 256
	// MaxBatches is the number of Batch messages that answer one GetLog.
	MaxBatches = 64

	maxNonce = 512 // NSM limit, see SPEC 2.2 attest
	maxHost  = 253 // RFC 1035, 2.3.4, as text
)

// Describe asks the enclave for a Description.
type Describe struct{}

// Description is the enclave's state. The parent uses it to schedule; attested facts come from
// documents.
type Description struct {
	Version  string        `cbor:"version"`
	Boot     [16]byte      `cbor:"boot"`
	PCR0     digest.Digest `cbor:"pcr0"`
	PCR1     digest.Digest `cbor:"pcr1"`
	PCR2     digest.Digest `cbor:"pcr2"`
	Policy   digest.Digest `cbor:"policy"`
	Jobs     uint64        `cbor:"jobs"`     // running now
	Capacity uint64        `cbor:"capacity"` // most at once
	Batches  uint64        `cbor:"batches"`  // receipt batches signed since boot
}

// GetPolicy asks for the policy: data frames, then End.
type GetPolicy struct{}

// Attest asks for an attestation document over the caller's nonce of 1 to 512 bytes.
type Attest struct {
	Nonce []byte `cbor:"nonce"`
}

// Attestation answers Attest.
type Attestation struct {
	Document []byte `cbor:"document"`
}

// GetLog asks for up to MaxBatches Batch messages from the given number on, then End.
type GetLog struct {
	From uint64 `cbor:"from"`
}

// Batch is one signed batch of receipts: the document and its leaf hashes, 1 to MaxLeaves.
type Batch struct {
	Number   uint64          `cbor:"number"`
	Document []byte          `cbor:"document"`
	Leaves   []digest.Digest `cbor:"leaves"`
}

// Job announces a job file: data frames, then End.
type Job struct{}

// End ends a sequence of data frames or batches.
type End struct{}

// Done ends a job that succeeded.
type Done struct {
	Receipt []byte `cbor:"receipt"` // SPEC 7.3
}

// Failed ends an exchange that failed. Receipt is nil unless a failure leaf was signed.
type Failed struct {
	Code    code.Code `cbor:"code"`
	Receipt []byte    `cbor:"receipt,omitempty"`
}

// Connect asks the parent's relay for a TCP connection. The parent decides which hosts it allows.
type Connect struct {
	Host string `cbor:"host"`
	Port uint16 `cbor:"port"`
}

// Connected answers Connect; raw bytes follow, see Conn.Raw.
type Connected struct{}

// GetCredentials asks the parent for credentials of its role.
type GetCredentials struct{}

// RenewCredentials asks the parent for credentials other than those with this digest, which KMS has
// refused.
type RenewCredentials struct {
	Refused [sha256.Size]byte `cbor:"refused"` // Credentials.Digest
}

// Credentials are those of the parent's role. They are worth nothing for Decrypt without
// attestation, and are still never logged: String hides them.
type Credentials struct {
	AccessKeyID     string `cbor:"access_key_id"`
	SecretAccessKey string `cbor:"secret_access_key"`
	SessionToken    string `cbor:"session_token"` // may be empty
	Expires         uint64 `cbor:"expires"`       // milliseconds since 1970, 0 for never
}

// Digest names the credentials in RenewCredentials, SPEC 2.2. It is computed from a secret: do not
// log it.
func (c Credentials) Digest() [sha256.Size]byte {
	h := sha256.New()
	for i, field := range []string{"anchorhold/v1 credentials", c.AccessKeyID, c.SecretAccessKey, c.SessionToken} {
		if i > 0 {
			h.Write([]byte{0}) // or the end of one field could be the start of the next
		}
		h.Write([]byte(field))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// String keeps the secret out of every %v and %+v.
func (Credentials) String() string { return "credentials" }

// GoString keeps the secret out of %#v.
func (Credentials) GoString() string { return "credentials" }

// Op implements Message.
func (Describe) Op() string { return "describe" }

// Op implements Message.
func (Description) Op() string { return "description" }

// Op implements Message.
func (GetPolicy) Op() string { return "get-policy" }

// Op implements Message.
func (Attest) Op() string { return "attest" }

// Op implements Message.
func (Attestation) Op() string { return "attestation" }

// Op implements Message.
func (GetLog) Op() string { return "get-log" }

// Op implements Message.
func (Batch) Op() string { return "batch" }

// Op implements Message.
func (Job) Op() string { return "job" }

// Op implements Message.
func (End) Op() string { return "end" }

// Op implements Message.
func (Done) Op() string { return "done" }

// Op implements Message.
func (Failed) Op() string { return "failed" }

// Op implements Message.
func (Connect) Op() string { return "connect" }

// Op implements Message.
func (Connected) Op() string { return "connected" }

// Op implements Message.
func (GetCredentials) Op() string { return "get-credentials" }

// Op implements Message.
func (RenewCredentials) Op() string { return "renew-credentials" }

// Op implements Message.
func (Credentials) Op() string { return "credentials" }
