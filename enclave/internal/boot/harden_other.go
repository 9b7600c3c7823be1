//go:build !linux

package boot

import (
	"errors"
	"runtime"
)

func harden() (bool, error) { return false, errors.New("not supported on " + runtime.GOOS) }

func mixEntropy([]byte) error { return errors.New("not supported on " + runtime.GOOS) }
