package devkms_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
)

func sorted(names []string) string {
	slices.Sort(names)
	return strings.Join(names, " ")
}

// leaks do what the findings say, by rule, and tell whether a data key leaked.
var leaks map[string]func(*sealedKey) bool

func init() {
	leaks = map[string]func(*sealedKey) bool{
		"unattested-decrypt":   unattested,
		"deny-needs-document":  unattested,
		"unpinned-image":       attestedAs("theirs"),
		"debug-image":          attestedAs("debug"),
		"pcr0-alone":           attestedAs("shifted", "shifted1", "shifted2"),
		"unpaired-image":       crossed,
		"unpairing-list":       crossed,
		"absent-key":           func(k *sealedKey) bool { return unattested(k) || crossed(k) },
		"unbound-tenant":       otherTenant,
		"re-encrypt":           reEncrypted,
		"create-grant":         granted,
		"users-administer":     policyReplaced,
		"mints-keys":           mintedKey,
		"mints-ciphertexts":    mintedCiphertext,
		"unbound-data-key":     sealedForTheirs,
		"data-key-pair":        keyPair,
		"derive-shared-secret": derived,
		"replicate":            replicated,
		"wildcard-principal":   func(k *sealedKey) bool { return opened(k, "stranger") || opened(k, "other") },
		"delegation":           func(k *sealedKey) bool { return opened(k, "dev") || opened(k, "other") },
		"nothing-denied":       oneStatementMore,
		"never-matches":        func(k *sealedKey) bool { return k.decrypt(k.parent(), "b", k.blobs["b"]) },
	}
}

func unattested(k *sealedKey) bool {
	return k.anyone(func(_ string, c *kms.Client) bool {
		for _, b := range k.blobs {
			if k.decrypt(c, "", b) {
				return true
			}
		}
		return false
	})
}

func attestedAs(documents ...string) func(*sealedKey) bool {
	return func(k *sealedKey) bool {
		return slices.ContainsFunc(documents, func(d string) bool { return k.decrypt(k.parent(), d, k.blobs["a"]) })
	}
}

// crossed lets one approved image open what was sealed for the other, or for none.
func crossed(k *sealedKey) bool {
	return k.decrypt(k.parent(), "a", k.blobs["b"]) || k.decrypt(k.parent(), "b", k.blobs["a"]) ||
		k.decrypt(k.parent(), "a", k.blobs["no image"]) || k.decrypt(k.parent(), "a", k.blobs["none"])
}

func otherTenant(k *sealedKey) bool {
	return k.decrypt(k.parent(), "a", k.blobs["other tenant"]) || k.decrypt(k.parent(), "a", k.blobs["no tenant"])
}

// opened lets somebody in whom nobody named.
func opened(k *sealedKey, actor string) bool {
	return k.decrypt(k.actors[actor], "a", k.blobs["a"]) || k.decrypt(k.actors[actor], "", k.blobs["a"])
}

func reEncrypted(k *sealedKey) bool {
	ctx := context.Background()
	return k.anyone(func(_ string, c *kms.Client) bool {
		b := k.blobs["a"]
		out, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: b.blob, SourceEncryptionContext: b.context, DestinationKeyId: &k.mine})
		if err != nil {
			return false
		}
		plain, err := k.stranger().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, KeyId: &k.mine})
		return err == nil && slices.Equal(plain.Plaintext, b.plaintext)
	})
}

func granted(k *sealedKey) bool {
	return k.anyone(func(_ string, c *kms.Client) bool {
		_, err := c.CreateGrant(context.Background(), &kms.CreateGrantInput{
			KeyId: &k.arn, GranteePrincipal: new("arn:aws:iam::999988887777:user/stranger"), Operations: []types.GrantOperation{types.GrantOperationDecrypt},
		})
		return err == nil && k.decrypt(k.stranger(), "", k.blobs["a"])
	})
}

// policyReplaced is open to all but the administrator, who may do that under every policy.
func policyReplaced(k *sealedKey) bool {
	return k.anyone(func(name string, c *kms.Client) bool {
		if name == "admin" && !strings.Contains(k.policy, "kms:*") && !usesItself(k) {
			return false
		}
		_, err := c.PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &k.arn, Policy: new(openPolicy)})
		return err == nil && k.decrypt(c, "", k.blobs["a"])
	})
}

// usesItself tells whether the administrator opens or seals under the policy as it stands.
func usesItself(k *sealedKey) bool {
	admin := k.actors["admin"]
	_, err := admin.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &k.arn, KeySpec: types.DataKeySpecAes256})
	return err == nil || k.decrypt(admin, "", k.blobs["a"])
}

// mintedKey is open to all but the sealer.
func mintedKey(k *sealedKey) bool {
	return k.anyone(func(name string, c *kms.Client) bool {
		if name == "owner" {
			return false
		}
		out, err := c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
			KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(image, "clinic"),
		})
		return err == nil && len(out.Plaintext) == 32
	})
}

// mintedCiphertext wraps a data key of the adversary's, which the enclave then opens like the owner's.
func mintedCiphertext(k *sealedKey) bool {
	ctx := context.Background()
	known := []byte("a data key that everybody knows!")
	return k.anyone(func(_ string, c *kms.Client) bool {
		b := sealedBlob{plaintext: known, context: contextOf(image, "clinic")}
		if out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.arn, Plaintext: known, EncryptionContext: b.context}); err == nil {
			b.blob = out.CiphertextBlob
		} else {
			mine, err := k.stranger().Encrypt(ctx, &kms.EncryptInput{KeyId: &k.mine, Plaintext: known})
			if err != nil {
				return false
			}
			moved, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: mine.CiphertextBlob, DestinationKeyId: &k.arn, DestinationEncryptionContext: b.context})
			if err != nil {
				return false
			}
			b.blob = moved.CiphertextBlob
		}
		return k.decrypt(k.parent(), "a", b) || k.decrypt(k.actors["dev"], "", b)
	})
}

func sealedForTheirs(k *sealedKey) bool {
	x := digest.Sum([]byte("adversary"))
	for _, name := range []string{"owner", "admin"} {
		_, err := k.actors[name].GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
			KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(measure.Image{PCR0: x}, "clinic"),
		})
		if err == nil {
			return true
		}
	}
	return false
}

func keyPair(k *sealedKey) bool {
	return k.anyone(func(_ string, c *kms.Client) bool {
		out, err := c.GenerateDataKeyPair(context.Background(), &kms.GenerateDataKeyPairInput{
			KeyId: &k.arn, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: contextOf(image, "clinic"),
		})
		if err != nil {
			return false
		}
		_, err = x509.ParsePKCS8PrivateKey(out.PrivateKeyPlaintext)
		return err == nil
	})
}

// derived asks a key agreement key under the same policy for a secret, unattested.
func derived(k *sealedKey) bool {
	arn := k.newKey(k.t, k.policy, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement})
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		k.t.Fatal(err)
	}
	public := spki(k.t, private.PublicKey())
	return k.anyone(func(_ string, c *kms.Client) bool {
		out, err := c.DeriveSharedSecret(context.Background(), &kms.DeriveSharedSecretInput{
			KeyId: &arn, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: public,
		})
		return err == nil && len(out.SharedSecret) == 32
	})
}

// replicate makes a replica with an open policy and returns its ARN, empty when KMS refused.
func (k *sealedKey) replicate(c *kms.Client) string {
	out, err := c.ReplicateKey(context.Background(), &kms.ReplicateKeyInput{KeyId: &k.arn, ReplicaRegion: new("us-west-2"), Policy: new(openPolicy)})
	if err != nil {
		return ""
	}
	return *out.ReplicaKeyMetadata.Arn
}

// replicated opens in another Region, under a policy that nobody pinned.
func replicated(k *sealedKey) bool {
	return k.anyone(func(_ string, c *kms.Client) bool {
		replica := *k
		replica.arn = k.replicate(c)
		return replica.arn != "" && replica.decrypt(k.stranger(), "", k.blobs["a"])
	})
}

// oneStatementMore adds what every tutorial has.
func oneStatementMore(k *sealedKey) bool {
	var d struct {
		Version   string
		Statement []json.RawMessage
	}
	if err := json.Unmarshal([]byte(k.policy), &d); err != nil {
		k.t.Fatal(err)
	}
	d.Statement = append(d.Statement, json.RawMessage(`{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`))
	text, err := json.Marshal(d)
	if err != nil {
		k.t.Fatal(err)
	}
	more := k.seal(k.t, string(text), &kms.CreateKeyInput{})
	return unattested(more) || reEncrypted(more) || granted(more)
}
