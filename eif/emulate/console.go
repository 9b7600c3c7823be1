package emulate

import (
	"bytes"
	"io"
)

const maxConsole = 16 << 20

// timerLost is what Linux says when none of four ways to the timer gives four ticks in the time of
// ten. An emulated timer ticks when QEMU is given a processor, while the time goes on: on a busy
// machine it happens to an image that is all right, about once in 200 starts. Linux would not look
// under a hypervisor that it knows, and the image's command line, by which it could be told, is
// measured.
const timerLost = "IO-APIC + timer doesn't work"

// console keeps what a guest prints, up to a limit: a guest must not fill the disk. It watches for
// timerLost.
type console struct {
	w    io.Writer // nil: nobody keeps it
	left int
	last []byte // end of what was printed, in which a word may have begun
	lost bool
}

func (c *console) Write(p []byte) (int, error) {
	c.last = append(c.last, p...)
	c.lost = c.lost || bytes.Contains(c.last, []byte(timerLost))
	c.last = append([]byte{}, c.last[max(0, len(c.last)-len(timerLost)):]...)
	if n := min(len(p), c.left); n > 0 && c.w != nil {
		if _, err := c.w.Write(p[:n]); err != nil {
			c.left = 0
			return len(p), nil // a full disk of ours does not stop the guest
		}
		c.left -= n
	}
	return len(p), nil
}
