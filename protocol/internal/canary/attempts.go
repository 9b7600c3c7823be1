package canary

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// otherRegion is where a replica is tried.
const otherRegion = "eu-central-1"

// lockout lets nobody change it again, so KMS never takes it unless told to, which nothing here
// does: who may put a policy gets an error of the policy, who may not is denied. A replica under a
// policy that KMS took would be a way to the key of the canary's own making.
const lockout = `{"Version":"2012-10-17","Statement":[{"Sid":"canary","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`

// opening are plain attempts to decrypt.
func (t *Target) opening() []attempt {
	without := func(key string) map[string]string {
		c := maps.Clone(t.Context)
		delete(c, key)
		return c
	}
	try := func(name string, change func(*kms.DecryptInput)) attempt {
		return attempt{name, denied, func(ctx context.Context) error { return t.decrypt(ctx, change) }}
	}
	return []attempt{
		try("Decrypt without Recipient", func(*kms.DecryptInput) {}),
		try("Decrypt without Recipient and KeyId", func(in *kms.DecryptInput) { in.KeyId = nil }),
		try("Decrypt without encryption context", func(in *kms.DecryptInput) { in.EncryptionContext = nil }),
		try("Decrypt without anchorhold:image", func(in *kms.DecryptInput) { in.EncryptionContext = without("anchorhold:image") }),
		try("Decrypt without anchorhold:tenant", func(in *kms.DecryptInput) { in.EncryptionContext = without("anchorhold:tenant") }),
	}
}

// around are operations that open a ciphertext without Decrypt, or make Decrypt unattested.
func (t *Target) around() []attempt {
	destination := t.OwnKey
	if destination == "" {
		destination = t.Key
	}
	return []attempt{
		{"ReEncrypt", denied, func(ctx context.Context) error {
			_, err := t.Client.ReEncrypt(ctx, &kms.ReEncryptInput{
				CiphertextBlob: t.Ciphertext, SourceKeyId: &t.Key, SourceEncryptionContext: t.Context, DestinationKeyId: &destination,
			})
			return err
		}},
		{"CreateGrant", denied, t.grant},
		{"DeriveSharedSecret", denied, t.derive},
		{"ReplicateKey", denied, func(ctx context.Context) error {
			_, err := t.Client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &t.Key, ReplicaRegion: aws.String(otherRegion), Policy: aws.String(lockout)})
			return err
		}},
	}
}

func (t *Target) derive(ctx context.Context) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return err
	}
	out, err := t.Client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{
		KeyId: &t.Key, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: public,
	})
	if err != nil {
		return err
	}
	return plain(out.SharedSecret, nil)
}

// grant asks whether the role could give itself Decrypt. It must not try: a grant that could not be
// ended would stay, and open.
func (t *Target) grant(ctx context.Context) error {
	_, err := t.Client.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &t.Key, GranteePrincipal: &t.Role, RetiringPrincipal: &t.Role, Operations: []types.GrantOperation{types.GrantOperationDecrypt}, DryRun: aws.Bool(true),
	})
	return err
}

// minting are operations that make what passes for the owner's.
func (t *Target) minting() []attempt {
	return []attempt{
		{"GenerateDataKey", denied, func(ctx context.Context) error {
			out, err := t.Client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &t.Key, KeySpec: types.DataKeySpecAes256, EncryptionContext: t.Context})
			if err != nil {
				return err
			}
			return plain(out.Plaintext, nil)
		}},
		{"GenerateDataKeyWithoutPlaintext", denied, func(ctx context.Context) error {
			_, err := t.Client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{
				KeyId: &t.Key, KeySpec: types.DataKeySpecAes256, EncryptionContext: t.Context,
			})
			return err
		}},
		{"GenerateDataKeyPair", denied, func(ctx context.Context) error {
			out, err := t.Client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{
				KeyId: &t.Key, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: t.Context,
			})
			if err != nil {
				return err
			}
			return plain(out.PrivateKeyPlaintext, nil)
		}},
		{"GenerateDataKeyPairWithoutPlaintext", denied, func(ctx context.Context) error {
			_, err := t.Client.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
				KeyId: &t.Key, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: t.Context,
			})
			return err
		}},
		{"Encrypt", denied, func(ctx context.Context) error {
			_, err := t.Client.Encrypt(ctx, &kms.EncryptInput{KeyId: &t.Key, Plaintext: []byte("canary"), EncryptionContext: t.Context})
			return err
		}},
	}
}

// governing are operations on the key's policy and grants.
func (t *Target) governing() []attempt {
	return []attempt{
		{"PutKeyPolicy", denied, func(ctx context.Context) error {
			_, err := t.Client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &t.Key, Policy: aws.String(lockout)})
			return err
		}},
		{"GetKeyPolicy", denied, func(ctx context.Context) error {
			_, err := t.Client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &t.Key})
			return err
		}},
		{"ListGrants", denied, func(ctx context.Context) error {
			_, err := t.Client.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &t.Key})
			return err
		}},
	}
}
