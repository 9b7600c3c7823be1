package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/policy"
)

// maxCiphertext is the largest CiphertextBlob that KMS accepts back, KMS API reference.
const maxCiphertext = 6144

// awsKMS makes data keys with AWS's SDK, configured as every AWS tool is.
type awsKMS struct{ client *kms.Client }

var _ sealing.KeyMaker = (*awsKMS)(nil)

// newKMS connects to KMS in the Region of the key.
func newKMS(ctx context.Context, arn string) (*awsKMS, error) {
	key, err := policy.ParseKeyARN(arn)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(key.Region))
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return &awsKMS{kms.NewFromConfig(cfg)}, nil
}

// DataKey makes one data key. The answer must name the key that was asked: another one would be outside its key policy.
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
