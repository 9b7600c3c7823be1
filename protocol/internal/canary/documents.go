package canary

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/fxamacker/cbor/v2"

	"anchorhold/protocol/attest"
)

// recipientBits is the size of RSA key that KMS wants.
const recipientBits = 2048

// maxAge is how old a document may be for its refusal to be the policy's doing. AWS publishes no
// number; ours are made for each call.
const maxAge = 5 * time.Minute

// documents are attempts with attestation documents that prove nothing: the genuine one, which
// holds no public key; the same with a public key of the adversary's put in, under the old
// signature, under another, and signed anew below a root of the adversary's; and those that the
// caller brings.
func (t *Target) documents(now time.Time) ([]attempt, error) {
	key, err := rsa.GenerateKey(rand.Reader, recipientBits)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	exchanged, err := exchangeKey(t.Document, public)
	if err != nil {
		return nil, err
	}
	turned := bytes.Clone(exchanged)
	turned[len(turned)-1] ^= 1
	resigned, err := signAnew(exchanged, now)
	if err != nil {
		return nil, err
	}
	list := []attempt{
		t.shows("a genuine document without a public key", unproven, t.Document),
		t.shows("a document in which the key was exchanged", unproven, exchanged),
		t.shows("a document under another signature", unproven, turned),
		t.shows("a document signed below another root", unproven, resigned),
	}
	for n, document := range t.Refused {
		a, err := t.brought(document, now)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n+1, err)
		}
		list = append(list, a)
	}
	return list, nil
}

func (t *Target) shows(name string, want []string, document []byte) attempt {
	return attempt{"Decrypt with " + name, want, func(ctx context.Context) error {
		return t.decrypt(ctx, func(in *kms.DecryptInput) {
			in.Recipient = &types.RecipientInfo{AttestationDocument: document, KeyEncryptionAlgorithm: types.KeyEncryptionMechanismRsaesOaepSha256}
		})
	}}
}

// brought names what a document of the caller's is, and what refuses it: the policy, or where it is
// old KMS itself, perhaps.
func (t *Target) brought(document []byte, now time.Time) (attempt, error) {
	d, err := attest.Parse(document)
	if err != nil {
		return attempt{}, err
	}
	pcr0, _ := d.PCR(0)
	name := fmt.Sprintf("a document of image %s… of %s", pcr0.String()[:12], d.Timestamp.UTC().Format(time.RFC3339))
	if d.Debug() {
		name = "a document of a debug enclave of " + d.Timestamp.UTC().Format(time.RFC3339)
	}
	if len(d.PublicKey) == 0 {
		return attempt{}, errors.New("it holds no public key: KMS would refuse it for that alone")
	}
	want := denied
	if age := now.Sub(d.Timestamp); age > maxAge || age < -maxAge {
		want = unproven
	}
	return t.shows(name, want, document), nil
}

// exchangeKey puts a public key into a document and leaves its signature as it is.
func exchangeKey(document, public []byte) ([]byte, error) {
	d, err := takeApart(document)
	if err != nil {
		return nil, err
	}
	if d.fields["public_key"], err = cbor.Marshal(public); err != nil {
		return nil, err
	}
	return d.put()
}

// pieces are a document taken apart, so that one can be put together with others.
type pieces struct {
	parts  []cbor.RawMessage // protected header, unprotected header, payload, signature
	fields map[string]cbor.RawMessage
}

func takeApart(document []byte) (*pieces, error) {
	var d pieces
	if err := cbor.Unmarshal(document, &d.parts); err != nil || len(d.parts) != 4 {
		return nil, errors.New("the attestation document is not COSE_Sign1")
	}
	var payload []byte
	if err := errors.Join(cbor.Unmarshal(d.parts[2], &payload), cbor.Unmarshal(payload, &d.fields)); err != nil {
		return nil, errors.New("the attestation document has no payload")
	}
	return &d, nil
}

func (d *pieces) put() ([]byte, error) {
	payload, err := cbor.Marshal(d.fields)
	if err != nil {
		return nil, err
	}
	if d.parts[2], err = cbor.Marshal(payload); err != nil {
		return nil, err
	}
	return cbor.Marshal(d.parts)
}
