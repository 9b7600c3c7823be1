package boot

import (
	"context"
	"errors"

	"anchorhold/enclave/internal/job"
	"anchorhold/enclave/internal/keycache"
	"anchorhold/enclave/internal/kms"
	"anchorhold/protocol/code"
)

// cachedKeys asks KMS through the cache.
type cachedKeys struct {
	cache *keycache.Cache
	kms   *kms.Client
}

var _ job.Keys = cachedKeys{}

func (k cachedKeys) Key(ctx context.Context, arn string, encrypted []byte, encryptionContext map[string]string, key *[32]byte, late func(string)) (string, error) {
	id := keycache.Identify(arn, encrypted, encryptionContext)
	request, err := k.cache.Get(ctx, id, key, func(ctx context.Context, key *[keycache.KeySize]byte) (string, error) {
		return k.kms.Decrypt(ctx, kms.Request{ARN: arn, Ciphertext: encrypted, Context: encryptionContext}, key)
	}, late)
	if err == nil {
		return request, nil
	}
	if _, coded := errors.AsType[*code.Error](err); coded || ctx.Err() != nil {
		return "", err
	}
	return "", code.New(code.KMSUnavailable, err)
}
