package emulate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrNoQEMU says that there is no QEMU that can run an image; the text says what to do.
var ErrNoQEMU = errors.New("run scripts/qemu.sh, which builds the QEMU that is needed")

const (
	qemuProgram  = "qemu-system-x86_64"
	qemuFirmware = "firmware"
	helpTime     = 30 * time.Second // for a list that QEMU prints at once
)

// checkQEMU returns the program of a folder that scripts/qemu.sh made, if it has what the machine
// needs.
func checkQEMU(ctx context.Context, dir string, m Machine) (program string, err error) {
	program = filepath.Join(dir, qemuProgram)
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no %s: %w", program, ErrNoQEMU)
	}
	ask, want := "-machine", "nitro-enclave "
	if m == MicroVM {
		ask, want = "-device", `name "vhost-user-device"`
	}
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, ask, "help")
	cmd.WaitDelay = time.Second // a child of what is no QEMU could keep the pipe
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s help: %w: %w", program, ask, err, ErrNoQEMU)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, want) {
			return program, nil
		}
	}
	return "", fmt.Errorf("%s is too old, or built without %s: %w", program, strings.TrimSpace(want), ErrNoQEMU)
}

// Files of the folder that a run has to itself.
const (
	vsockSocket = "vsock"
	nsmSocket   = "nsm"
	kernelFile  = "kernel"
	initrdFile  = "initrd"
)

// emulatedCPU is without what makes programs choose code that is slow when each instruction is
// emulated: SHA-384 with BMI2 takes five times as long as without, copies byte by byte (ERMS, FSRM)
// twice as long as by words.
const emulatedCPU = "max,-bmi2,-erms,-fsrm"

// arguments are QEMU's command line. The folder's path is ours and holds no comma, which would end
// an option's value.
func arguments(c *Config, dir string) []string {
	file := func(name string) string { return filepath.Join(dir, name) }
	accel, cpu := accelerator(), "max"
	if accel == "tcg" {
		cpu = emulatedCPU
	}
	args := []string{
		"-L", filepath.Join(c.QEMU, qemuFirmware), "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot",
		"-accel", accel, "-cpu", cpu, "-smp", "1", "-m", strconv.Itoa(c.MemoryMiB), "-serial", "stdio",
		"-chardev", "socket,id=vsock,path=" + file(vsockSocket),
	}
	if c.Machine == NitroEnclave {
		return append(args, "-M", "nitro-enclave,vsock=vsock,id="+moduleID, "-kernel", file(kernelFile))
	}
	return append(args,
		"-M", "microvm,acpi=off,memory-backend=memory",
		"-object", fmt.Sprintf("memory-backend-memfd,id=memory,size=%dM,share=on", c.MemoryMiB),
		"-global", "virtio-mmio.force-legacy=false", "-device", "vhost-user-vsock-device,chardev=vsock",
		"-chardev", "socket,id=nsm,path="+file(nsmSocket), "-device", "vhost-user-device,virtio-id=33,num_vqs=1,chardev=nsm",
		"-kernel", file(kernelFile), "-initrd", file(initrdFile), "-append", c.Image.CommandLine(),
	)
}

// moduleID has the form of real ones. The instance is the one that softnsm names.
const moduleID = "i-0123456789abcdef0-enc0123456789abcdef"

// accelerator is KVM where the processor's own extensions are there. A /dev/kvm alone proves
// nothing: there are nested ones that run no other guests.
func accelerator() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "tcg"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			for flag := range strings.FieldsSeq(value) {
				if _, err := os.Stat("/dev/kvm"); err == nil && (flag == "vmx" || flag == "svm") {
					return "kvm"
				}
			}
			return "tcg"
		}
	}
	return "tcg"
}

// writeParts puts what QEMU loads into the run's folder.
func writeParts(c *Config, dir string) error {
	if c.Machine == NitroEnclave {
		path, err := filepath.Abs(c.ImagePath)
		if err != nil {
			return err
		}
		return os.Symlink(path, filepath.Join(dir, kernelFile))
	}
	// One behind the other, as the hypervisor does: it knows nothing of archives.
	var initrd []byte
	for _, disk := range c.Image.Ramdisks() {
		initrd = append(initrd, disk...)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, kernelFile), c.Image.Kernel(), 0o600),
		os.WriteFile(filepath.Join(dir, initrdFile), initrd, 0o600),
	)
}
