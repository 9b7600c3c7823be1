package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"anchorhold/protocol/protocoltest/testca"
)

func init() {
	scriptCommands["testca"] = writeCA
	scriptCommands["fakeqemu"] = linkQEMU
	scriptCommands["await"] = await
	scriptCommands["terminate"] = terminate
	scriptCommands["gone"] = gone
	scriptCommands["talk"] = talk
}

// patience is for whatever another process does. A slow machine takes long; a fault takes no longer
// than this.
const patience = time.Minute

// writeCA writes the key that signs documents, as anchorhold-dev ca does: testca DIR
func writeCA(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.Mkdir(ts.MkAbs(args[0]), 0o700))
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "attestation-root-key.pem"), testca.New(time.Now).MarshalPEM(), 0o600))
}

// linkQEMU makes a folder for --qemu: fakeqemu DIR
func linkQEMU(ts *testscript.TestScript, _ bool, args []string) {
	program, err := exec.LookPath("qemu-system-x86_64")
	ts.Check(err)
	ts.Check(os.Mkdir(ts.MkAbs(args[0]), 0o700))
	ts.Check(os.Symlink(program, filepath.Join(ts.MkAbs(args[0]), "qemu-system-x86_64")))
}

// await waits until a file has a text: await FILE TEXT
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := strings.Join(args[1:], " ")
	var b []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b, _ = os.ReadFile(ts.MkAbs(args[0]))
		if strings.Contains(string(b), want) {
			return
		}
	}
	ts.Fatalf("%s has no %q: %s", args[0], want, b)
}

// number returns what a file says behind a word.
func number(ts *testscript.TestScript, file, word string) (n int) {
	b, err := os.ReadFile(ts.MkAbs(file))
	ts.Check(err)
	_, rest, _ := strings.Cut(string(b), word)
	if _, err := fmt.Sscan(rest, &n); err != nil || n < 2 {
		ts.Fatalf("%s names no process: %q", file, b)
	}
	return n
}

// terminate sends SIGTERM to the process that a lock file names: terminate FILE
func terminate(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Kill(number(ts, args[0], ""), syscall.SIGTERM))
}

// gone waits for the end of the process that a console names: gone FILE
func gone(ts *testscript.TestScript, _ bool, args []string) {
	pid := number(ts, args[0], "pid ")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
	}
	ts.Fatalf("process %d lives on", pid)
}

// talk says something at a unix socket and wants the same back: talk SOCKET TEXT. It tries again
// where the guest was too slow for the device.
func talk(ts *testscript.TestScript, _ bool, args []string) {
	var got string
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if got, err = say(ts.MkAbs(args[0]), args[1]); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			break
		}
	}
	if err != nil || got != args[1] {
		ts.Fatalf("got %q, %v, want %q", got, err, args[1])
	}
}

// say returns what a socket answers.
func say(socket, text string) (string, error) {
	nc, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(nc, text); err != nil {
		return "", err
	}
	b, err := io.ReadAll(nc)
	return string(b), err
}
