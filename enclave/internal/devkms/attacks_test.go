package devkms_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
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

func unattested(k *sealedKey) bool {
	return k.anyone(func(c actor) bool {
		for _, b := range k.blobs {
			if k.decrypt(c.Client, "", b) {
				return true
			}
		}
		return false
	})
}

func unattestedBlob(k *sealedKey, b sealedBlob) bool {
	return k.anyone(func(a actor) bool { return k.decrypt(a.Client, "", b) })
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
	return slices.ContainsFunc([]string{"other tenant", "longer tenant", "no tenant"}, func(name string) bool {
		return k.decrypt(k.parent(), "a", k.blobs[name]) || k.decrypt(k.parent(), "b", k.blobs[name])
	})
}

// opened lets somebody in whom nobody named.
func opened(k *sealedKey, actor string) bool {
	return k.decrypt(k.actor(actor), "a", k.blobs["a"]) || k.decrypt(k.actor(actor), "", k.blobs["a"])
}

func reEncrypted(k *sealedKey) bool {
	ctx := context.Background()
	return k.anyone(func(c actor) bool {
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
	return k.anyone(func(a actor) bool { return grantedBy(k, a.name) })
}

func grantedBy(k *sealedKey, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return k.grant(k.actor(name)) && k.decrypt(k.stranger(), "", k.blobs["a"])
	})
}

// grant has the actor grant Decrypt to the stranger: alone, with an operation more, or with a
// constraint where the policy asks for one.
func (k *sealedKey) grant(c *kms.Client) bool {
	decrypt := []types.GrantOperation{types.GrantOperationDecrypt}
	clinic := &types.GrantConstraints{EncryptionContextSubset: map[string]string{"anchorhold:tenant": "clinic"}}
	return slices.ContainsFunc([]*kms.CreateGrantInput{
		{Operations: decrypt}, {Operations: append(decrypt, types.GrantOperationEncrypt)}, {Operations: decrypt, Constraints: clinic},
	}, func(in *kms.CreateGrantInput) bool {
		in.KeyId, in.GranteePrincipal = &k.arn, new(strangerUserARN)
		_, err := c.CreateGrant(context.Background(), in)
		return err == nil
	})
}

// policyReplaced is open to all but the administrator, who may do that under every policy.
func policyReplaced(k *sealedKey) bool {
	return k.anyone(func(c actor) bool {
		if c.name == "admin" && !strings.Contains(k.policy, "kms:*") && !usesItself(k) {
			return false
		}
		_, err := c.PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &k.arn, Policy: new(openPolicy)})
		return err == nil && k.decrypt(c.Client, "", k.blobs["a"])
	})
}

// usesItself tells whether the administrator opens or seals under the policy as it stands.
func usesItself(k *sealedKey) bool {
	admin := k.actor("admin")
	_, err := admin.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &k.arn, KeySpec: types.DataKeySpecAes256})
	return err == nil || opened(k, "admin")
}

// mintedKey is what the sealer may, who must not open as well; nobody else may.
func mintedKey(k *sealedKey) bool {
	sealers := []*kms.Client{k.actor("owner"), k.actor("owner in CI")}
	return k.shown(func(c *kms.Client, r *types.RecipientInfo) bool {
		out, err := c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
			KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(image, "clinic"), Recipient: r,
		})
		return err == nil && len(k.received(out.Plaintext, out.CiphertextForRecipient)) == 32 && (!slices.Contains(sealers, c) || opened(k, "owner"))
	})
}

// mintedCiphertext wraps a data key of the adversary's, which the enclave then opens like the
// owner's.
func mintedCiphertext(k *sealedKey) bool {
	return k.anyone(func(a actor) bool { return wrapped(k, a.Client) })
}

func wrapped(k *sealedKey, c *kms.Client) bool {
	ctx := context.Background()
	known := []byte("a data key that everybody knows!")
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
	return k.decrypt(k.parent(), "a", b) || unattestedBlob(k, b)
}

// unseen makes a data key, or a pair, that its maker does not see and the enclave opens like the
// owner's.
func unseen(k *sealedKey) bool {
	ctx := context.Background()
	return k.anyone(func(c actor) bool {
		in := &kms.DecryptInput{KeyId: &k.arn, EncryptionContext: contextOf(image, "clinic")}
		if out, err := c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{
			KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: in.EncryptionContext,
		}); err == nil {
			in.CiphertextBlob = out.CiphertextBlob
		} else if out, err := c.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
			KeyId: &k.arn, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: in.EncryptionContext,
		}); err == nil {
			in.CiphertextBlob = out.PrivateKeyCiphertextBlob
		} else {
			return false
		}
		return k.anyone(func(c actor) bool {
			in.Recipient = nil
			if _, err := c.Decrypt(ctx, in); err == nil {
				return true
			}
			in.Recipient = recipient(k.documents["a"])
			_, err := c.Decrypt(ctx, in)
			return err == nil
		})
	})
}

// sealedForTheirs seals for an image or a tenant that nobody approved.
func sealedForTheirs(k *sealedKey) bool {
	x := digest.Sum([]byte("adversary"))
	for _, name := range []string{"owner", "admin"} {
		for _, c := range []map[string]string{contextOf(measure.Image{PCR0: x}, "clinic"), contextOf(image, "clinic2")} {
			if _, err := k.dataKeyAs(k.actor(name), c); err == nil {
				return true
			}
		}
	}
	return false
}

func keyPair(k *sealedKey) bool {
	return k.shown(func(c *kms.Client, r *types.RecipientInfo) bool {
		out, err := c.GenerateDataKeyPair(context.Background(), &kms.GenerateDataKeyPairInput{
			KeyId: &k.arn, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: contextOf(image, "clinic"), Recipient: r,
		})
		if err != nil {
			return false
		}
		_, err = x509.ParsePKCS8PrivateKey(k.received(out.PrivateKeyPlaintext, out.CiphertextForRecipient))
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
	return k.shown(func(c *kms.Client, r *types.RecipientInfo) bool {
		out, err := c.DeriveSharedSecret(context.Background(), &kms.DeriveSharedSecretInput{
			KeyId: &arn, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: public, Recipient: r,
		})
		return err == nil && len(k.received(out.SharedSecret, out.CiphertextForRecipient)) == 32
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
	return k.anyone(func(c actor) bool {
		replica := *k
		replica.arn = k.replicate(c.Client)
		return replica.arn != "" && replica.decrypt(k.stranger(), "", k.blobs["a"])
	})
}
