package transport_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"anchorhold/protocol/transport"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		addr         string
		dial, listen bool
	}{
		{"unix:///run/a.sock", true, true},
		{"vsock://3:9101", true, true},
		{"vsock://any:9101", false, true},
		{"vsock://4294967294:1", true, true},
		{"", false, false},
		{"/run/a.sock", false, false},
		{"unix://", false, false},
		{"unix://run/a.sock", false, false},
		{"unix:///run/../a.sock", false, false},
		{"unix:///run/", false, false},
		{"unix:///run/a\x00b", false, false},
		{"unix://@abstract", false, false},
		{"tcp://127.0.0.1:9101", false, false},
		{"vsock://3", false, false},
		{"vsock://:9101", false, false},
		{"vsock://3:", false, false},
		{"vsock://3:0", false, false},
		{"vsock://0:9101", false, false},
		{"vsock://-1:9101", false, false},
		{"vsock://+3:9101", false, false},
		{"vsock://03:9101", false, false},
		{"vsock://3:9101:1", false, false},
		{"vsock://3:9101/", false, false},
		{"vsock://4294967295:9101", false, false}, // the wildcard has one name: any
		{"vsock://3:4294967295", false, false},
		{"vsock://4294967299:9101", false, false}, // would be 3 in 32 bits
		{"VSOCK://3:9101", false, false},
	} {
		for _, listen := range []bool{false, true} {
			want := c.dial
			if listen {
				want = c.listen
			}
			if err := transport.Check(c.addr, listen); (err == nil) != want {
				t.Errorf("%q, listen %v: got %v, want accepted %v", c.addr, listen, err, want)
			}
		}
	}
}

// path returns a path short enough for a socket on every system.
func path(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ah")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestUnix(t *testing.T) {
	p := path(t)
	l, err := transport.Listen("unix://" + p)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(p)
	if err != nil || info.Mode() != fs0600 {
		t.Errorf("got mode %v, %v, want %v", info.Mode(), err, fs0600)
	}
	c, err := transport.Dial(t.Context(), "unix://"+p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()

	// A second start must not take the first one's socket away.
	if second, err := transport.Listen("unix://" + p); !errors.Is(err, syscall.EADDRINUSE) || second != nil {
		t.Errorf("got %v for a socket in use, want EADDRINUSE", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(p); !os.IsNotExist(err) {
		t.Errorf("got %v after Close, want no socket file", err)
	}
}

const fs0600 = os.ModeSocket | 0o600

// Not chmod after bind: whoever connects in between would stay connected.
func TestModeFromTheFirstMoment(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sockets have no mode before bind on " + runtime.GOOS)
	}
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	p := path(t)
	lc := net.ListenConfig{Control: transport.Restrict}
	l, err := lc.Listen(t.Context(), "unix", p)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(p); err != nil || info.Mode() != fs0600 {
		t.Errorf("got mode %v, %v right after bind, want %v", info.Mode(), err, fs0600)
	}
}

func TestStaleSocket(t *testing.T) {
	p := path(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after a kill
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := transport.Listen("unix://" + p)
	if err != nil {
		t.Fatalf("got %v, want the stale socket replaced", err)
	}
	l.Close()
}

// A listener whose queue is full refuses nobody and answers nobody: its socket is not taken away.
func TestSocketOfABusyListenerStays(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a full queue shows at once on Linux only")
	}
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if c, err := net.Dial("unix", path); err == nil {
			defer c.Close()
		}
	}
	if l, err := transport.Listen("unix://" + path); err == nil {
		l.Close()
		t.Error("got a listener, want an error")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
}

func TestOtherFilesStay(t *testing.T) {
	p := path(t)
	if err := os.WriteFile(p, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := p + "link"
	if err := os.Symlink(p, link); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{p, link, filepath.Dir(p)} {
		if l, err := transport.Listen("unix://" + at); err == nil || l != nil {
			t.Errorf("%s: got a listener, want an error", at)
		}
	}
	if b, err := os.ReadFile(link); err != nil || string(b) != "keep" {
		t.Errorf("got %q, %v, want the file and the link untouched", b, err)
	}
}

func TestDialRefused(t *testing.T) {
	c, err := transport.Dial(t.Context(), "unix://"+path(t))
	if err == nil || c != nil {
		t.Errorf("got %v, %v, want no connection and an error", c, err)
	}
	// No listener there; on systems without vsock no socket even. Either way no typed nil.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if c, err = transport.Dial(ctx, "vsock://1:4000000000"); err == nil || c != nil {
		t.Errorf("vsock: got %v, %v, want no connection and an error", c, err)
	}
}

func TestDialContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, addr := range []string{"unix://" + path(t), "vsock://3:9101"} {
		if c, err := transport.Dial(ctx, addr); err == nil || c != nil {
			t.Errorf("%s: got %v, %v for a canceled context", addr, c, err)
		}
	}
}

func TestVsockLoopback(t *testing.T) {
	l, err := transport.Listen("vsock://any:49101")
	if err != nil {
		t.Skip("no vsock here: " + err.Error())
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := transport.Dial(ctx, "vsock://1:49101")
	if err != nil {
		t.Skip("no vsock loopback here: " + err.Error())
	}
	defer c.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := peer.Read(b); err != nil || string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"unix:///a", "vsock://3:9101", "vsock://any:1", "vsock://03:1", "tcp://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if transport.Check(s, false) == nil && transport.Check(s, true) != nil {
			t.Errorf("%q can be dialed but not listened at", s)
		}
		if transport.Check(s, false) == nil && !strings.HasPrefix(s, "unix:///") && !strings.HasPrefix(s, "vsock://") {
			t.Errorf("%q is accepted", s)
		}
	})
}
