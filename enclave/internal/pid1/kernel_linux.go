package pid1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"anchorhold/enclave/internal/compose"
	"anchorhold/protocol/transport"
)

const (
	programPath = "/init"
	maxProc     = 1 << 16 // bytes of a file in /proc that is read
	panicStatus = 2       // with which the Go runtime ends after a panic or a fatal error
)

// Linux is the running kernel.
type Linux struct{}

var _ Kernel = Linux{}

// List lists the root.
func (Linux) List() ([]compose.Entry, error) { return compose.List("/") }

// Mount mounts without devices (but in /dev), set-user-id programs and execution.
func (Linux) Mount(target, fstype string) error {
	if err := os.Mkdir(target, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NOEXEC)
	if fstype != "devtmpfs" {
		flags |= unix.MS_NODEV
	}
	return unix.Mount(fstype, target, fstype, flags, "")
}

// CommandLine returns /proc/cmdline.
func (Linux) CommandLine() ([]byte, error) { return readProc("/proc/cmdline") }

// Swaps returns /proc/swaps.
func (Linux) Swaps() ([]byte, error) {
	b, err := readProc("/proc/swaps")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func readProc(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxProc+1))
	if err == nil && len(b) > maxProc {
		err = fmt.Errorf("%s has over %d bytes", path, maxProc)
	}
	return b, err
}

// LoadModule is insmod.
func (Linux) LoadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// Dial connects to the hypervisor.
func (Linux) Dial(ctx context.Context) (net.Conn, error) {
	return transport.Dial(ctx, fmt.Sprintf("vsock://%d:%d", transport.ParentCID, transport.HeartbeatPort))
}

// Serve starts /init again. It gets no arguments and no environment: what the kernel made of its
// command line stays here.
func (Linux) Serve() (End, error) {
	p, err := os.StartProcess(programPath, []string{programPath}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return 0, err
	}
	state, err := p.Wait()
	if err != nil {
		return 0, err
	}
	switch status, ok := state.Sys().(syscall.WaitStatus); {
	case ok && status.Signaled():
		return Killed, nil
	case state.ExitCode() == panicStatus:
		return Panicked, nil
	}
	return Exited, nil
}

// Reboot ends the enclave at once. Should the kernel refuse, the exit of PID 1 is a kernel panic,
// which reboots too.
func (Linux) Reboot() {
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	os.Exit(1)
}

// Situate tells the first process from the one that it started and from all others.
func Situate() Situation {
	if os.Getpid() == 1 {
		return First
	}
	if os.Getppid() != 1 {
		return Guest
	}
	one, err := os.Stat("/proc/1/exe")
	if err != nil {
		return Guest
	}
	own, err := os.Stat("/proc/self/exe")
	if err != nil || !os.SameFile(one, own) {
		return Guest
	}
	return Served
}
