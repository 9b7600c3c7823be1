// Package event has the codes by which an enclave without a console tells its operator how far its
// start has come and what ended it (SPEC 11). Encode and Read are the calls.
//
// Events are unauthenticated: they are for the operator's log, and nothing may be decided by them.
// Their fixed form is also the bound on what can leave an enclave this way.
package event

//go:generate go run gen_vectors.go

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Size is the length of an event in bytes.
const Size = 8

const (
	magic   = "AHEV"
	version = 1
)

// Code is one stage or cause.
type Code uint16

// The stages of a start, in order.
const (
	Started Code = 0x0101 + iota
	Composed
	Answered
	Seeded
	Identified
	Serving
)

// The causes for which an enclave does not serve.
const (
	MountFailed Code = 0x0201 + iota
	FilesDiffer
	CommandLineDiffers
	SwapOn
	ModuleFailed
	HeartbeatFailed
	ProgramFailed
	HardenFailed
	NSMMissing
	NSMFailed
	EntropyFailed
	DebugEnclave
	RegistersDiffer
	PolicyInvalid
	PolicyDiffers
	ListenFailed
	Failed
)

// The last word of PID 1.
const (
	Ended Code = 0x0301 + iota
	Panicked
	Killed
)

var names = map[Code]string{
	Started: "started", Composed: "composed", Answered: "answered", Seeded: "seeded", Identified: "identified", Serving: "serving",
	MountFailed: "mount-failed", FilesDiffer: "files-differ", CommandLineDiffers: "command-line-differs", SwapOn: "swap-on",
	ModuleFailed: "module-failed", HeartbeatFailed: "heartbeat-failed", ProgramFailed: "program-failed", HardenFailed: "harden-failed",
	NSMMissing: "nsm-missing", NSMFailed: "nsm-failed", EntropyFailed: "entropy-failed", DebugEnclave: "debug-enclave",
	RegistersDiffer: "registers-differ", PolicyInvalid: "policy-invalid", PolicyDiffers: "policy-differs", ListenFailed: "listen-failed",
	Failed: "failed", Ended: "ended", Panicked: "panicked", Killed: "killed",
}

// Codes returns every code and its name.
func Codes() map[Code]string {
	all := make(map[Code]string, len(names))
	for c, name := range names {
		all[c] = name
	}
	return all
}

// String returns the code's name.
func (c Code) String() string {
	if name, ok := names[c]; ok {
		return name
	}
	return fmt.Sprintf("event %#04x", uint16(c))
}

// Fatal reports whether the enclave ends with this event.
func (c Code) Fatal() bool { return c >= MountFailed }

// Encode returns the bytes of an event.
func Encode(c Code) []byte {
	b := append(make([]byte, 0, Size), magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	return binary.BigEndian.AppendUint16(b, uint16(c))
}

// ErrMalformed is returned for whatever is not one event.
var ErrMalformed = errors.New("malformed event")

// Read reads the one event that r holds, to its end. It never takes more than one byte beyond an
// event from r.
func Read(r io.Reader) (Code, error) {
	b, err := io.ReadAll(io.LimitReader(r, Size+1))
	if err != nil {
		return 0, err
	}
	if len(b) != Size || string(b[:4]) != magic || binary.BigEndian.Uint16(b[4:]) != version {
		return 0, ErrMalformed
	}
	c := Code(binary.BigEndian.Uint16(b[6:]))
	// The peer is an enclave, perhaps a stranger's: what is not in the table has no name to be
	// logged by.
	if _, known := names[c]; !known {
		return 0, ErrMalformed
	}
	return c, nil
}

// Error is a failure with the event that tells its cause.
type Error struct {
	Code Code
	Err  error // stays inside; its text may be logged on a console
}

// Fault returns an Error, nil when err is nil.
func Fault(c Code, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: c, Err: err}
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the code of the outermost Error in err's tree, Failed for an error without one.
func Of(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Failed
}
