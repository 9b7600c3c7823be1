// Package envelope reads and writes AWS Encryption SDK messages, format version 2, in the two
// suites that commit to the data key (SPEC 3; source: AWS Encryption SDK message format reference).
// A job is one such message, so that any official SDK can seal one. ReadHeader, then Header.Open
// with the data key, then Reader.Read.
//
// The package neither fetches data keys nor judges the context's meaning: a Header is what the
// sender wrote until Open has succeeded, and ParseContext reads the anchorhold: entries without
// comparing them to anything.
//go:generate go run gen_vectors.go gen_scenarios.go gen_reasons.go

package envelope

import "errors"

// Algorithm suites. Both commit to the data key; every other one is refused, or one message could
// open under two keys.
const (
	SuiteCommit    = 0x0478 // AES-256-GCM, HKDF-SHA512, key commitment
	SuiteCommitSig = 0x0578 // the same with an ECDSA P-384 signature in the footer
)

// Errors that callers tell apart. ErrAuthentication stands for tag, commitment and signature alike:
// which of them failed helps only who forges.
var (
	ErrMalformed      = errors.New("malformed message")
	ErrSuite          = errors.New("unsupported version or algorithm suite")
	ErrFrameLength    = errors.New("frame length over the limit")
	ErrTooManyKeys    = errors.New("too many encrypted data keys")
	ErrAuthentication = errors.New("authentication failed")
	ErrTruncated      = errors.New("truncated message")
)

// Limits bounds what ReadHeader buffers. Zero permits nothing.
type Limits struct {
	MaxKeys        int    // encrypted data keys
	MaxFrameLength uint32 // bytes of plaintext in a frame
}

// EncryptedKey is the data key, encrypted for one provider.
type EncryptedKey struct {
	Provider, Info string // "aws-kms" and a key ARN
	Ciphertext     []byte
}
