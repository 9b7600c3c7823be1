package canary

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/fxamacker/cbor/v2"
)

// recipientBits is the size of RSA key that KMS wants.
const recipientBits = 2048

// documents are attempts with attestation documents that prove nothing: the genuine one, which holds no public key; the same with a bit of its
// signature turned; and the same with a public key of the adversary's put in, under the old signature.
func (t *Target) documents() ([]attempt, error) {
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
	var list []attempt
	for _, d := range []struct {
		name     string
		document []byte
	}{
		{"a document that was made for something else", t.Document},
		{"a document in which the key was exchanged", exchanged},
		{"a document under another signature", turned},
	} {
		list = append(list, attempt{"Decrypt with " + d.name, unproven, func(ctx context.Context) error {
			return t.decrypt(ctx, func(in *kms.DecryptInput) {
				in.Recipient = &types.RecipientInfo{AttestationDocument: d.document, KeyEncryptionAlgorithm: types.KeyEncryptionMechanismRsaesOaepSha256}
			})
		}})
	}
	return list, nil
}

// exchangeKey puts a public key into a document and leaves its signature as it is.
func exchangeKey(document, public []byte) ([]byte, error) {
	var parts []cbor.RawMessage // protected header, unprotected header, payload, signature
	if err := cbor.Unmarshal(document, &parts); err != nil || len(parts) != 4 {
		return nil, errors.New("the attestation document is not COSE_Sign1")
	}
	var payload []byte
	var fields map[string]cbor.RawMessage
	if err := errors.Join(cbor.Unmarshal(parts[2], &payload), cbor.Unmarshal(payload, &fields)); err != nil {
		return nil, errors.New("the attestation document has no payload")
	}
	var err error
	if fields["public_key"], err = cbor.Marshal(public); err != nil {
		return nil, err
	}
	if payload, err = cbor.Marshal(fields); err != nil {
		return nil, err
	}
	if parts[2], err = cbor.Marshal(payload); err != nil {
		return nil, err
	}
	return cbor.Marshal(parts)
}
