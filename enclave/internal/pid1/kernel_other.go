//go:build !linux

package pid1

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"

	"anchorhold/enclave/internal/compose"
)

var errSystem = errors.New("not supported on " + runtime.GOOS)

// Linux is not supported here: no enclave runs this system.
type Linux struct{}

var _ Kernel = Linux{}

func (Linux) List() ([]compose.Entry, error)         { return nil, errSystem }
func (Linux) Mount(string, string) error             { return errSystem }
func (Linux) CommandLine() ([]byte, error)           { return nil, errSystem }
func (Linux) Swaps() ([]byte, error)                 { return nil, errSystem }
func (Linux) LoadModule(string) error                { return errSystem }
func (Linux) Dial(context.Context) (net.Conn, error) { return nil, errSystem }
func (Linux) Serve() (End, error)                    { return 0, errSystem }
func (Linux) Reboot()                                { os.Exit(1) }

// Situate returns Guest.
func Situate() Situation { return Guest }
