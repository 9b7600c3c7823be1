package compose

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxCommandLine is COMMAND_LINE_SIZE of x86, the larger of the two architectures; the line
	// break comes on top.
	maxCommandLine = 2048
	deviceWord     = "virtio_mmio.device="
	maxDevices     = 32
)

// A device's registers lie in the hole below 4 GiB, where no memory is. In memory, an image could
// lay out a device of its own making.
const (
	holeStart = 0xc0000000
	holeEnd   = 0x100000000
)

var errCommandLine = errors.New("command line is not the one that was built")

// CheckCommandLine compares the content of /proc/cmdline with what the image was built with. Behind
// it only the hypervisor's words may stand: virtio_mmio.device=SIZE@BASE:IRQ, as QEMU and
// Firecracker write them. Any other word, also a repeated one, is refused: the kernel takes init=,
// rdinit=, console= and hundreds more from wherever they stand.
func CheckCommandLine(proc []byte, want string) error {
	line, ok := strings.CutSuffix(string(proc), "\n")
	if !ok || len(line) > maxCommandLine {
		return errCommandLine
	}
	words, ok := strings.CutPrefix(line, want)
	if !ok {
		return errCommandLine
	}
	bases := map[uint64]bool{}
	for words != "" {
		// Two spaces where QEMU's Nitro machine appends an empty -append first; the kernel skips
		// them.
		word, ok := strings.CutPrefix(strings.TrimLeft(words, " "), deviceWord)
		if !ok || words[0] != ' ' {
			return fmt.Errorf("%w: a foreign word behind it", errCommandLine)
		}
		word, words = cutWord(word)
		base, ok := parseDevice(word)
		if !ok || bases[base] || len(bases) == maxDevices {
			return fmt.Errorf("%w: a malformed or repeated device behind it", errCommandLine)
		}
		bases[base] = true
	}
	return nil
}

// cutWord splits before the next space.
func cutWord(s string) (word, rest string) {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// parseDevice returns the address in SIZE@0xBASE:IRQ. Size is 512 (QEMU) or 4K (Firecracker).
func parseDevice(s string) (base uint64, ok bool) {
	size, rest, ok := strings.Cut(s, "@0x")
	if !ok || size != "512" && size != "4K" {
		return 0, false
	}
	digits, irq, ok := strings.Cut(rest, ":")
	if !ok {
		return 0, false
	}
	base, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || strconv.FormatUint(base, 16) != digits || base < holeStart || base >= holeEnd || base%512 != 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(irq, 10, 8)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != irq {
		return 0, false
	}
	return base, true
}

// CheckSwaps refuses a content of /proc/swaps that names a device. Kernels without swap have no
// such file: nil is fine.
func CheckSwaps(proc []byte) error {
	if lines := strings.Count(strings.TrimSuffix(string(proc), "\n"), "\n"); lines != 0 {
		return fmt.Errorf("%d swap devices are on, want none", lines)
	}
	return nil
}
