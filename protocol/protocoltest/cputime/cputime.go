// Package cputime measures benchmarks by processor time. On a machine that does other things too,
// the clock on the wall says more about those. PerOp is the main call. It counts all threads of the
// process, the garbage collector's too, user and system.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Metric is the unit of what PerOp reports.
const Metric = "cpu-ns/op"

// Self returns the processor time that this process has used so far.
func Self() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("cputime: " + err.Error()) // unreachable: both arguments are valid
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// PerOp is called right before the loop of a benchmark; what it returns, right behind it.
func PerOp(b *testing.B) (report func()) {
	before := Self()
	return func() { b.ReportMetric(float64(Self()-before)/float64(b.N), Metric) }
}
