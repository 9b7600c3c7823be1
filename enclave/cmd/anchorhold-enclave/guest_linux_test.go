package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	eifcpio "anchorhold/eif/cpio"
	"anchorhold/eif/image"
	"anchorhold/protocol/measure"
)

// exitFailed is the exit code of a program that cannot serve.
const exitFailed = 1

// TestUnderNitroCLIsInit runs the program, as it is built for the enclave, in the root file system
// of nitro-cli's ramdisk 1 and under an init that does as AWS's does. It must accept its
// composition and then miss the NSM. It must refuse any other.
func TestUnderNitroCLIsInit(t *testing.T) {
	b := guestProgram(t)
	_, root := image.NitroCLIParts{Program: b, Policy: []byte("policy")}.Ramdisks()
	line := measure.NitroCLICommandLine(runtime.GOARCH)
	for _, c := range []struct {
		name, line, want string
		change           func(rootfs string) error
	}{
		{"as built", line + "\n", "open /dev/nsm", func(string) error { return nil }},
		{"with devices", line + " virtio_mmio.device=4K@0xd0000000:5\n", "open /dev/nsm", func(string) error { return nil }},
		{"other command line", line + " init=/x\n", "command line is not the one that was built", func(string) error { return nil }},
		{"extra file", line + "\n", `"/x" does not belong`, func(r string) error { return os.WriteFile(r+"/x", nil, 0o644) }},
		{"file in var", line + "\n", `"/var/x" does not belong`, func(r string) error { return os.WriteFile(r+"/var/x", nil, 0o644) }},
		{"no policy", line + "\n", `"/policy.cbor" is missing`, func(r string) error { return os.Remove(r + "/policy.cbor") }},
		{"policy writable", line + "\n", `"/policy.cbor" has mode`, func(r string) error { return os.Chmod(r+"/policy.cbor", 0o644) }},
		{"policy a link", line + "\n", `"/policy.cbor" has mode`, func(r string) error {
			return relink(r+"/policy.cbor", "/etc/hosts")
		}},
		{"resolv.conf elsewhere", line + "\n", `"/etc/resolv.conf" points to "/policy.cbor"`, func(r string) error {
			return relink(r+"/etc/resolv.conf", "/policy.cbor")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			unpack(t, dir, root)
			if err := c.change(filepath.Join(dir, "rootfs")); err != nil {
				t.Fatal(err)
			}
			underInit(t, dir, c.line, c.want)
		})
	}
}

// TestUnderNitroCLIsInitInLinuxKitsRoot runs the program in the root file system that LinuxKit
// wrote, in place of the file that it was written with.
func TestUnderNitroCLIsInitInLinuxKitsRoot(t *testing.T) {
	vectors := os.Getenv("VECTORS")
	if vectors == "" {
		t.Skip("VECTORS is not set: no output of LinuxKit to start from")
	}
	root, err := os.ReadFile(filepath.Join(vectors, "nitro-cli", "root-ramdisk.cpio"))
	if err != nil {
		t.Fatal(err)
	}
	b := guestProgram(t)
	dir := t.TempDir()
	unpack(t, dir, root)
	if err := os.WriteFile(filepath.Join(dir, "rootfs", "anchorhold-enclave"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	underInit(t, dir, measure.NitroCLICommandLine(runtime.GOARCH)+"\n", "open /dev/nsm")
}

func relink(path, target string) error {
	return errors.Join(os.Remove(path), os.Symlink(target, path))
}

// guestProgram builds the program. It skips the test on machines where it cannot be started as in
// an enclave.
func guestProgram(t *testing.T) []byte {
	t.Helper()
	if os.Getuid() != 0 || exec.Command("unshare", "--mount", "--pid", "--fork", "true").Run() != nil {
		t.Skip("mounting needs root")
	}
	if _, err := os.Stat("/dev/nsm"); err == nil {
		t.Skip("this machine has an NSM")
	}
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// underInit starts the program of an unpacked ramdisk 1 and wants it to fail with this message.
func underInit(t *testing.T, dir, line, want string) {
	t.Helper()
	cmdline := filepath.Join(t.TempDir(), "cmdline")
	if err := os.WriteFile(cmdline, []byte(line), 0o444); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("unshare", "--mount", "--pid", "--fork", "bash", "testdata/aws-init.sh", dir, cmdline).CombinedOutput()
	if code := exitCode(err); code != exitFailed || !strings.Contains(string(out), want) {
		t.Errorf("got exit code %d and %s, want %d and %s", code, out, exitFailed, want)
	}
}

func exitCode(err error) int {
	if e, ok := err.(*exec.ExitError); ok {
		return e.ExitCode()
	}
	return 0
}

// unpack writes a ramdisk as Linux does.
func unpack(t *testing.T, dir string, ramdisk []byte) {
	t.Helper()
	entries, err := eifcpio.Parse(ramdisk)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path, mode := filepath.Join(dir, e.Name), os.FileMode(e.Mode&0o777)
		switch e.Mode & 0o170000 {
		case 0o040000:
			err = os.MkdirAll(path, mode)
		case 0o120000:
			err = os.Symlink(string(e.Data), path)
		default:
			err = os.WriteFile(path, e.Data, mode)
		}
		if err == nil && e.Mode&0o170000 != 0o120000 {
			err = os.Chmod(path, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
