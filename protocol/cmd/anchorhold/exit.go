package main

import (
	"errors"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/opening"
	"anchorhold/protocol/internal/sealing"
)

// Exit codes; scripts depend on them.
const (
	exitFine     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRefused  = 3
	exitRejected = 4
	exitUnproven = 5
)

// errRejected says that a result is verified and written, and lacks records that the enclave
// rejected.
var errRejected = errors.New("records were rejected")

// errUnproven says that the canary found no way open, and that some attempts prove nothing.
var errUnproven = errors.New("some attempts prove nothing")

// refusedError is a verification that failed.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

func refuse(err error) error { return refusedError{err} }

// exitCode sorts an error.
func exitCode(err error) int {
	var r refusedError
	switch {
	case err == nil:
		return exitFine
	case cli.IsUsage(err), errors.Is(err, sealing.ErrUnclear):
		return exitUsage
	case errors.As(err, &r), errors.Is(err, sealing.ErrRefused), errors.Is(err, opening.ErrRefused):
		return exitRefused
	case errors.Is(err, errRejected), errors.Is(err, errFindings):
		return exitRejected
	case errors.Is(err, errUnproven):
		return exitUnproven
	}
	return exitFailed
}
