package boot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"anchorhold/enclave/internal/compose"
	"anchorhold/enclave/internal/kms"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/event"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/transport"
)

// errDebug: the parent reads the console of a debug enclave, and its attestation documents hold
// zeros.
var errDebug = errors.New("pcr0, pcr1 or pcr2 is zero: debug enclaves do not serve")

// identity is what this start of the enclave is. It does not change.
type identity struct {
	nsm      *nsm.Client
	boot     [16]byte
	image    measure.Image
	policy   *policy.Policy
	compiled []byte
}

// identify asks the NSM who this is, parses the policy, and sets the clock.
func identify(ctx context.Context, c Config) (*identity, error) {
	id := &identity{nsm: c.NSM, compiled: c.Policy}
	if _, err := c.NSM.Describe(ctx); err != nil {
		return nil, event.Fault(event.NSMFailed, fmt.Errorf("nsm does not describe itself: %w", err))
	}
	entropy, err := seed(ctx, c.NSM)
	if err != nil {
		return nil, err
	}
	c.reached(event.Seeded)
	id.boot = bootID(entropy)
	if id.policy, err = policy.Parse(c.Policy); err != nil {
		return nil, event.Fault(event.PolicyInvalid, fmt.Errorf("parse the policy: %w", err))
	}
	for i, pcr := range []*digest.Digest{&id.image.PCR0, &id.image.PCR1, &id.image.PCR2} {
		if *pcr, err = measured(ctx, c.NSM, uint16(i)); err != nil {
			return nil, err
		}
	}
	// Another ramdisk 1, or one whose beginning was moved into ramdisk 0, has another PCR2 whatever
	// it unpacks to. In layout nitro-cli it covers the program too, and cannot be computed from
	// inside.
	if want := measure.PolicyPCR2(c.Policy); c.Layout == compose.Anchorhold && id.image.PCR2 != want {
		return nil, event.Fault(event.PolicyDiffers, fmt.Errorf("pcr2 is %s, that of the policy is %s", id.image.PCR2, want))
	}
	return id, id.checkDocument(ctx)
}

// bootID is random even if one of its two sources were not.
func bootID(entropy []byte) [16]byte {
	own := make([]byte, 32)
	rand.Read(own)
	sum := sha256.Sum256(append(own, entropy...))
	return [16]byte(sum[:])
}

// measured returns a PCR that the hypervisor set for good.
func measured(ctx context.Context, n *nsm.Client, index uint16) (digest.Digest, error) {
	value, locked, err := n.PCR(ctx, index)
	if err != nil {
		return digest.Digest{}, event.Fault(event.NSMFailed, fmt.Errorf("pcr%d: %w", index, err))
	}
	if value.IsZero() {
		return digest.Digest{}, event.Fault(event.DebugEnclave, errDebug)
	}
	if !locked {
		return digest.Digest{}, event.Fault(event.RegistersDiffer, fmt.Errorf("pcr%d is not locked", index))
	}
	return value, nil
}

// checkDocument asks for a first document, which sets the clock, and holds it to what the NSM said
// in single answers.
func (id *identity) checkDocument(ctx context.Context) error {
	nonce := make([]byte, 32)
	rand.Read(nonce)
	b, err := id.attestChallenge(ctx, nonce)
	if err != nil {
		return event.Fault(event.NSMFailed, fmt.Errorf("nsm makes no document: %w", err))
	}
	document, err := attest.Parse(b)
	if err != nil {
		return event.Fault(event.NSMFailed, fmt.Errorf("parse the first document: %w", err))
	}
	for i, want := range []digest.Digest{id.image.PCR0, id.image.PCR1, id.image.PCR2} {
		if got := document.PCRs[i]; string(got) != string(want[:]) {
			return event.Fault(event.RegistersDiffer, fmt.Errorf("pcr%d is %x in the document, want %x", i, got, want))
		}
	}
	return nil
}

// userData is the user_data of this enclave's documents (SPEC 6).
func (id *identity) userData(p attest.Purpose) ([]byte, error) {
	u := attest.UserData{Purpose: p, Boot: id.boot, Policy: id.policy.Digest()}
	return u.Encode()
}

// attestKMS returns a document for KMS: the only purpose with a public key.
func (id *identity) attestKMS(ctx context.Context, publicKey []byte) ([]byte, error) {
	data, err := id.userData(attest.PurposeKMS)
	if err != nil {
		return nil, err
	}
	return id.nsm.Attest(ctx, data, nil, publicKey)
}

// attestChallenge returns a document over a caller's nonce: the only purpose with one.
func (id *identity) attestChallenge(ctx context.Context, nonce []byte) ([]byte, error) {
	data, err := id.userData(attest.PurposeChallenge)
	if err != nil {
		return nil, err
	}
	return id.nsm.Attest(ctx, data, nonce, nil)
}

// attestReceipts returns a document over a batch's user data.
func (id *identity) attestReceipts(ctx context.Context, userData []byte) ([]byte, error) {
	return id.nsm.Attest(ctx, userData, nil, nil)
}

// kmsConfig says how KMS is reached under this policy.
func (id *identity) kmsConfig(c Config) (kms.Config, error) {
	k := kms.Config{
		Relay: c.Relay, Credentials: c.Credentials,
		Attest: id.attestKMS, Now: id.nsm.Now, Dial: transport.Dial,
	}
	var err error
	if test := id.policy.Test; test != nil {
		k.Host = test.KMSHost
		k.Roots, err = kms.TestRoots(test.TLSRoots)
	} else {
		k.Roots, err = kms.AmazonRoots()
	}
	return k, err
}
