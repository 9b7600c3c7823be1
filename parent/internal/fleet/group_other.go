//go:build !unix

package fleet

import "os/exec"

// ownGroup: process groups are not supported here; the command alone is killed.
func ownGroup(*exec.Cmd) {}
