package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// readMemory returns the readable private memory of a process, through /proc.
func readMemory(pid int) ([]byte, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var all []byte
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uint64
		var mode string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") || to-from > 1<<30 {
			continue
		}
		b := make([]byte, to-from)
		if n, err := mem.ReadAt(b, int64(from)); n > 0 || err == nil {
			all = append(all, b[:n]...)
		}
	}
	if len(all) == 0 {
		return nil, os.ErrPermission
	}
	return all, nil
}
