package kms

import (
	"context"
	"errors"

	"github.com/aws/smithy-go"

	"anchorhold/protocol/code"
)

// answers maps KMS's error codes to ours; the text beside them goes nowhere. Source: AWS KMS API reference, Decrypt and common errors.
var answers = map[string]code.Code{
	"AccessDeniedException":       code.KMSDenied,
	"DisabledException":           code.KMSDenied,
	"IncorrectKeyException":       code.KMSDenied,
	"InvalidCiphertextException":  code.KMSDenied,
	"InvalidGrantTokenException":  code.KMSDenied,
	"InvalidKeyUsageException":    code.KMSDenied,
	"KMSInvalidStateException":    code.KMSDenied,
	"NotFoundException":           code.KMSDenied,
	"ValidationException":         code.KMSDenied,
	"UnsupportedOperation":        code.KMSDenied,
	"ThrottlingException":         code.KMSThrottled,
	"Throttling":                  code.KMSThrottled,
	"LimitExceededException":      code.KMSThrottled,
	"RequestLimitExceeded":        code.KMSThrottled,
	"TooManyRequestsException":    code.KMSThrottled,
	"DependencyTimeoutException":  code.KMSUnavailable,
	"KMSInternalException":        code.KMSUnavailable,
	"KeyUnavailableException":     code.KMSUnavailable,
	"InternalFailure":             code.KMSUnavailable,
	"ServiceUnavailable":          code.KMSUnavailable,
	"ExpiredTokenException":       code.CredentialsUnavailable,
	"IncompleteSignature":         code.CredentialsUnavailable,
	"InvalidClientTokenId":        code.CredentialsUnavailable,
	"InvalidSignatureException":   code.CredentialsUnavailable,
	"MissingAuthenticationToken":  code.CredentialsUnavailable,
	"NotAuthorized":               code.CredentialsUnavailable,
	"OptInRequired":               code.CredentialsUnavailable,
	"RequestExpired":              code.CredentialsUnavailable,
	"UnrecognizedClientException": code.CredentialsUnavailable,
}

// failed returns the coded error for a failed call.
func (c *Client) failed(ctx context.Context, err error) error {
	result := classify(err)
	if code.Of(result) == code.CredentialsUnavailable {
		c.credentials.forget(ctx)
		// The SDK's signers keep derived keys by access key id alone: one wrong secret beside a right id would deny service until
		// the next day, long after the parent has mended its ways.
		c.mu.Lock()
		clear(c.clients)
		c.mu.Unlock()
	}
	return result
}

func classify(err error) error {
	if known, ok := errors.AsType[*code.Error](err); ok { // ours: relay or credentials
		return known
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		if known, ok := answers[answer.ErrorCode()]; ok {
			return code.New(known, err)
		}
		return code.New(code.KMSUnavailable, err)
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok || errors.Is(err, errResponseTooLong) {
		return code.New(code.KMSAnswerInvalid, err)
	}
	if errors.Is(err, context.Canceled) {
		return code.New(code.Canceled, err)
	}
	return code.New(code.KMSUnavailable, err) // no connection, no TLS, no answer in time
}
