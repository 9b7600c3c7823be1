package canary

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"anchorhold/protocol/keypolicy"
)

// An Identifier is what CheckCaller needs of STS; *sts.Client is one.
type Identifier interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// CheckCaller asks STS whose the credentials are and returns the ARN, which must be that of the
// role or of a session of it. With other credentials every refusal would be for want of being the
// role.
func CheckCaller(ctx context.Context, source Identifier, role string) (arn string, err error) {
	out, err := source.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("STS GetCallerIdentity: %w", err)
	}
	arn = aws.ToString(out.Arn)
	if arn != role && !keypolicy.IsSession(arn, role) {
		return "", fmt.Errorf("the credentials are those of %s, not of %s: refusals would prove nothing", arn, role)
	}
	return arn, nil
}
