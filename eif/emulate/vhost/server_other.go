//go:build !linux

package vhost

import (
	"context"
	"errors"
	"net"
	"runtime"
)

// Serve says that there is no vhost-user here.
func Serve(context.Context, *net.UnixConn, Device, func(error)) error {
	return errors.New("vhost-user is not supported on " + runtime.GOOS)
}

func unmap([]byte) {}

func (s *server) setMemory(*message) error { return errMessage }
func (s *server) setFile(*message) error   { return errMessage }
