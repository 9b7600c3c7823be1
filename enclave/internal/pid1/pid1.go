// Package pid1 is what the enclave's program does as the first process: it checks that the image
// was started as it was built, mounts, loads the NSM driver where there is one to load, answers the
// hypervisor, and keeps the process that serves. Main is the call; it does not return.
//
// The serving process is a second one, of the same file, so that there is somebody left to tell the
// parent when the first panics, runs out of memory or is killed: a panic in any goroutine ends a Go
// process on the spot. It is the only child there ever is, since the program starts no others, so
// nothing else has to be reaped.
//
// Under nitro-cli AWS's init is PID 1, does all this but the check, and starts the program: see
// CheckGuest.
package pid1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"time"

	"anchorhold/enclave/internal/compose"
	"anchorhold/protocol/event"
)

// End is how the serving process ended.
type End int

// The ways.
const (
	Exited End = iota
	Panicked
	Killed
)

// Kernel is what this package asks of the system. Linux is the real one.
type Kernel interface {
	// List returns the files of the root file system.
	List() ([]compose.Entry, error)
	// Mount mounts a file system without a source, and makes the folder if there is none.
	Mount(target, fstype string) error
	// CommandLine and Swaps return the contents of /proc/cmdline and /proc/swaps; Swaps is nil in a
	// kernel without swap.
	CommandLine() ([]byte, error)
	Swaps() ([]byte, error)
	// LoadModule gives a file to the kernel.
	LoadModule(path string) error
	// Dial connects to the hypervisor's heartbeat.
	Dial(context.Context) (net.Conn, error)
	// Serve runs the serving process and returns when it has ended. An error says that it could not
	// be started.
	Serve() (End, error)
	// Reboot ends the enclave. It does not return, but in tests.
	Reboot()
}

// Reporter tells the parent. Close waits until it has been told, not for long.
type Reporter interface {
	Send(event.Code)
	Close()
}

// Main starts the enclave, keeps it, and ends it. reporter is called when vsock may be used.
func Main(k Kernel, reporter func() Reporter, console io.Writer) {
	logger := log.New(console, "", 0)
	defer k.Reboot()
	// Listed before anything is mounted or made: exactly what the ramdisks unpacked to.
	entries, listErr := k.List()
	mountErr := mounts(k)
	r := reporter()
	defer r.Close()
	defer func() {
		if recover() != nil {
			r.Send(event.Panicked)
		}
	}()
	r.Send(event.Started)
	if err := start(k, r, entries, listErr, mountErr); err != nil {
		logger.Print(err)
		r.Send(event.Of(err))
		return
	}
	end, err := k.Serve()
	if err != nil {
		logger.Print(err)
		r.Send(event.ProgramFailed)
		return
	}
	last := map[End]event.Code{Exited: event.Ended, Panicked: event.Panicked, Killed: event.Killed}[end]
	logger.Print(last)
	r.Send(last)
}

// mounts mounts what the program reads: /proc for the checks, /dev for the NSM. Nothing else is.
func mounts(k Kernel) error {
	if err := k.Mount("/proc", "proc"); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := k.Mount("/dev", "devtmpfs"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	return nil
}

// start does everything before the serving process.
func start(k Kernel, r Reporter, entries []compose.Entry, listErr, mountErr error) error {
	if mountErr != nil {
		return event.Fault(event.MountFailed, mountErr)
	}
	if listErr != nil {
		return event.Fault(event.FilesDiffer, listErr)
	}
	if err := check(k, compose.Anchorhold, entries); err != nil {
		return err
	}
	r.Send(event.Composed)
	if slices.ContainsFunc(entries, func(e compose.Entry) bool { return e.Path == compose.ModulePath }) {
		if err := k.LoadModule(compose.ModulePath); err != nil {
			return event.Fault(event.ModuleFailed, fmt.Errorf("load %s: %w", compose.ModulePath, err))
		}
	}
	if err := announce(k.Dial); err != nil {
		return event.Fault(event.HeartbeatFailed, err)
	}
	r.Send(event.Answered)
	return nil
}

// check is the composition check of either layout.
func check(k Kernel, l compose.Layout, entries []compose.Entry) error {
	if err := compose.CheckFiles(l, entries); err != nil {
		return event.Fault(event.FilesDiffer, err)
	}
	line, err := k.CommandLine()
	if err == nil {
		err = compose.CheckCommandLine(line, l.CommandLine())
	}
	if err != nil {
		return event.Fault(event.CommandLineDiffers, err)
	}
	swaps, err := k.Swaps()
	if err == nil {
		err = compose.CheckSwaps(swaps)
	}
	return event.Fault(event.SwapOn, err)
}

// CheckGuest is what is left to do under AWS's init: it has mounted, loaded the driver and answered
// the hypervisor, but it checks nothing.
func CheckGuest(k Kernel) error {
	entries, err := k.List()
	if err != nil {
		return event.Fault(event.FilesDiffer, err)
	}
	return check(k, compose.NitroCLI, entries)
}

const heartbeat = 0xb7 // SPEC 2.1

var heartbeatTimeout = 10 * time.Second // a variable for tests

// announce tells the hypervisor that the enclave has come up, as AWS's init does; unanswered,
// nitro-cli would end it anyway.
func announce(dial func(context.Context) (net.Conn, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), heartbeatTimeout)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	b := []byte{heartbeat}
	if _, err := conn.Write(b); err != nil {
		return fmt.Errorf("send the heartbeat: %w", err)
	}
	b[0] = 0
	if _, err := io.ReadFull(conn, b); err != nil {
		return fmt.Errorf("read the heartbeat: %w", err)
	}
	if b[0] != heartbeat {
		return errors.New("heartbeat was answered with another byte")
	}
	return nil
}
