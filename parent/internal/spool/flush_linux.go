package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushRange has the kernel begin to write what lies between the two offsets, without waiting. It
// is a hint: only Sync promises anything.
func flushRange(f *os.File, from, to int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, to-from, unix.SYNC_FILE_RANGE_WRITE)
}
