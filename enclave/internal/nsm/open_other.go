//go:build !linux

package nsm

import (
	"errors"
	"runtime"
)

// Open says that there is no /dev/nsm here.
func Open() (*Client, error) { return nil, errors.New("nsm is not supported on " + runtime.GOOS) }
