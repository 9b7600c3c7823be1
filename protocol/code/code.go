// Package code has the fixed codes by which a failure is told to a peer, SPEC 9, and the error that
// carries one.
//
// A peer learns the code and nothing more. The error beneath stays inside the process that met it:
// its text may say more than a peer should learn, and so it is in no Error text of this package.
package code

import "errors"

// Error is a failure with its code.
type Error struct {
	Code Code
	// Err is the cause, for errors.Is and As inside the process. It is never sent or logged.
	Err error
}

// New returns an Error with code c around err, which may be nil.
func New(c Code, err error) error { return &Error{Code: c, Err: err} }

// Error returns the code in fixed words. The cause is left out, because it may quote a record or a
// peer.
func (e *Error) Error() string { return "failed: " + string(e.Code) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the code of the outermost Error in err's tree, Internal for an error without a code,
// and the empty code for nil.
func Of(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Code.Valid() {
		return e.Code
	}
	return Internal
}
