package devkms_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
)

const strangerARN = "arn:aws:iam::444455556666:user/stranger"

// grantsPolicy lets the owner use and grant, and the parent create grants by a grant only.
const grantsPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/owner"},"Action":"kms:*","Resource":"*"}}`

func grantInput(key, grantee string, subset map[string]string, operations ...types.GrantOperation) *kms.CreateGrantInput {
	in := &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &grantee, Operations: operations}
	if subset != nil {
		in.Constraints = &types.GrantConstraints{EncryptionContextSubset: subset}
	}
	return in
}

// A grant acts until it is revoked or retired, and only within its constraint.
func TestGrants(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	key := f.createKey(t, grantsPolicy)
	_, blob := f.dataKey(t, key)
	decrypt := func() error {
		_, err := f.stranger().Decrypt(ctx, &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext()})
		return err
	}
	wantCode(t, decrypt(), "AccessDeniedException")
	_, err := f.owner().CreateGrant(ctx, grantInput(key, strangerARN, map[string]string{"anchorhold:tenant": "other"}, types.GrantOperationDecrypt))
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, decrypt(), "AccessDeniedException")
	in := grantInput(key, strangerARN, map[string]string{"anchorhold:tenant": "clinic"}, types.GrantOperationDecrypt)
	in.RetiringPrincipal = new("arn:aws:iam::444455556666:role/parent")
	out, err := f.owner().CreateGrant(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := decrypt(); err != nil {
		t.Errorf("with the grant: %v", err)
	}
	list, err := f.owner().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, GrantId: out.GrantId})
	if err != nil || len(list.Grants) != 1 || list.Grants[0].Constraints.EncryptionContextSubset["anchorhold:tenant"] != "clinic" {
		t.Errorf("got %v and %v, want the grant", list, err)
	}
	// The grantee may not end it, the retiring principal may.
	_, err = f.stranger().RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: out.GrantToken})
	wantCode(t, err, "AccessDeniedException")
	if _, err := f.parent().RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: out.GrantToken}); err != nil {
		t.Error(err)
	}
	wantCode(t, decrypt(), "AccessDeniedException")
	_, err = f.owner().RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: out.GrantId})
	wantCode(t, err, "NotFoundException")
}

// Attack: a grantee hands on more than it has.
func TestChildGrantsAreNoWider(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	key := f.createKey(t, grantsPolicy)
	clinic := map[string]string{"anchorhold:tenant": "clinic"}
	_, err := f.owner().CreateGrant(ctx, grantInput(key, "arn:aws:iam::444455556666:role/parent", clinic, types.GrantOperationDecrypt, types.GrantOperationCreateGrant))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]*kms.CreateGrantInput{
		"without the constraint": grantInput(key, strangerARN, nil, types.GrantOperationDecrypt),
		"another operation":      grantInput(key, strangerARN, clinic, types.GrantOperationEncrypt),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.parent().CreateGrant(ctx, in)
			wantCode(t, err, "AccessDeniedException")
		})
	}
	if _, err := f.parent().CreateGrant(ctx, grantInput(key, strangerARN, clinic, types.GrantOperationDecrypt)); err != nil {
		t.Errorf("as wide as its own: %v", err)
	}
}

// State survives a restart: a grant that was revoked must not come back, one that stands must not
// go.
func TestGrantsAndKindsOfKeysAreKept(t *testing.T) {
	state := t.TempDir() + "/state"
	f := serve(t, withState(state))
	ctx := context.Background()
	key := f.createKey(t, grantsPolicy)
	_, err := f.owner().CreateGrant(ctx, grantInput(key, strangerARN, nil, types.GrantOperationDecrypt))
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []*kms.CreateKeyInput{
		{MultiRegion: new(true)}, {KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement}, {Origin: types.OriginTypeExternal},
	} {
		if _, err := f.owner().CreateKey(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	again := serve(t, withState(state))
	list, err := again.owner().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(list.Grants) != 1 {
		t.Errorf("got %v and %v, want one grant", list, err)
	}
	keys, err := again.owner().ListKeys(ctx, &kms.ListKeysInput{})
	if err != nil || len(keys.Keys) != 4 {
		t.Errorf("got %v and %v, want four keys", keys, err)
	}
}

func withState(path string) func(*devkms.Config) {
	return func(c *devkms.Config) { c.State = path }
}
