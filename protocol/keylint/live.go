package keylint

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/keypolicy"
)

// A Source is what Read needs of KMS; *kms.Client is one.
type Source interface {
	kms.ListGrantsAPIClient
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	GetKeyPolicy(context.Context, *kms.GetKeyPolicyInput, ...func(*kms.Options)) (*kms.GetKeyPolicyOutput, error)
}

// Read fetches policy, grants and metadata of a key. The caller's role needs kms:DescribeKey,
// kms:GetKeyPolicy and kms:ListGrants.
func Read(ctx context.Context, source Source, arn string) (*Key, error) {
	described, err := source.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
	if err != nil {
		return nil, fmt.Errorf("KMS DescribeKey: %w", err)
	}
	m := described.KeyMetadata
	k := &Key{Metadata: &Metadata{
		ARN: aws.ToString(m.Arn), Origin: string(m.Origin), KeySpec: string(m.KeySpec), KeyUsage: string(m.KeyUsage), KeyState: string(m.KeyState),
		MultiRegion: aws.ToBool(m.MultiRegion),
	}}
	text, err := source.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &arn})
	if err != nil {
		return nil, fmt.Errorf("KMS GetKeyPolicy: %w", err)
	}
	if k.Policy, err = keypolicy.Parse([]byte(aws.ToString(text.Policy))); err != nil {
		return nil, fmt.Errorf("the key's policy cannot be judged: %w", err)
	}
	pages := kms.NewListGrantsPaginator(source, &kms.ListGrantsInput{KeyId: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("KMS ListGrants: %w", err)
		}
		for _, g := range page.Grants {
			k.Grants = append(k.Grants, readGrant(&g))
		}
	}
	return k, nil
}

func readGrant(g *types.GrantListEntry) keypolicy.Grant {
	out := keypolicy.Grant{
		ID: aws.ToString(g.GrantId), Grantee: aws.ToString(g.GranteePrincipal), GranteeService: aws.ToString(g.GranteeServicePrincipal),
		Retiring: aws.ToString(g.RetiringPrincipal), RetiringService: aws.ToString(g.RetiringServicePrincipal),
	}
	for _, o := range g.Operations {
		out.Operations = append(out.Operations, string(o))
	}
	if g.Constraints != nil {
		out.Equals, out.Subset = g.Constraints.EncryptionContextEquals, g.Constraints.EncryptionContextSubset
		out.SourceARN = aws.ToString(g.Constraints.SourceArn)
	}
	return out
}
