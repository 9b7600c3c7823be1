// Package transport dials and listens at the addresses of SPEC 2.1: vsock://CID:PORT and
// unix:///absolute/path.
//
// Neither end is authenticated here, and on vsock nothing could: what must be trusted is sealed or
// attested above.
package transport

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mdlayher/vsock"
)

// Ports of SPEC 2.1.
const (
	JobPort         = 9101 // the enclave listens
	RelayPort       = 9102 // the parent listens
	CredentialsPort = 9103 // the parent listens
	EventPort       = 9104 // the parent listens

	// HeartbeatPort is where the hypervisor expects the first word of an enclave, at CID 3.
	HeartbeatPort = 9000
)

// ParentCID is the context id of the parent instance as its enclaves see it. Nitro gives it 3 where
// other hypervisors have 2 (vsock.Host).
const ParentCID = 3

// anyCID is VMADDR_CID_ANY of linux/vm_sockets.h: listen for every context id.
const anyCID = math.MaxUint32

var errMalformed = errors.New("malformed address")

// address is a parsed address: a path, or a context id and a port.
type address struct {
	path      string
	cid, port uint32
}

// parse reads an address. A context id of "any" is accepted only to listen.
func parse(addr string, listen bool) (address, error) {
	if path, ok := strings.CutPrefix(addr, "unix://"); ok {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsRune(path, 0) {
			return address{}, fmt.Errorf("%w %q: want unix:///absolute/path", errMalformed, addr)
		}
		return address{path: path}, nil
	}
	rest, ok := strings.CutPrefix(addr, "vsock://")
	cid, port, found := strings.Cut(rest, ":")
	if !ok || !found {
		return address{}, fmt.Errorf("%w %q: want vsock://CID:PORT or unix:///absolute/path", errMalformed, addr)
	}
	var a address
	var err error
	if cid == "any" && listen {
		a.cid = anyCID
	} else if a.cid, err = number(cid); err != nil {
		return address{}, fmt.Errorf("%w %q: context id: %w", errMalformed, addr, err)
	}
	if a.port, err = number(port); err != nil {
		return address{}, fmt.Errorf("%w %q: port: %w", errMalformed, addr, err)
	}
	return a, nil
}

// number reads a decimal that is neither zero nor the wildcard 2^32-1, in its one form without sign
// and leading zeros.
func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("want a decimal number from 1 to 4294967294")
	}
	return uint32(n), nil
}

// Check returns an error if addr could be neither dialed nor, when listen is set, listened at, for
// its form.
func Check(addr string, listen bool) error {
	_, err := parse(addr, listen)
	return err
}

// Dial connects to addr. It returns when ctx ends; an end of ctx after that has no effect on the
// connection.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	a, err := parse(addr, false)
	if err != nil {
		return nil, err
	}
	if a.path != "" {
		var d net.Dialer
		return d.DialContext(ctx, "unix", a.path)
	}
	c, err := vsock.DialContext(ctx, a.cid, a.port, nil)
	if err != nil {
		return nil, err // not c: a nil *vsock.Conn in an interface is not nil
	}
	return c, nil
}

// Listen listens at addr. A unix socket has mode 0600 from its first moment on Linux, and replaces
// the file of a listener that has gone, but not one that answers. The vsock context id may be
// "any".
func Listen(addr string) (net.Listener, error) {
	a, err := parse(addr, true)
	if err != nil {
		return nil, err
	}
	if a.path != "" {
		return listenUnix(a.path)
	}
	// Given even for "any": without an id the library opens /dev/vsock, which an enclave may not
	// have yet.
	l, err := vsock.ListenContextID(a.cid, a.port, nil)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// AddressCID returns the context id of a vsock address.
func AddressCID(addr string) (cid uint32, ok bool) {
	a, err := parse(addr, false)
	return a.cid, err == nil && a.path == ""
}

// PeerCID returns the context id of the other end of a vsock connection. The hypervisor and this
// machine's kernel say it, not the peer.
func PeerCID(c net.Conn) (cid uint32, ok bool) {
	if a, ok := c.RemoteAddr().(*vsock.Addr); ok {
		return a.ContextID, true
	}
	return 0, false
}
