package devkms_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
)

// A token imports into its own key for a day, and a key takes no other material than its first.
func TestImport(t *testing.T) {
	p := newProving(t, ownersAccount)
	ctx := context.Background()
	k := p.seal(t, openPolicy, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	other := p.seal(t, openPolicy, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	in := func(k *sealedKey, token []byte) *kms.ImportKeyMaterialInput {
		return &kms.ImportKeyMaterialInput{
			KeyId: &k.arn, EncryptedKeyMaterial: k.wrap(material), ImportToken: token, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		}
	}
	_, err := p.keeper.ImportKeyMaterial(ctx, in(k, other.params.ImportToken))
	wantCode(t, err, "InvalidImportTokenException")
	_, err = p.keeper.ImportKeyMaterial(ctx, in(k, []byte("forged")))
	wantCode(t, err, "InvalidImportTokenException")
	short := in(k, k.params.ImportToken)
	short.EncryptedKeyMaterial = k.wrap(material[:31])
	_, err = p.keeper.ImportKeyMaterial(ctx, short)
	wantCode(t, err, "InvalidCiphertextException")
	// of another account, whatever the policy says
	_, err = p.actor("other").ImportKeyMaterial(ctx, in(k, k.params.ImportToken))
	wantCode(t, err, "AccessDeniedException")
	expires := in(k, k.params.ImportToken)
	expires.ExpirationModel, expires.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, new(time.Now().Add(time.Hour))
	if _, err = p.keeper.ImportKeyMaterial(ctx, expires); err == nil {
		t.Error("material that expires was taken: it would not")
	}
	if !k.importAs(p.keeper) {
		t.Fatal("importing failed")
	}
	b, err := k.dataKeyAs(p.owner(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.keeper.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.arn}); err != nil {
		t.Fatal(err)
	}
	_, err = k.dataKeyAs(p.owner(), nil)
	wantCode(t, err, "KMSInvalidStateException")
	another := in(k, k.params.ImportToken)
	another.EncryptedKeyMaterial = k.wrap([]byte("other key material, 32 bytes too"))
	_, err = p.keeper.ImportKeyMaterial(ctx, another)
	wantCode(t, err, "IncorrectKeyMaterialException")
	if !k.importAs(p.keeper) || !k.decrypt(p.owner(), "", b) {
		t.Error("the same material does not open what was sealed")
	}
	ours := p.newKey(t, openPolicy, &kms.CreateKeyInput{})
	_, err = p.keeper.GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: &ours, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	wantCode(t, err, "UnsupportedOperationException")
}

func TestImportTokenExpires(t *testing.T) {
	var late atomic.Int64 // hours
	f := serve(t, func(c *devkms.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load()) * time.Hour) }
	})
	ctx := context.Background()
	out, err := f.owner().CreateKey(ctx, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	if err != nil {
		t.Fatal(err)
	}
	k := &sealedKey{t: t, arn: *out.KeyMetadata.Arn}
	k.params, err = f.owner().GetParametersForImport(ctx, &kms.GetParametersForImportInput{
		KeyId: &k.arn, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"KeyId": k.arn, "EncryptedKeyMaterial": k.wrap(material), "ImportToken": k.params.ImportToken, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
	})
	if err != nil {
		t.Fatal(err)
	}
	late.Store(24)
	r := f.signed(t, "TrentService.ImportKeyMaterial", string(body), ownerKeys, time.Now().Add(24*time.Hour), "kms@us-east-1")
	if _, code := f.post(t, r); code != "ExpiredImportTokenException" {
		t.Errorf("got %s, want ExpiredImportTokenException", code)
	}
}

// Keys in other states than the first survive a restart as they are, also those whose material or
// store is elsewhere.
func TestStatesAreKept(t *testing.T) {
	state := t.TempDir() + "/state"
	f := serve(t, withState(state))
	ctx := context.Background()
	var keys []string
	for _, in := range []*kms.CreateKeyInput{{}, {}, {Origin: types.OriginTypeExternal}} {
		out, err := f.owner().CreateKey(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, *out.KeyMetadata.Arn)
	}
	if _, err := f.owner().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &keys[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.owner().ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &keys[1]}); err != nil {
		t.Fatal(err)
	}
	again := serve(t, withState(state))
	for i, want := range []types.KeyState{types.KeyStateDisabled, types.KeyStatePendingDeletion, types.KeyStatePendingImport} {
		out, err := again.owner().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &keys[i]})
		if err != nil || out.KeyMetadata.KeyState != want {
			t.Errorf("got %v and %v, want %s", out, err, want)
		}
	}
	// Attack: a deletion that was asked for is not undone by enabling the key.
	_, err := again.owner().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &keys[1]})
	wantCode(t, err, "KMSInvalidStateException")
	_, err = again.owner().CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &keys[0]})
	wantCode(t, err, "KMSInvalidStateException")
	_, err = again.owner().ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &keys[0], PendingWindowInDays: new(int32(6))})
	wantCode(t, err, "ValidationException")
	// The way around: re-encryption asks the state of both keys.
	open, err := again.owner().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	blob, err := again.owner().Encrypt(ctx, &kms.EncryptInput{KeyId: open.KeyMetadata.Arn, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = again.owner().ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob.CiphertextBlob, DestinationKeyId: &keys[0]})
	wantCode(t, err, "DisabledException")
}
