package emulate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/eif/emulate"
	"anchorhold/eif/image"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeQEMU is a folder with a program that says it has both machines and then does what body says.
func fakeQEMU(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncase \"$1 $2\" in '-machine help') echo 'nitro-enclave AWS'; exit;; '-device help') echo 'name \"vhost-user-device\", bus'; exit;; esac\n" + body
	if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(t *testing.T, machine emulate.Machine, qemu string) emulate.Config {
	t.Helper()
	i, err := image.New(image.Parts{Kernel: []byte("kernel"), Program: []byte("program"), Policy: []byte("policy"), CommandLine: measure.CommandLine})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "ah") // a short path, for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return emulate.Config{
		Machine: machine, Image: i, ImagePath: filepath.Join(dir, "image"), QEMU: qemu, MemoryMiB: 64, CID: 16,
		Sockets: filepath.Join(dir, "vm"), CA: testca.New(time.Now),
	}
}

// Whoever has no QEMU, or one of Debian's, is told what to run.
func TestNoQEMU(t *testing.T) {
	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, "qemu-system-x86_64"), []byte("#!/bin/sh\necho 'microvm'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "qemu-system-x86_64"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"missing": t.TempDir(), "too old": old, "broken": broken} {
		for _, m := range []emulate.Machine{emulate.NitroEnclave, emulate.MicroVM} {
			_, err := emulate.Run(context.Background(), config(t, m, dir))
			if !errors.Is(err, emulate.ErrNoQEMU) || !strings.Contains(err.Error(), "scripts/qemu.sh") {
				t.Errorf("%s, %s: got %v", name, m, err)
			}
		}
	}
}

func TestQEMUFails(t *testing.T) {
	for _, m := range []emulate.Machine{emulate.NitroEnclave, emulate.MicroVM} {
		out, err := emulate.Run(context.Background(), config(t, m, fakeQEMU(t, "echo no such option >&2; exit 7\n")))
		if err == nil || !strings.Contains(err.Error(), "no such option") || out.ExitCode != 7 || out.Heartbeat {
			t.Errorf("%s: got %+v, %v, want QEMU's own words and exit code 7", m, out, err)
		}
	}
}

// A guest that ends by itself is no failure of the machine.
func TestGuestEnds(t *testing.T) {
	c := config(t, emulate.MicroVM, fakeQEMU(t, "exit 0\n"))
	out, err := emulate.Run(context.Background(), c)
	if err != nil || out.ExitCode != 0 || out.Stopped || out.Last != 0 {
		t.Errorf("got %+v, %v", out, err)
	}
	if left, err := filepath.Glob(c.Sockets + "*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The console is kept up to its limit, and the guest goes on.
func TestConsole(t *testing.T) {
	c := config(t, emulate.MicroVM, fakeQEMU(t, "echo booting; head -c 20000000 /dev/zero; exit 0\n"))
	var console bytes.Buffer
	c.Console = &console
	if _, err := emulate.Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if console.Len() != 16<<20 || !strings.HasPrefix(console.String(), "booting\n") {
		t.Errorf("the console has %d bytes, want 16 MiB", console.Len())
	}
}

// A kernel that gives up its timer on a busy machine is started again, not for ever, and no other
// end is taken for that.
func TestTimerIsLost(t *testing.T) {
	const panics = "printf 'Kernel panic - not syncing: IO-APIC + tim'; printf \"er doesn't work!  Boot with apic=debug\\n\"; "
	for name, c := range map[string]struct {
		body   string // in which $n is the number of the start
		starts int
		code   int
	}{
		"once":         {"[ $n = 1 ] && { " + panics + "exit 0; }; echo boots; exit 0", 2, 0},
		"always":       {panics + "exit 0", 3, 0},
		"another":      {"echo 'Kernel panic - not syncing: no init'; exit 0", 1, 0},
		"QEMU's fault": {panics + "exit 5", 1, 5},
	} {
		t.Run(name, func(t *testing.T) {
			count := filepath.Join(t.TempDir(), "count")
			c2 := config(t, emulate.MicroVM, fakeQEMU(t, "echo >> "+count+"; n=$(wc -l < "+count+"); "+c.body+"\n"))
			var said []string
			c2.Log = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
			out, err := emulate.Run(context.Background(), c2)
			if (err != nil) != (c.code != 0) || out.ExitCode != c.code || out.Stopped {
				t.Errorf("got %+v, %v", out, err)
			}
			if b, err := os.ReadFile(count); err != nil || len(b) != c.starts || len(said) != c.starts-1 {
				t.Errorf("%d starts, told %q, %v, want %d", len(b), said, err, c.starts)
			}
		})
	}
}

// QEMU gets the parts of the image as they are measured: ramdisks one behind the other, the command
// line as it stands.
func TestParts(t *testing.T) {
	got := filepath.Join(t.TempDir(), "got")
	c := config(t, emulate.MicroVM, fakeQEMU(t, `
while [ $# -gt 0 ]; do case "$1" in -kernel) k=$2;; -initrd) i=$2;; -append) a=$2;; esac; shift; done
cat "$k" "$i" > `+got+`; printf %s "$a" >> `+got+"\n"))
	if _, err := emulate.Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	disks := c.Image.Ramdisks()
	if want := "kernel" + string(disks[0]) + string(disks[1]) + measure.CommandLine; string(b) != want {
		t.Errorf("QEMU got %d bytes, want kernel, ramdisks and command line: %d", len(b), len(want))
	}
}

// The machine ends when its context does, whatever it is doing.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := config(t, emulate.MicroVM, fakeQEMU(t, "echo running; exec sleep 1000\n"))
	c.Console = writer(func([]byte) { cancel() })
	if out, err := emulate.Run(ctx, c); err != nil || !out.Stopped {
		t.Errorf("got %+v, %v, want stopped", out, err)
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// Two enclaves can't have the same sockets, and a path too long for one is told before anything
// starts.
func TestSockets(t *testing.T) {
	c := config(t, emulate.MicroVM, fakeQEMU(t, "exec sleep 1000\n"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := emulate.Run(ctx, c)
		done <- err
	}()
	for _, err := os.Stat(c.Sockets + "_9101"); err != nil; _, err = os.Stat(c.Sockets + "_9101") {
		time.Sleep(time.Millisecond)
	}
	if _, err := emulate.Run(ctx, c); err == nil {
		t.Error("a second enclave started on the same sockets")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.Sockets = "/" + strings.Repeat("x", 100)
	if _, err := emulate.Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a long path: got %v", err)
	}
}
