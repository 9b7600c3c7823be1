package vsockdev

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Pair returns the two ends of a unix connection, one for a device and one for whoever plays its
// peer in this process.
func Pair() (a, b *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "socket pair")
		nc, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return nil, nil, err
		}
		ends[i] = nc.(*net.UnixConn)
	}
	return ends[0], ends[1], nil
}
