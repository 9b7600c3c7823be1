package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"anchorhold/protocol/internal/endpoint"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/policy"
)

// maxCiphertext is the largest CiphertextBlob that KMS accepts back, KMS API reference.
const maxCiphertext = 6144

// awsKMS makes data keys with AWS's SDK, configured as every AWS tool is.
type awsKMS struct{ client *kms.Client }

var _ sealing.KeyMaker = (*awsKMS)(nil)

// endpointHelp is part of the help of each command that talks to AWS.
const endpointHelp = `The Region is that of the key. An endpoint from the environment or the shared configuration file
(AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KMS, endpoint_url) is refused unless it is https and the Region's
host, its FIPS or dual-stack host, or a VPC endpoint that --vpc-endpoint names; a policy that is NOT AWS
may use any. Standard error says which endpoint is used.`

// awsFlags choose the endpoints of AWS; every command that talks to it has them.
type awsFlags struct{ vpc []string }

func (f *awsFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.vpc, "vpc-endpoint", nil, "`HOST` of a VPC endpoint for KMS (or STS) to use, may be repeated")
}

// endpoints are the rules for what a command may talk to. Which endpoints are used goes to standard
// error.
func (a *app) endpoints(f awsFlags, notAWS bool) endpoint.Rules {
	return endpoint.Rules{NotAWS: notAWS, VPC: f.vpc, Report: func(s string) { a.notice("%s", s) }}
}

// newKMS makes a client for KMS in the Region of the key.
func newKMS(ctx context.Context, arn string, rules endpoint.Rules) (*awsKMS, error) {
	key, err := policy.ParseKeyARN(arn)
	if err != nil {
		return nil, err
	}
	client, err := rules.KMS(ctx, key)
	if err != nil {
		return nil, err
	}
	return &awsKMS{client}, nil
}

// DataKey makes one data key. The answer must name the key that was asked: another one would be
// outside its key policy.
func (k *awsKMS) DataKey(ctx context.Context, arn string, encryptionContext map[string]string) (*sealing.DataKey, error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: aws.String(arn), KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext,
	})
	if err != nil {
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() == "AccessDeniedException" {
			return nil, fmt.Errorf("KMS denies kms:GenerateDataKey with this key and context: check the key policy and your role: %w", err)
		}
		return nil, fmt.Errorf("KMS GenerateDataKey: %w", err)
	}
	switch {
	case aws.ToString(out.KeyId) != arn:
		clear(out.Plaintext)
		return nil, errors.New("KMS answered with another key than the one asked for")
	case len(out.Plaintext) != 32 || len(out.CiphertextBlob) == 0 || len(out.CiphertextBlob) > maxCiphertext:
		clear(out.Plaintext)
		return nil, errors.New("KMS answered with a malformed data key")
	}
	return &sealing.DataKey{Plaintext: out.Plaintext, Ciphertext: out.CiphertextBlob}, nil
}
