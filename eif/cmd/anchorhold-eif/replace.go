package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	endTime  = 10 * time.Second // for the enclave before to end when it is asked to
	lockWait = 50 * time.Millisecond
)

func lockPath(sockets string) string { return sockets + ".lock" }

// lockSockets makes this process the only one with these sockets; the file names it to whoever
// wants to end it. The lock ends with the process, the file with unlock.
func lockSockets(sockets string) (unlock func(), err error) {
	path := lockPath(sockets)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, errInUse), f.Close())
		}
		// whoever had it has removed it since: a lock on no file excludes nobody
		if !isAt(path, f) {
			f.Close()
			continue
		}
		err = f.Truncate(0)
		if err == nil {
			_, err = fmt.Fprintln(f, os.Getpid())
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return func() {
			_ = os.Remove(path) // while it is locked
			f.Close()
		}, nil
	}
}

// isAt reports whether the open file is the one with that name.
func isAt(path string, f *os.File) bool {
	named, err := os.Lstat(path)
	if err != nil {
		return false
	}
	opened, err := f.Stat()
	return err == nil && os.SameFile(named, opened)
}

// endHolder ends the process that has the sockets, if there is one.
func endHolder(sockets string) error {
	f, err := os.OpenFile(lockPath(sockets), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	signal := syscall.SIGTERM
	for begin := time.Now(); ; time.Sleep(lockWait) {
		// Only a lock that is held says that the number is that of the process.
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return nil
		}
		switch waited := time.Since(begin); {
		case waited > 2*endTime:
			return fmt.Errorf("%s: %w and does not end", f.Name(), errInUse)
		case waited > endTime:
			signal = syscall.SIGKILL
		}
		b := make([]byte, 16)
		n, _ := f.ReadAt(b, 0)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil && pid > 1 {
			_ = syscall.Kill(pid, signal)
		}
	}
}

// replace ends the enclave that has the sockets and starts this one in the background. It returns
// when that serves, or has failed to. What the background process says goes to SOCKETS.log.
func (a *app) replace(ctx context.Context, path string, f enclaveFlags) error {
	if err := endHolder(f.sockets); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	name := f.sockets + ".log"
	logFile, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(self, f.arguments(path)...)
	cmd.Stderr = logFile
	// it outlives the group of whoever asked for it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if stop() && strings.HasPrefix(line, "ready ") {
		fmt.Fprint(a.out, line)
		return cmd.Process.Release()
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	return fmt.Errorf("the enclave does not serve (%w): see %s", cmd.Wait(), name)
}

// arguments are those of the background process.
func (f *enclaveFlags) arguments(path string) []string {
	args := []string{
		"emulate", path, "--machine", f.machine, "--sockets", f.sockets, "--memory", strconv.Itoa(f.memory),
		"--cid", strconv.FormatUint(uint64(f.cid), 10), "--qemu", f.qemu,
	}
	for flag, value := range map[string]string{"--console": f.console, "--ca": f.ca} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	for flag, set := range map[string]bool{"--debug": f.debug, "--no-heartbeat": f.silent} {
		if set {
			args = append(args, flag)
		}
	}
	return args
}
