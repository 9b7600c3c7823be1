package devkms_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const permissionsYAML = usersYAML + `
  - {arn: "arn:aws:iam::444455556666:role/parent", access-key-id: AKIAPERMITTED0000001, secret-access-key: permitted-secret-permitted, identity: ["kms:Decrypt"]}
  - {arn: "arn:aws:iam::444455556666:role/parent", access-key-id: AKIANOTHING000000001, secret-access-key: nothing-secret-nothing, identity: []}
  - {arn: "arn:aws:iam::111122223333:role/clerk", access-key-id: AKIACLERK00000000001, secret-access-key: clerk-secret-clerk-secret, identity: []}
  - {arn: "arn:aws:iam::111122223333:role/direct", access-key-id: AKIADIRECT0000000001, secret-access-key: direct-secret-direct-secret, identity: []}
`

// A refusal says whose policy refused, in AWS's words (IAM User Guide, "Troubleshoot access denied
// error messages").
func TestRefusalsStateTheReason(t *testing.T) {
	f := serve(t, withUsers(t, permissionsYAML))
	key := f.createKey(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/owner"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::444455556666:role/parent","arn:aws:iam::111122223333:role/direct"]},"Action":["kms:Decrypt","kms:Encrypt"],"Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:Encrypt","Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"kms:CreateGrant","Resource":"*"}]}`)
	_, blob := f.dataKey(t, key)
	permitted := f.client("AKIAPERMITTED0000001", "permitted-secret-permitted", "")
	nothing := f.client("AKIANOTHING000000001", "nothing-secret-nothing", "")
	decrypt := func(c *kms.Client) error {
		_, err := c.Decrypt(context.Background(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext()})
		return err
	}
	encrypt := func(c *kms.Client) error {
		_, err := c.Encrypt(context.Background(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
		return err
	}
	list := func(c *kms.Client) error {
		_, err := c.ListGrants(context.Background(), &kms.ListGrantsInput{KeyId: &key})
		return err
	}
	grant := func(c *kms.Client) error {
		_, err := c.CreateGrant(context.Background(), grantInput(key, strangerARN, nil, "Decrypt"))
		return err
	}
	policy := func(c *kms.Client) error {
		_, err := c.GetKeyPolicy(context.Background(), &kms.GetKeyPolicyInput{KeyId: &key})
		return err
	}
	for name, c := range map[string]struct {
		do     func(*kms.Client) error
		client *kms.Client
		want   string // "" when it is allowed
	}{
		"both allow":                        {decrypt, permitted, ""},
		"IAM allows nothing":                {decrypt, nothing, "because no identity-based policy allows the kms:Decrypt action"},
		"IAM allows another action":         {encrypt, permitted, "because no identity-based policy allows the kms:Encrypt action"},
		"the key policy allows nobody":      {list, f.stranger(), "because no resource-based policy allows the kms:ListGrants action"},
		"the key policy denies":             {grant, nothing, "with an explicit deny in a resource-based policy"},
		"an operation for one account":      {policy, f.stranger(), "because no resource-based policy allows the kms:GetKeyPolicy action"},
		"delegated, without IAM":            {encrypt, f.client("AKIACLERK00000000001", "clerk-secret-clerk-secret", ""), "because no identity-based policy allows the kms:Encrypt action"},
		"named in the account, without IAM": {decrypt, f.client("AKIADIRECT0000000001", "direct-secret-direct-secret", ""), ""},
	} {
		err := c.do(c.client)
		var api smithy.APIError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: got %v, want no error", name, err)
		case c.want != "" && (!errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" || !strings.HasSuffix(api.ErrorMessage(), " on resource: "+key+" "+c.want)):
			t.Errorf("%s: got %v, want the reason %q", name, err, c.want)
		}
	}
}

// STS says whose the credentials are, to whoever has the secret.
func TestCallerIdentity(t *testing.T) {
	f := serve(t, nil)
	ask := func(creds aws.Credentials) (*sts.GetCallerIdentityOutput, error) {
		client := sts.New(sts.Options{
			Region: region, BaseEndpoint: &f.endpoint, HTTPClient: f.http, Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
		})
		return client.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	}
	out, err := ask(parentKeys)
	if err != nil || *out.Arn != "arn:aws:sts::444455556666:assumed-role/parent/i-0abc" || *out.Account != "444455556666" {
		t.Fatalf("got %+v (%v), want the parent's session", out, err)
	}
	if event := f.events.last(t); event["eventSource"] != "sts.amazonaws.com" || event["eventName"] != "GetCallerIdentity" {
		t.Errorf("got event %v", event)
	}
	wrong := parentKeys
	wrong.SecretAccessKey = "guess"
	if out, err := ask(wrong); err == nil {
		t.Errorf("with a wrong secret: got %s", *out.Arn)
	} else {
		wantCode(t, err, "InvalidSignatureException")
	}
	if out, err := ask(aws.Credentials{AccessKeyID: "AKIANOBODY0000000000", SecretAccessKey: "x"}); err == nil {
		t.Errorf("unknown: got %s", *out.Arn)
	}
}

// Attack: a signature for one service is used at the other.
func TestSignaturesAreForOneService(t *testing.T) {
	f := serve(t, nil)
	for _, scope := range []string{"sts@" + region, "s3@" + region} {
		if status, code := f.post(t, f.signed(t, listKeys, `{}`, ownerKeys, time.Now(), scope)); code != "InvalidSignatureException" {
			t.Errorf("%s: got %d %s, want InvalidSignatureException", scope, status, code)
		}
	}
}
