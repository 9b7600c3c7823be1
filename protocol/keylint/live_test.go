package keylint_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/keylint"
)

// source is a KMS with one key, which has an open policy and the grants given.
type source []types.GrantListEntry

func (source) DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error) {
	return &kms.DescribeKeyOutput{KeyMetadata: &types.KeyMetadata{
		Arn: aws.String(arn), Origin: types.OriginTypeAwsKms, KeySpec: types.KeySpecSymmetricDefault, KeyUsage: types.KeyUsageTypeEncryptDecrypt, KeyState: types.KeyStateEnabled,
	}}, nil
}

func (source) GetKeyPolicy(context.Context, *kms.GetKeyPolicyInput, ...func(*kms.Options)) (*kms.GetKeyPolicyOutput, error) {
	return &kms.GetKeyPolicyOutput{Policy: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/admin"},"Action":"kms:PutKeyPolicy","Resource":"*"}}`)}, nil
}

func (s source) ListGrants(context.Context, *kms.ListGrantsInput, ...func(*kms.Options)) (*kms.ListGrantsOutput, error) {
	return &kms.ListGrantsOutput{Grants: s}, nil
}

// Attack: a grant to an AWS service, which names no principal of IAM. It is read, judged and shown.
func TestLiveGrants(t *testing.T) {
	const service = "aps.amazonaws.com"
	constrained := &types.GrantConstraints{SourceArn: aws.String("arn:aws:aps:us-east-1:111122223333:workspace/ws-1")}
	for name, c := range map[string]struct {
		entry types.GrantListEntry
		rules string
		who   string
	}{
		"service":            {types.GrantListEntry{GranteeServicePrincipal: aws.String(service), Operations: []types.GrantOperation{"Decrypt"}, Constraints: constrained}, "grant-opens service-grant", service},
		"service, old field": {types.GrantListEntry{GranteePrincipal: aws.String(service), Operations: []types.GrantOperation{"GenerateDataKey"}}, "grant-mints service-grant", service},
		"role":               {types.GrantListEntry{GranteePrincipal: aws.String("arn:aws:iam::444455556666:role/x"), Operations: []types.GrantOperation{"Decrypt"}}, "grant-opens", "arn:aws:iam::444455556666:role/x"},
		"nobody named":       {types.GrantListEntry{Operations: []types.GrantOperation{"Decrypt"}}, "unknown-grantee", ""},
	} {
		c.entry.GrantId = aws.String("g1")
		key, err := keylint.Read(t.Context(), source{c.entry}, arn)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range keylint.Lint(key) {
			if f.Grant != "g1" {
				continue
			}
			got = append(got, f.Rule)
			if strings.Join(f.Who, " ") != c.who {
				t.Errorf("%s: %s is about %q, want %q", name, f.Rule, f.Who, c.who)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.rules {
			t.Errorf("%s: got %v, want %s", name, got, c.rules)
		}
	}
}
