package devkms_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/keylint"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// lintLive judges a key as it stands and names the rules that find something.
func lintLive(t *testing.T, client *kms.Client, arn string) string {
	t.Helper()
	key, err := keylint.Read(context.Background(), client, arn)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	seen := map[string]bool{}
	for _, f := range keylint.Lint(key) {
		if !seen[f.Rule] {
			seen[f.Rule] = true
			names = append(names, f.Rule)
		}
	}
	return sorted(names)
}

// finds wants the linter to say this about the key.
func (k *sealedKey) finds(want string) {
	k.t.Helper()
	if got := lintLive(k.t, k.keeper, k.arn); got != want {
		k.t.Errorf("got findings %q, want %q", got, want)
	}
}

// Attack: a grant, which no condition limits. Behind denials it is idle; with them gone it opens
// and makes data keys; revoked it does neither.
func TestGrantFindingsAreReal(t *testing.T) {
	p := newProving(t, ownersAccount)
	good := goodPolicy(t)
	bare := string(vectorfile.Load(t, "../../../protocol/keylint/testdata/flawed/bare.txt")[0].Body)
	ctx := context.Background()
	k := p.seal(t, openPolicy, &kms.CreateKeyInput{})
	out, err := p.owner().CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &k.arn, GranteePrincipal: new(strangerUserARN),
		Operations: []types.GrantOperation{types.GrantOperationDecrypt, types.GrantOperationGenerateDataKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	acts := func(policy string, want bool, findings string) {
		t.Helper()
		k.put(policy)
		_, err := k.dataKeyAs(p.stranger(), contextOf(image, "clinic"))
		if opens := k.decrypt(p.stranger(), "", k.blobs["a"]); opens != want || (err == nil) != want {
			t.Errorf("got opened %v and %v for a data key, want %v", opens, err, want)
		}
		k.finds(findings)
	}
	acts(good, false, "idle-grant")
	acts(bare, true, "grant-mints grant-opens nothing-denied")
	if _, err := p.keeper.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &k.arn, GrantId: out.GrantId}); err != nil {
		t.Fatal(err)
	}
	acts(bare, false, "nothing-denied")
	acts(good, false, "")
}

// Attack: the replica of a multi-Region key under a policy of its own. Of a single-Region key there
// is none.
func TestMultiRegionFindingIsReal(t *testing.T) {
	p := newProving(t, ownersAccount)
	many := p.seal(t, openPolicy, &kms.CreateKeyInput{MultiRegion: new(true)})
	replica := *many
	replica.arn = many.replicate(p.owner())
	many.put(goodPolicy(t))
	many.finds("multi-region")
	if unattested(many) || !replica.decrypt(p.stranger(), "", many.blobs["a"]) {
		t.Error("want the replica, and it alone, to open")
	}
	single := p.seal(t, openPolicy, &kms.CreateKeyInput{})
	if arn := single.replicate(p.owner()); arn != "" {
		t.Errorf("a single-Region key has replica %s", arn)
	}
	single.put(goodPolicy(t))
	single.finds("")
}

// Attack: who imported the material of a key reads what is sealed under it, whatever its policy
// says. Of a key that KMS made nobody has it.
func TestImportedMaterialFindingIsReal(t *testing.T) {
	p := newProving(t, ownersAccount)
	k := p.seal(t, openPolicy, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	if !k.importAs(p.keeper) {
		t.Fatal("importing failed")
	}
	k.put(goodPolicy(t))
	k.finds("imported-material")
	b, err := k.dataKeyAs(p.owner(), contextOf(image, "clinic"))
	if err != nil || unattestedBlob(k, b) || !k.openedOutside(b) {
		t.Errorf("want a data key that KMS keeps and the importer reads (%v)", err)
	}
	fixed := p.seal(t, goodPolicy(t), &kms.CreateKeyInput{})
	fixed.finds("")
	if fixed.openedOutside(fixed.blobs["a"]) {
		t.Error("material of KMS's own is known")
	}
}

// Attack: whoever runs a CloudHSM cluster opens there, without KMS. A key manager behind an
// external key store sees nothing, as KMS encrypts first, and can stop every job.
func TestStoreFindingsAreReal(t *testing.T) {
	p := newProving(t, ownersAccount)
	good := goodPolicy(t)
	cluster := p.seal(t, good, &kms.CreateKeyInput{Origin: types.OriginTypeAwsCloudhsm, CustomKeyStoreId: new("cks-1")})
	cluster.finds("cluster-store")
	if secret := cluster.blobs["a"].plaintext; unattested(cluster) || !p.cluster.saw(secret) {
		t.Error("want a data key that KMS keeps and the cluster has seen")
	}
	external := p.seal(t, good, &kms.CreateKeyInput{Origin: types.OriginTypeExternalKeyStore, CustomKeyStoreId: new("cks-1"), XksKeyId: new("their-key")})
	external.finds("external-store")
	if !external.decrypt(p.parent(), "a", external.blobs["a"]) || p.cluster.saw(external.blobs["a"].plaintext) {
		t.Error("want a data key that the image opens and the key manager never sees")
	}
	fixed := p.seal(t, good, &kms.CreateKeyInput{})
	fixed.finds("")
	p.cluster.stop(true)
	for name, k := range map[string]*sealedKey{"cluster": cluster, "key manager": external} {
		_, err := k.dataKeyAs(p.owner(), contextOf(image, "clinic"))
		wantCode(t, err, "KMSInvalidStateException")
		if k.works() {
			t.Errorf("%s: jobs run while it is stopped", name)
		}
	}
	if !fixed.works() || p.cluster.saw(fixed.blobs["a"].plaintext) {
		t.Error("a key of KMS's own depends on the store")
	}
	p.cluster.stop(false)
	if !external.works() || !cluster.works() {
		t.Error("jobs do not run once the store is back")
	}
}

// The harm of a key that is not enabled, or of another kind, is that no job can be sealed or run;
// the fix ends it.
func TestUselessKeyFindingsAreReal(t *testing.T) {
	p := newProving(t, ownersAccount)
	good, ctx := goodPolicy(t), context.Background()
	k := p.seal(t, good, &kms.CreateKeyInput{})
	useless := func(k *sealedKey, code, findings string) {
		t.Helper()
		k.finds(findings)
		_, err := k.dataKeyAs(p.owner(), contextOf(image, "clinic"))
		wantCode(t, err, code)
		if len(k.blobs) > 0 && k.works() {
			t.Error("the image opens")
		}
	}
	id := kms.DisableKeyInput{KeyId: &k.arn}
	if _, err := p.keeper.DisableKey(ctx, &id); err != nil {
		t.Fatal(err)
	}
	useless(k, "DisabledException", "not-enabled")
	if _, err := p.keeper.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.arn, PendingWindowInDays: new(int32(7))}); err != nil {
		t.Fatal(err)
	}
	useless(k, "KMSInvalidStateException", "not-enabled")
	if _, err := p.keeper.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.arn}); err != nil {
		t.Fatal(err)
	}
	useless(k, "DisabledException", "not-enabled")
	if _, err := p.keeper.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.arn}); err != nil {
		t.Fatal(err)
	}
	k.finds("")
	if _, err := k.dataKeyAs(p.owner(), contextOf(image, "clinic")); err != nil || !k.works() {
		t.Errorf("enabled again: %v", err)
	}
	pending := p.seal(t, good, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	useless(pending, "KMSInvalidStateException", "imported-material not-enabled")
	agreement := &sealedKey{proving: p, t: t, policy: good}
	agreement.arn = p.newKey(t, good, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement})
	useless(agreement, "InvalidKeyUsageException", "wrong-key")
}
