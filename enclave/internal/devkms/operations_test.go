package devkms_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// The default policy delegates to the account: each principal of it may do everything, others
// nothing.
func TestDefaultPolicy(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	created, err := f.owner().CreateKey(ctx, &kms.CreateKeyInput{Description: new("records")})
	if err != nil {
		t.Fatal(err)
	}
	meta := created.KeyMetadata
	if !meta.Enabled || meta.KeyState != types.KeyStateEnabled || meta.KeyUsage != types.KeyUsageTypeEncryptDecrypt ||
		*meta.AWSAccountId != account || *meta.Description != "records" || meta.CreationDate == nil || *meta.Arn != "arn:aws:kms:us-east-1:"+account+":key/"+*meta.KeyId {
		t.Errorf("got metadata %+v", meta)
	}
	policy, err := f.owner().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: meta.KeyId})
	if err != nil || !strings.Contains(*policy.Policy, "arn:aws:iam::"+account+":root") {
		t.Errorf("got policy %v and error %v, want the account's root", policy, err)
	}
	in := &kms.GenerateDataKeyInput{KeyId: meta.Arn, KeySpec: types.DataKeySpecAes256}
	if _, err := f.owner().GenerateDataKey(ctx, in); err != nil {
		t.Error(err)
	}
	_, err = f.stranger().GenerateDataKey(ctx, in)
	wantCode(t, err, "AccessDeniedException")
}

func TestEncryptDecrypt(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	created, err := f.owner().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	key := created.KeyMetadata.Arn
	sealed, err := f.owner().Encrypt(ctx, &kms.EncryptInput{KeyId: key, Plaintext: []byte("x"), EncryptionContext: map[string]string{"a": "bc"}})
	if err != nil {
		t.Fatal(err)
	}
	open := func(context map[string]string) ([]byte, error) {
		out, err := f.owner().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context})
		if err != nil {
			return nil, err
		}
		return out.Plaintext, nil
	}
	if got, err := open(map[string]string{"a": "bc"}); err != nil || !bytes.Equal(got, []byte("x")) {
		t.Errorf("got %q and %v, want x", got, err)
	}
	// The same letters split elsewhere are another context.
	for _, other := range []map[string]string{{"ab": "c"}, {"a": "b", "c": ""}, {"A": "bc"}, {}, {"a": "bc", "": ""}} {
		_, err := open(other)
		wantCode(t, err, "InvalidCiphertextException")
	}
}

func TestKeyNames(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	arn := f.createKey(t, attestedPolicy())
	id := arn[strings.LastIndexByte(arn, '/')+1:]
	alias := &kms.CreateAliasInput{AliasName: new("alias/records"), TargetKeyId: &id}
	if _, err := f.owner().CreateAlias(ctx, alias); err != nil {
		t.Fatal(err)
	}
	_, err := f.owner().CreateAlias(ctx, alias)
	wantCode(t, err, "AlreadyExistsException")
	_, err = f.stranger().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/mine"), TargetKeyId: &arn})
	wantCode(t, err, "AccessDeniedException")
	_, err = f.stranger().DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: alias.AliasName})
	wantCode(t, err, "AccessDeniedException")
	for _, bad := range []string{"records", "alias/", "alias/aws/x", "alias/a b"} {
		_, err = f.owner().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &bad, TargetKeyId: &id})
		wantCode(t, err, "InvalidAliasNameException")
	}
	for _, name := range []string{id, arn, "alias/records", "arn:aws:kms:us-east-1:" + account + ":alias/records"} {
		out, err := f.owner().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
		if err != nil || *out.KeyMetadata.Arn != arn {
			t.Errorf("%s: got error %v, want the key", name, err)
		}
	}
	for _, name := range []string{
		strings.ToUpper(id), "alias/Records", "arn:aws:kms:us-west-2:" + account + ":key/" + id, "arn:aws:kms:us-east-1:444455556666:key/" + id,
		"arn:aws:kms:us-east-1:" + account + ":" + id, "arn:aws:kms:us-east-1:" + account + ":key/alias/records", "x",
	} {
		_, err := f.owner().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
		wantCode(t, err, "NotFoundException")
	}
	list, err := f.owner().ListAliases(ctx, &kms.ListAliasesInput{KeyId: &id})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].TargetKeyId != id {
		t.Errorf("got aliases %v and error %v, want one", list, err)
	}
	if _, err := f.owner().DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: alias.AliasName}); err != nil {
		t.Error(err)
	}
	_, err = f.owner().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: alias.AliasName})
	wantCode(t, err, "NotFoundException")
}

func TestListKeysInPages(t *testing.T) {
	f := serve(t, nil)
	want := make(map[string]bool)
	for range 5 {
		want[f.createKey(t, attestedPolicy())] = true
	}
	pages := kms.NewListKeysPaginator(f.owner(), &kms.ListKeysInput{Limit: new(int32(2))})
	for n := 0; pages.HasMorePages(); n++ {
		out, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Keys) > 2 || n > 3 {
			t.Fatalf("page %d has %d keys", n, len(out.Keys))
		}
		for _, k := range out.Keys {
			if !want[*k.KeyArn] {
				t.Errorf("got %s twice or unexpected", *k.KeyArn)
			}
			delete(want, *k.KeyArn)
		}
	}
	if len(want) != 0 {
		t.Errorf("%d keys were not listed", len(want))
	}
	_, err := f.parent().ListKeys(context.Background(), &kms.ListKeysInput{})
	wantCode(t, err, "AccessDeniedException")
}

func TestKeyPolicyChanges(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	key := f.createKey(t, attestedPolicy())
	_, err := f.parent().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(attestedPolicy())})
	wantCode(t, err, "AccessDeniedException")
	_, err = f.owner().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(`{"Statement":[]}`)})
	wantCode(t, err, "MalformedPolicyDocumentException")
	lockout := `{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:DescribeKey","Resource":"*"}}`
	_, err = f.owner().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &lockout})
	wantCode(t, err, "MalformedPolicyDocumentException")
	_, err = f.owner().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &lockout, BypassPolicyLockoutSafetyCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	// The new policy counts at once.
	if _, err := f.stranger().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key}); err != nil {
		t.Error(err)
	}
	_, err = f.owner().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(attestedPolicy())})
	wantCode(t, err, "AccessDeniedException")
}

// A refused request and the exception that it must meet.
type refused struct {
	call func() error
	want string
}

func TestRefusedRequests(t *testing.T) {
	f := serve(t, nil)
	key := f.createKey(t, attestedPolicy())
	for _, table := range []map[string]refused{refusedCrypto(f, key), refusedElsewhere(f, key)} {
		for name, c := range table {
			t.Run(name, func(t *testing.T) { wantCode(t, c.call(), c.want) })
		}
	}
}

func refusedCrypto(f *fixture, key string) map[string]refused {
	ctx, owner := context.Background(), f.owner()
	big := map[string]string{"a": strings.Repeat("x", 8192)}
	return map[string]refused{
		"plaintext too long": {func() error {
			_, err := owner.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: make([]byte, 4097)})
			return err
		}, "ValidationException"},
		"plaintext empty": {func() error {
			_, err := owner.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte{}})
			return err
		}, "ValidationException"},
		"context too long": {func() error {
			_, err := owner.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: big})
			return err
		}, "ValidationException"},
		"asymmetric algorithm": {func() error {
			_, err := owner.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
			return err
		}, "InvalidKeyUsageException"},
		"no length": {func() error {
			_, err := owner.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key})
			return err
		}, "ValidationException"},
		"two lengths": {func() error {
			_, err := owner.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256, NumberOfBytes: new(int32(1))})
			return err
		}, "ValidationException"},
		"unknown spec": {func() error {
			_, err := owner.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: "AES_512"})
			return err
		}, "ValidationException"},
		"too many bytes": {func() error {
			_, err := owner.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, NumberOfBytes: new(int32(1025))})
			return err
		}, "ValidationException"},
		"no bytes": {func() error {
			_, err := owner.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(int32(0))})
			return err
		}, "ValidationException"},
		"dry run": {func() error {
			_, err := owner.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256, DryRun: new(true)})
			return err
		}, "DryRunOperationException"},
		"dry run without permission": {func() error {
			_, err := f.stranger().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256, DryRun: new(true)})
			return err
		}, "AccessDeniedException"},
	}
}

func refusedElsewhere(f *fixture, key string) map[string]refused {
	ctx, owner := context.Background(), f.owner()
	return map[string]refused{
		"grant token": {func() error {
			_, err := owner.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256, GrantTokens: []string{"x"}})
			return err
		}, "InvalidGrantTokenException"},
		"asymmetric key": {func() error {
			_, err := owner.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048})
			return err
		}, "UnsupportedOperationException"},
		"key in a custom store": {func() error {
			_, err := owner.CreateKey(ctx, &kms.CreateKeyInput{CustomKeyStoreId: new("cks-1")})
			return err
		}, "UnsupportedOperationException"},
		"key in another account": {func() error {
			_, err := f.stranger().CreateKey(ctx, &kms.CreateKeyInput{})
			return err
		}, "AccessDeniedException"},
		"unknown operation": {func() error {
			_, err := owner.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &key, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte("x")})
			return err
		}, "UnknownOperationException"},
		"unknown policy name": {func() error {
			_, err := owner.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key, PolicyName: new("other")})
			return err
		}, "NotFoundException"},
	}
}

func TestLargestRequestsPass(t *testing.T) {
	f := serve(t, nil)
	ctx := context.Background()
	key := f.createKey(t, attestedPolicy())
	if _, err := f.owner().Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: make([]byte, 4096)}); err != nil {
		t.Error(err)
	}
	out, err := f.owner().GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &key, NumberOfBytes: new(int32(1024))})
	if err != nil || len(out.CiphertextBlob) == 0 {
		t.Errorf("got %v, want a blob", err)
	}
	names, err := f.owner().ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &key})
	if err != nil || len(names.PolicyNames) != 1 || names.PolicyNames[0] != "default" {
		t.Errorf("got %v and %v, want default", names, err)
	}
}
