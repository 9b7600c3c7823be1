//go:build linux

// Command awsinit stands in for the init of AWS's boot ramdisk in tests of emulated machines: as
// PID 1 it mounts, answers the hypervisor and starts the program of /rootfs, as init.c of
// aws-nitro-enclaves-sdk-bootstrap does. It loads no driver, since our kernel has the NSM's built
// in, and it leaves out what that kernel cannot do (cgroups, devpts).
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"anchorhold/eif/emulate/guest"
)

const safe = unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC

func main() {
	fmt.Println("awsinit:", run())
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// run returns when the program has ended.
func run() error {
	if err := mountDev(); err != nil {
		return err
	}
	if err := guest.Heartbeat(); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	env, err := lines("/env")
	if err != nil {
		return err
	}
	cmd, err := lines("/cmd")
	if err != nil {
		return err
	}
	for _, name := range []string{"/env", "/cmd"} {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	if err := enter("/rootfs"); err != nil {
		return err
	}
	c := exec.Command(cmd[0], cmd[1:]...)
	c.Env, c.Stdout, c.Stderr = env, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c.Run()
}

// enter makes the Docker image's root the root, and mounts in it.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := mountDev(); err != nil {
		return err
	}
	for _, m := range []struct{ source, target, kind, data string }{
		{"proc", "/proc", "proc", ""},
		{"tmpfs", "/run", "tmpfs", "mode=0755"},
		{"tmpfs", "/tmp", "tmpfs", ""},
		{"sysfs", "/sys", "sysfs", ""},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, safe, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

func mountDev() error {
	if err := unix.Mount("dev", "/dev", "devtmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	return nil
}

func lines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), err
}
