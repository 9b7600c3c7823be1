package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	socketMode   = 0o600
	probeTimeout = time.Second
)

func listenUnix(path string) (net.Listener, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: restrict}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	// Again, for the systems on which restrict can do nothing.
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes the socket file that a listener left when it was killed. Whatever else lies
// at path stays: a mistyped address must not delete a file, nor a second start take the first one's
// socket away.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen at %s: a file that is no socket is in the way", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("listen at %s: %w", path, syscall.EADDRINUSE), c.Close())
	}
	// Only a refusal proves that nobody listens. A listener with a full queue, or another user's,
	// fails otherwise.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen at %s: cannot tell whether the socket is in use: %w", path, err)
	}
	return os.Remove(path)
}
