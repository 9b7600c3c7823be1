package emulate

import "syscall"

// dieWithParent ends QEMU with us, however we end.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
