package boot

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps the process's memory out of core dumps and, where permitted, out of swap; locked
// tells whether. In the enclave neither exists; under anchorhold-dev both may.
func harden() (locked bool, err error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return false, fmt.Errorf("set not dumpable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return false, fmt.Errorf("set the core limit to zero: %w", err)
	}
	// Only without a limit: under one, a later allocation of the Go runtime would fail and end the
	// process.
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) != nil {
		return false, nil
	}
	return unix.Mlockall(unix.MCL_CURRENT|unix.MCL_FUTURE|unix.MCL_ONFAULT) == nil, nil
}
