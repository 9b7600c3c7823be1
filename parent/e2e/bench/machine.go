package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"anchorhold/protocol/protocoltest/cputime"
)

// machine describes where the run takes place: without that its numbers mean nothing.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	memory, _ := field("/proc/meminfo", "MemTotal:")
	return fmt.Sprintf("%d cores of %s, %d GiB, %s/%s, %s, load %s", runtime.NumCPU(), model, memory>>20, runtime.GOOS, runtime.GOARCH, runtime.Version(), load())
}

// load is the load average of the last minute: beyond this run's own, it says how far to trust
// absolute numbers.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// field returns the number behind a name in a file of /proc; those are in kB.
func field(path, name string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

// peak returns the most memory that the process ever had resident, in bytes.
func peak(pid int) (uint64, error) {
	kb, err := field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
	return kb << 10, err
}

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// spent is the processor time of the three processes that a job passes through.
type spent struct{ enclave, parent, generator time.Duration }

func (s spent) sub(o spent) spent {
	return spent{s.enclave - o.enclave, s.parent - o.parent, s.generator - o.generator}
}

func (s spent) total() time.Duration { return s.enclave + s.parent + s.generator }

// of says how much of it each of n jobs took, in milliseconds.
func (s spent) of(n int) string {
	each := func(d time.Duration) float64 { return d.Seconds() * 1e3 / float64(n) }
	return fmt.Sprintf("enclave %.2f, parent %.2f, generator %.2f", each(s.enclave), each(s.parent), each(s.generator))
}

// spent returns the processor time that the processes have used so far.
func (b *bench) spent() (s spent, err error) {
	if s.enclave, err = processor(b.s.EnclavePID()); err == nil {
		s.parent, err = processor(b.s.ParentPID())
	}
	s.generator = cputime.Self()
	return s, err
}

// processor returns the processor time that a process has used so far, all threads, user and
// system.
func processor(pid int) (total time.Duration, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// Behind the name, which may have spaces: state is field 3, utime 14, stime 15.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * time.Second / ticksPerSecond
	}
	return total, nil
}
