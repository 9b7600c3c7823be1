package e2e_test

import "syscall"

// mountSmall puts a file system of that size on a folder; it takes privileges.
func mountSmall(dir, size string) error {
	return syscall.Mount("none", dir, "tmpfs", 0, "size="+size)
}
