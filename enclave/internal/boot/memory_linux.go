package boot

import "golang.org/x/sys/unix"

// machineMemory returns the bytes of memory, or 0.
func machineMemory() uint64 {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return uint64(s.Totalram) * uint64(s.Unit)
}
