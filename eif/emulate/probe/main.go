//go:build linux

// Command probe is a guest for tests of emulated machines: as PID 1 of an image it says which
// registers its NSM shows, and does on its vsock connections what this machine asks it to. It
// belongs in no image that anyone uses.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hf/nsm"
	"github.com/hf/nsm/request"
	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"anchorhold/eif/emulate/guest"
)

const (
	parentCID   = 3
	commandPort = 9101 // where an emulator lets this machine in
	maxCommand  = 64
	chunk       = 64 << 10
)

func main() {
	fmt.Println("probe:", run())
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// run serves until something fails.
func run() error {
	_ = os.Mkdir("/dev", 0o755) // the kernel's own archive may have made it
	if err := unix.Mount("dev", "/dev", "devtmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	if err := registers(); err != nil {
		return err
	}
	l, err := vsock.ListenContextID(1<<32-1, commandPort, nil)
	if err != nil {
		return err
	}
	if err := guest.Heartbeat(); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := command(c.(*vsock.Conn)); err != nil {
				fmt.Println("probe:", err)
			}
		}()
	}
}

// registers prints PCR0 to PCR15, one a line.
func registers() error {
	s, err := nsm.OpenDefaultSession()
	if err != nil {
		return err
	}
	defer s.Close()
	for i := range uint16(16) {
		res, err := s.Send(&request.DescribePCR{Index: i})
		if err != nil || res.DescribePCR == nil {
			return fmt.Errorf("register %d: %v %s", i, err, res.Error)
		}
		fmt.Printf("PCR%d %x %v\n", i, res.DescribePCR.Data, res.DescribePCR.Lock)
	}
	return nil
}

// command reads a line and does what it says.
func command(c *vsock.Conn) error {
	line, err := readLine(c)
	if err != nil {
		return err
	}
	var n uint64
	var port uint32
	switch word, _, _ := strings.Cut(line, " "); word {
	case "source":
		if _, err := fmt.Sscanf(line, "source %d", &n); err != nil {
			return err
		}
		return source(c, n)
	case "sink":
		return sink(c)
	case "dial":
		if _, err := fmt.Sscanf(line, "dial %d %d", &port, &n); err != nil {
			return err
		}
		return dial(c, port, n)
	case "closed":
		if _, err := fmt.Sscanf(line, "closed %d", &port); err != nil {
			return err
		}
		return closed(c, port)
	}
	return fmt.Errorf("unknown command %q", line)
}

func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < maxCommand; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
	}
	return "", fmt.Errorf("command of over %d bytes", maxCommand)
}

// source sends n bytes, ends its direction, and repeats what it is then told, to show that the
// other direction lives.
func source(c *vsock.Conn, n uint64) error {
	table := crc64.MakeTable(crc64.ECMA)
	b := make([]byte, chunk)
	for i := range b {
		b[i] = byte(i * i >> 8)
	}
	sum := uint64(0)
	for left := n; left > 0; {
		binary.LittleEndian.PutUint64(b, left) // no two pieces are alike
		part := b[:min(left, uint64(len(b)))]
		sum = crc64.Update(sum, table, part)
		if _, err := c.Write(part); err != nil {
			return err
		}
		left -= uint64(len(part))
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	told, err := io.ReadAll(io.LimitReader(c, maxCommand))
	if err != nil {
		return err
	}
	fmt.Printf("source %d %016x %s\n", n, sum, told)
	return nil
}

// sink reads to the end and answers with number and checksum of the bytes.
func sink(c *vsock.Conn) error {
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{c}, make([]byte, chunk))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c, "%d %016x\n", n, h.Sum64())
	return err
}

// dial connects to a port n times, says something and waits for the answer.
func dial(c io.Writer, port uint32, n uint64) error {
	b := make([]byte, 8)
	for i := range n {
		x, err := vsock.Dial(parentCID, port, nil)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		binary.LittleEndian.PutUint64(b, i)
		_, err = x.Write(b)
		if err == nil {
			_, err = io.ReadFull(x, b)
		}
		x.Close()
		if err != nil || binary.LittleEndian.Uint64(b) != i {
			return fmt.Errorf("connection %d: %v, answer %x", i, err, b)
		}
	}
	_, err := fmt.Fprintln(c, n)
	return err
}

// closed connects to a port at which nobody listens and says what came of it, and when.
func closed(c io.Writer, port uint32) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	begin := time.Now()
	x, err := vsock.DialContext(ctx, parentCID, port, nil)
	if err == nil {
		x.Close()
	}
	_, err = fmt.Fprintf(c, "%d %v\n", time.Since(begin).Milliseconds(), err)
	return err
}
