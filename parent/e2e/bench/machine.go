package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
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

// load is the load average of the last minute: beyond this run's own, it says how far to trust absolute numbers.
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

// processor returns the processor time that the processes have used so far, all threads, user and system.
func processor(pids ...int) (time.Duration, error) {
	total := time.Duration(0)
	for _, pid := range pids {
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
	}
	return total, nil
}
