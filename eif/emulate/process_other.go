//go:build !linux

package emulate

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
