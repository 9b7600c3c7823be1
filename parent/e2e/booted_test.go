package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// The tests called TestBooted… run images in QEMU: `make e2e`, which makes what they need and names
// it in these variables. Without, they are skipped.
const (
	kernelVariable = "ANCHORHOLD_KERNEL" // bzImage of scripts/kernel.sh
	binVariable    = "ANCHORHOLD_BIN"    // folder of make build, with QEMU
)

const (
	guestMiB  = 512
	guestTime = 2 * time.Minute // for anything that a guest does
)

// needQEMU returns the kernel, or skips.
func needQEMU(t testing.TB) string {
	t.Helper()
	kernel := os.Getenv(kernelVariable)
	if kernel == "" || os.Getenv(binVariable) == "" {
		t.Skip("not under make e2e: no image was booted")
	}
	return kernel
}

// booted starts a stage whose enclave is a guest.
func booted(t *testing.T, g stage.Guest) *stage.Stage {
	t.Helper()
	g.Kernel, g.MemoryMiB = needQEMU(t), guestMiB
	return start(t, stage.Options{Guest: &g})
}

// shortDir is a folder for unix sockets, whose paths must be short.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ah")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// emulator is a running `anchorhold-eif emulate`.
type emulator struct {
	t     testing.TB
	cmd   *exec.Cmd
	begin time.Time
	done  chan struct{}
	file  string // of the console; empty for none

	mu    sync.Mutex
	lines []string             // guarded by mu: of standard error
	seen  map[string]time.Time // guarded by mu: when an event was first said
	err   error                // set before done is closed
}

// emulate boots an image. It ends with the test.
func emulate(t testing.TB, args ...string) *emulator {
	t.Helper()
	return emulateIn(t, os.TempDir(), args...)
}

// emulateIn is emulate with a folder for temporary files.
func emulateIn(t testing.TB, tmp string, args ...string) *emulator {
	t.Helper()
	e := &emulator{t: t, begin: time.Now(), done: make(chan struct{}), seen: map[string]time.Time{}}
	if i := slices.Index(args, "--console"); i >= 0 {
		e.file = args[i+1]
	}
	e.cmd = exec.Command(filepath.Join(bin, "anchorhold-eif"), append([]string{"emulate"}, args...)...)
	e.cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	stderr, err := e.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(e.done)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			e.mu.Lock()
			e.lines = append(e.lines, s.Text())
			word := s.Text()[strings.LastIndex(s.Text(), " ")+1:]
			if _, ok := e.seen[word]; !ok {
				e.seen[word] = time.Now()
			}
			e.mu.Unlock()
		}
		e.err = e.cmd.Wait()
	}()
	t.Cleanup(func() { e.stop() })
	return e
}

// has reports whether the enclave has said so.
func (e *emulator) has(event string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.seen[event]
	return ok
}

func (e *emulator) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.lines, "\n")
}

// fail ends the test with what was said and what the console shows last.
func (e *emulator) fail(format string, args ...any) {
	e.t.Helper()
	console, _ := os.ReadFile(e.file)
	e.t.Fatalf("%s\n%s\nconsole: %s", fmt.Sprintf(format, args...), e.text(), console[max(0, len(console)-2000):])
}

// wait returns how long after the start the event came.
func (e *emulator) wait(event string) time.Duration {
	e.t.Helper()
	for end := time.Now().Add(guestTime); ; time.Sleep(2 * time.Millisecond) {
		e.mu.Lock()
		at, ok := e.seen[event]
		e.mu.Unlock()
		if ok {
			return at.Sub(e.begin)
		}
		select {
		case <-e.done:
			e.fail("the enclave has ended before %q: %v", event, e.err)
		default:
		}
		if time.Now().After(end) {
			e.fail("no %q within %v", event, guestTime)
		}
	}
}

// ended waits for the enclave to end by itself, which is a failure of the command, and returns what
// was said.
func (e *emulator) ended() string {
	e.t.Helper()
	select {
	case <-e.done:
	case <-time.After(guestTime):
		e.fail("the enclave lives after %v", guestTime)
	}
	var exit *exec.ExitError
	if !errors.As(e.err, &exit) || exit.ExitCode() != 1 {
		e.t.Errorf("the command has ended with %v, want exit code 1", e.err)
	}
	return e.text()
}

// stop ends the enclave by the operator's wish and returns what the command ended with.
func (e *emulator) stop() error {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	<-e.done
	return e.err
}

// patience submits a job, again when the enclave has not reached KMS in time, as the answer says:
// an emulated processor that shares a busy machine takes seconds for a handshake. It returns what
// was said, and how often.
func patience(s *stage.Stage, j job) (said string, tries int, err error) {
	for tries = 1; ; tries++ {
		out, err := s.Owner(context.Background(), j.submitArgs()...).CombinedOutput()
		if err == nil || tries == 5 || !strings.Contains(string(out), "kms-unavailable") {
			return string(out), tries, err
		}
	}
}

// tool runs anchorhold-eif and returns what it prints.
func tool(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), guestTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "anchorhold-eif"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("anchorhold-eif %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// authority makes the roots for a guest without a stage.
func authority(t testing.TB, dir string) string {
	t.Helper()
	ca := filepath.Join(dir, "ca")
	if out, err := exec.Command(filepath.Join(bin, "anchorhold-dev"), "ca", "--out", ca).CombinedOutput(); err != nil {
		t.Fatalf("anchorhold-dev ca: %v\n%s", err, out)
	}
	return ca
}

// microvm boots an image in the machine whose documents are signed.
func microvm(t testing.TB, dir, image string, more ...string) *emulator {
	t.Helper()
	return emulate(t, append([]string{
		image, "--machine", "microvm", "--ca", filepath.Join(dir, "ca"), "--sockets", filepath.Join(dir, "vm"),
		"--memory", fmt.Sprint(guestMiB), "--console", filepath.Join(dir, "console"),
	}, more...)...)
}
