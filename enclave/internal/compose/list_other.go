//go:build !linux

package compose

import (
	"errors"
	"runtime"
)

// List is not supported here: no enclave runs this system.
func List(string) ([]Entry, error) { return nil, errors.New("not supported on " + runtime.GOOS) }
