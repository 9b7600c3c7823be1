package kms

import (
	"context"
	"errors"

	"github.com/aws/smithy-go"

	"anchorhold/protocol/code"
)

// answers maps KMS's error codes to ours; the text beside them goes nowhere. Source: AWS KMS API
// reference, Decrypt and common errors.
var answers = map[string]code.Code{
	"AccessDeniedException":      code.KMSDenied,
	"DisabledException":          code.KMSDenied,
	"IncorrectKeyException":      code.KMSDenied,
	"InvalidCiphertextException": code.KMSDenied,
	"InvalidGrantTokenException": code.KMSDenied,
	"InvalidKeyUsageException":   code.KMSDenied,
	"KMSInvalidStateException":   code.KMSDenied,
	"NotFoundException":          code.KMSDenied,
	"ValidationException":        code.KMSDenied,
	"UnsupportedOperation":       code.KMSDenied,
	"ThrottlingException":        code.KMSThrottled,
	"Throttling":                 code.KMSThrottled,
	"LimitExceededException":     code.KMSThrottled,
	"RequestLimitExceeded":       code.KMSThrottled,
	"TooManyRequestsException":   code.KMSThrottled,
	"DependencyTimeoutException": code.KMSUnavailable,
	"KMSInternalException":       code.KMSUnavailable,
	"KeyUnavailableException":    code.KMSUnavailable,
	"InternalFailure":            code.KMSUnavailable,
	"ServiceUnavailable":         code.KMSUnavailable,
	// NotAuthorized is a matter of policy, and RequestExpired of clocks: other credentials would
	// not help.
	"NotAuthorized":  code.KMSDenied,
	"RequestExpired": code.KMSUnavailable,
	// KMS uses the names with Exception; the common errors are documented without it.
	"ExpiredToken":                        code.CredentialsRefused,
	"ExpiredTokenException":               code.CredentialsRefused,
	"IncompleteSignature":                 code.CredentialsRefused,
	"IncompleteSignatureException":        code.CredentialsRefused,
	"InvalidClientTokenId":                code.CredentialsRefused,
	"InvalidClientTokenIdException":       code.CredentialsRefused,
	"InvalidSignatureException":           code.CredentialsRefused,
	"MissingAuthenticationToken":          code.CredentialsRefused,
	"MissingAuthenticationTokenException": code.CredentialsRefused,
	"OptInRequired":                       code.CredentialsRefused,
	"SignatureDoesNotMatch":               code.CredentialsRefused,
	"UnrecognizedClientException":         code.CredentialsRefused,
}

// classify returns the coded error for a failed call.
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
