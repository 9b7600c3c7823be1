package devkms_test

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/keylint"
)

const (
	workspace    = "arn:aws:aps:us-east-1:111122223333:workspace/ws-1"
	backup       = "backup.amazonaws.com"
	servicesYAML = usersYAML + `
  - {arn: backup.amazonaws.com, source-arn: "` + workspace + `", access-key-id: AKIASERVICE000000001, secret-access-key: service-secret-service-1}
  - {arn: backup.amazonaws.com, source-arn: "` + workspace + `x", access-key-id: AKIASERVICE000000002, secret-access-key: service-secret-service-2}
  - {arn: aps.amazonaws.com, source-arn: "` + workspace + `", access-key-id: AKIASERVICE000000003, secret-access-key: service-secret-service-3}
`
)

func withUsers(t *testing.T, yaml string) func(*devkms.Config) {
	t.Helper()
	users, err := devkms.ParseUsers([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *devkms.Config) { c.Users = users }
}

func serviceGrant(key string) *kms.CreateGrantInput {
	return &kms.CreateGrantInput{
		KeyId: &key, GranteeServicePrincipal: new(backup), RetiringServicePrincipal: new("aps.amazonaws.com"),
		Operations: []types.GrantOperation{types.GrantOperationDecrypt}, Constraints: &types.GrantConstraints{SourceArn: new(workspace)},
	}
}

// A grant to an AWS service acts for that service and the resource that it names, and for nobody
// else. The live reader sees it, and lint reports it.
func TestGrantToAService(t *testing.T) {
	f := serve(t, withUsers(t, servicesYAML))
	ctx := context.Background()
	key := f.createKey(t, grantsPolicy)
	_, blob := f.dataKey(t, key)
	decrypt := func(client *kms.Client) error {
		_, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext()})
		return err
	}
	service := f.client("AKIASERVICE000000001", "service-secret-service-1", "")
	otherResource := f.client("AKIASERVICE000000002", "service-secret-service-2", "")
	retiring := f.client("AKIASERVICE000000003", "service-secret-service-3", "")
	wantCode(t, decrypt(service), "AccessDeniedException")
	out, err := f.owner().CreateGrant(ctx, serviceGrant(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := decrypt(service); err != nil {
		t.Errorf("the service: %v", err)
	}
	wantCode(t, decrypt(otherResource), "AccessDeniedException")
	wantCode(t, decrypt(retiring), "AccessDeniedException")
	wantCode(t, decrypt(f.stranger()), "AccessDeniedException")

	live, err := keylint.Read(ctx, f.owner(), key)
	if err != nil || len(live.Grants) != 1 {
		t.Fatalf("got %+v (%v), want one grant", live, err)
	}
	if g := live.Grants[0]; g.Who() != backup || g.Grantee != "" || g.RetiringService != "aps.amazonaws.com" || g.SourceARN != workspace {
		t.Errorf("got grant %+v", g)
	}
	for _, rule := range []string{"grant-opens", "service-grant"} {
		if !slices.ContainsFunc(keylint.Lint(live), func(f keylint.Finding) bool {
			return f.Rule == rule && f.Grant == *out.GrantId && slices.Equal(f.Who, []string{backup})
		}) {
			t.Errorf("lint does not report %s of %s", rule, backup)
		}
	}
	_, err = service.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: out.GrantToken})
	wantCode(t, err, "AccessDeniedException")
	if _, err := retiring.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: out.GrantToken}); err != nil {
		t.Errorf("the retiring service: %v", err)
	}
	wantCode(t, decrypt(service), "AccessDeniedException")
}

// What API reference, CreateGrant, demands of grants to services.
func TestMalformedGrantsToServices(t *testing.T) {
	f := serve(t, withUsers(t, servicesYAML))
	key := f.createKey(t, grantsPolicy)
	for name, change := range map[string]func(*kms.CreateGrantInput){
		"no SourceArn":        func(in *kms.CreateGrantInput) { in.Constraints = nil },
		"no retiring":         func(in *kms.CreateGrantInput) { in.RetiringServicePrincipal = nil },
		"two grantees":        func(in *kms.CreateGrantInput) { in.GranteePrincipal = new(strangerARN) },
		"no grantee":          func(in *kms.CreateGrantInput) { in.GranteeServicePrincipal = nil },
		"two retiring":        func(in *kms.CreateGrantInput) { in.RetiringPrincipal = new(strangerARN) },
		"an ARN as a service": func(in *kms.CreateGrantInput) { in.GranteeServicePrincipal = new(strangerARN) },
	} {
		in := serviceGrant(key)
		change(in)
		if out, err := f.owner().CreateGrant(context.Background(), in); err == nil {
			t.Errorf("%s: got grant %s, want a refusal", name, *out.GrantId)
		} else {
			wantCode(t, err, "ValidationException")
		}
	}
	if _, err := f.owner().ListGrants(context.Background(), &kms.ListGrantsInput{KeyId: &key, GranteeServicePrincipal: new(backup)}); err == nil {
		t.Error("the owner listed grants by service, which only services may")
	}
}
