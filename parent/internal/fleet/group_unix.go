//go:build unix

package fleet

import (
	"os/exec"
	"syscall"
)

// ownGroup has the command and its children killed together when its time is up. What it leaves
// running when it ends by itself lives on: that is the new enclave.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
