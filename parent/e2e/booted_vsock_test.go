package e2e_test

import (
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guestPort is a connection to the probe's command port with a command sent.
func guestPort(t *testing.T, dir, command string, values ...any) *net.UnixConn {
	t.Helper()
	nc, err := net.Dial("unix", filepath.Join(dir, "vm_9101"))
	check(t, err)
	t.Cleanup(func() { nc.Close() })
	check(t, nc.SetDeadline(time.Now().Add(guestTime)))
	_, err = fmt.Fprintf(nc, command+"\n", values...)
	check(t, err)
	return nc.(*net.UnixConn)
}

// The socket device with Linux's own driver at the other end: a gigabyte each way, half-close both
// ways, a thousand connections, and ports at which nobody listens.
func TestBootedSockets(t *testing.T) {
	t.Parallel()
	kernel := needQEMU(t)
	dir := shortDir(t)
	authority(t, dir)
	e := microvm(t, dir, writeEIF(t, filepath.Join(dir, "probe.eif"), probeImage(t, kernel, probe(t))))
	e.wait("heartbeat")
	t.Run("gigabyte from the guest", func(t *testing.T) { fromGuest(t, dir) })
	t.Run("gigabyte to the guest", func(t *testing.T) { toGuest(t, dir) })
	t.Run("thousand connections", func(t *testing.T) { thousand(t, dir) })
	t.Run("closed ports", func(t *testing.T) { closedPorts(t, dir) })
	check(t, e.stop())
}

const gigabyte = 1 << 30

// fromGuest reads what the guest sends, to the end of that direction, and answers in the other:
// half-close by the guest.
func fromGuest(t *testing.T, dir string) {
	nc := guestPort(t, dir, "source %d", gigabyte)
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	begin := time.Now()
	n, err := io.Copy(h, nc)
	took := time.Since(begin)
	check(t, err)
	word := fmt.Sprintf("seen-%016x", h.Sum64())
	_, err = io.WriteString(nc, word)
	check(t, err)
	check(t, nc.CloseWrite())
	// The guest prints its own checksum and what it was told after it had ended its direction.
	want := fmt.Sprintf("source %d %016x %s", gigabyte, h.Sum64(), word)
	if n != gigabyte || !consoleShows(t, dir, want) {
		t.Errorf("%d bytes arrived; the guest does not print %q", n, want)
	}
	t.Logf("%.0f MiB/s", float64(n)/(1<<20)/took.Seconds())
}

// toGuest sends and ends its direction; the guest answers in the other: half-close by this machine.
func toGuest(t *testing.T, dir string) {
	nc := guestPort(t, dir, "sink")
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	block := make([]byte, 1<<20)
	begin := time.Now()
	for i := range gigabyte / len(block) {
		for k := 0; k < len(block); k += 512 {
			block[k], block[k+1] = byte(i), byte(k>>9)
		}
		h.Write(block)
		_, err := nc.Write(block)
		check(t, err)
	}
	check(t, nc.CloseWrite())
	answer, err := io.ReadAll(nc)
	check(t, err)
	if want := fmt.Sprintf("%d %016x\n", gigabyte, h.Sum64()); string(answer) != want {
		t.Errorf("the guest got %q, want %q", answer, want)
	}
	t.Logf("%.0f MiB/s", gigabyte/(1<<20)/time.Since(begin).Seconds())
}

// thousand connections of the guest, then as many of this machine, one after the other.
func thousand(t *testing.T, dir string) {
	l, err := net.Listen("unix", filepath.Join(dir, "vm_5000"))
	check(t, err)
	defer l.Close()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				_, _ = io.Copy(nc, nc)
			}()
		}
	}()
	begin := time.Now()
	answer, err := io.ReadAll(guestPort(t, dir, "dial 5000 1000"))
	check(t, err)
	if string(answer) != "1000\n" {
		t.Errorf("the guest says %q, want 1000", answer)
	}
	t.Logf("1000 connections of the guest in %.1f s", time.Since(begin).Seconds())
	begin = time.Now()
	for i := range 1000 {
		nc := guestPort(t, dir, "sink")
		_, err := nc.Write([]byte("x"))
		check(t, err)
		check(t, nc.CloseWrite())
		if answer, err := io.ReadAll(nc); err != nil || !strings.HasPrefix(string(answer), "1 ") {
			t.Fatalf("connection %d: got %q, %v", i, answer, err)
		}
		nc.Close()
	}
	t.Logf("1000 connections to the guest in %.1f s", time.Since(begin).Seconds())
}

// closedPorts answer with a reset and not with silence.
func closedPorts(t *testing.T, dir string) {
	answer, err := io.ReadAll(guestPort(t, dir, "closed 5001"))
	check(t, err)
	var ms int
	var reason string
	if _, err := fmt.Sscanf(string(answer), "%d %s", &ms, &reason); err != nil || !strings.Contains(string(answer), "reset") || ms >= 2000 {
		t.Errorf("the guest says %q, want a reset before Linux gives up after 2000 ms", answer)
	}
	t.Logf("the guest learns of a closed port within %d ms", ms)
}

// consoleShows waits for a line on the guest's console.
func consoleShows(t *testing.T, dir, want string) bool {
	t.Helper()
	for end := time.Now().Add(guestTime); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		// An error says that the emulator has not made it yet.
		if b, err := os.ReadFile(filepath.Join(dir, "console")); err == nil && strings.Contains(string(b), want) {
			return true
		}
	}
	return false
}
