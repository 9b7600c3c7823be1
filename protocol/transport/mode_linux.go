package transport

import (
	"errors"
	"syscall"
)

// restrict sets the mode of the socket before bind, which gives it to the file: no moment is left
// in which another user could connect. See unix_bind_bsd in the kernel's net/unix/af_unix.c.
func restrict(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), socketMode) }), err)
}
