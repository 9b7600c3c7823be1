package job

import (
	"context"
	"errors"

	"anchorhold/protocol/code"
	"anchorhold/protocol/envelope"
)

// envelopeCodes gives the codes of SPEC 9 to the failures of an envelope. Any failed tag, signature
// or commitment is one code.
var envelopeCodes = []struct {
	err  error
	code code.Code
}{
	{envelope.ErrAuthentication, code.AuthenticationFailed},
	{envelope.ErrTruncated, code.Truncated},
	{envelope.ErrSuite, code.SuiteUnsupported},
	{envelope.ErrFrameLength, code.FrameTooLong},
	{envelope.ErrTooManyKeys, code.TooManyKeys},
	{envelope.ErrMalformed, code.EnvelopeMalformed},
}

// coded returns err with a code: its own, that of an envelope's or a context's failure, or
// internal.
func coded(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*code.Error](err); ok {
		return known
	}
	for _, e := range envelopeCodes {
		if errors.Is(err, e.err) {
			return code.New(e.code, err)
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return code.New(code.Timeout, err)
	case errors.Is(err, context.Canceled):
		return code.New(code.Canceled, err)
	default:
		return code.New(code.Internal, err)
	}
}

// first returns the first of the errors that is not nil, coded.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return coded(err)
		}
	}
	return nil
}
