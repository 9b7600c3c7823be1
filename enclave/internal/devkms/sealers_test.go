package devkms_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/ownerkey"
)

// keyOfSealers is a key under what key-policy writes for image a, which is sealed for, and b, which
// drains.
func keyOfSealers(t *testing.T, p *proving, encrypt bool) string {
	t.Helper()
	plan := &ownerkey.Plan{
		Tenant: "clinic", Administrators: []string{"arn:aws:iam::111122223333:role/admin"}, Sealers: []string{"arn:aws:iam::111122223333:role/owner"},
		Parents: []string{"arn:aws:iam::444455556666:role/parent"}, SealersEncrypt: encrypt,
	}
	for name, i := range map[string]measure.Image{"a": image, "b": second} {
		plan.Images = append(plan.Images, ownerkey.Image{Image: appraise.Image{Name: name, PCR0: i.PCR0, PCR1: i.PCR1, PCR2: i.PCR2}, Drains: name == "b"})
	}
	policy, err := plan.Policy()
	if err != nil {
		t.Fatal(err)
	}
	return p.newKey(t, string(policy), &kms.CreateKeyInput{})
}

// A multi-keyring makes the data key under its generator and wraps it with Encrypt under each
// child. With --sealers-may-encrypt the tenant's key can be a child: for sealers, for pinned images
// that do not drain and for the tenant. Without it, for nobody.
func TestSealersMayEncrypt(t *testing.T) {
	p, ctx := newProving(t, ownersAccount), context.Background()
	made, err := p.stranger().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &p.mine, KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(image, "clinic"),
	})
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(c *kms.Client, key string, context map[string]string) ([]byte, error) {
		out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: made.Plaintext, EncryptionContext: context})
		if err != nil {
			return nil, err
		}
		return out.CiphertextBlob, nil
	}
	key := keyOfSealers(t, p, true)
	blob, err := wrap(p.owner(), key, contextOf(image, "clinic"))
	if err != nil {
		t.Fatalf("the sealer wraps a data key: %v", err)
	}
	k := &sealedKey{proving: p, t: t, arn: key}
	wrapped := sealedBlob{made.Plaintext, blob, contextOf(image, "clinic")}
	if !k.decrypt(p.parent(), "a", wrapped) {
		t.Error("the enclave does not open what the sealer wrapped")
	}
	for name, document := range map[string]string{"no document": "", "the other image": "b", "the adversary's image": "theirs"} {
		if k.decrypt(p.parent(), document, wrapped) {
			t.Errorf("%s opens what the sealer wrapped", name)
		}
	}
	if bytes.Contains(blob, made.Plaintext) {
		t.Error("the wrapped data key holds it in the clear")
	}
	for _, c := range []struct {
		name    string
		who     *kms.Client
		context map[string]string
	}{
		{"the sealer, for an image that drains", p.owner(), contextOf(second, "clinic")},
		{"the sealer, for an image that is not pinned", p.owner(), contextOf(measure.Image{}, "clinic")},
		{"the sealer, for another tenant", p.owner(), contextOf(image, "hospital")},
		{"the sealer, without tenant", p.owner(), map[string]string{"anchorhold:image": image.PCR0.String()}},
		{"the sealer, without image", p.owner(), map[string]string{"anchorhold:tenant": "clinic"}},
		{"the sealer, without context", p.owner(), nil},
		{"the administrator", p.actor("admin"), contextOf(image, "clinic")},
		{"the parent", p.parent(), contextOf(image, "clinic")},
		{"a developer of the owner's account", p.actor("dev"), contextOf(image, "clinic")},
		{"a stranger", p.stranger(), contextOf(image, "clinic")},
	} {
		if _, err := wrap(c.who, key, c.context); err == nil {
			t.Errorf("%s wraps a data key", c.name)
		}
	}
	strict := keyOfSealers(t, p, false)
	for name, c := range map[string]*kms.Client{"the sealer": p.owner(), "the administrator": p.actor("admin"), "the parent": p.parent()} {
		if _, err := wrap(c, strict, contextOf(image, "clinic")); err == nil {
			t.Errorf("%s wraps a data key without the option", name)
		}
	}
}
