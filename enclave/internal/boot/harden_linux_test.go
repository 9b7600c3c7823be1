package boot_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestInvariant1_NoCoreDumps: what the kernel would write of this process on a crash is nothing.
func TestInvariant1_NoCoreDumps(t *testing.T) {
	b := newBench(t)
	b.start(t)
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || n != 0 {
		t.Errorf("dumpable is %d, %v, want 0", n, err)
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil || l.Cur != 0 || l.Max != 0 {
		t.Errorf("core limit is %+v, %v, want 0", l, err)
	}
}
