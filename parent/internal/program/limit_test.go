package program_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/internal/program"
)

// The attack: connections that say nothing use up the process. So many are accepted; the next is served once one has gone.
func TestConnectionsAreBounded(t *testing.T) {
	dir := t.TempDir()
	sum := sha256.Sum256([]byte("t"))
	file := filepath.Join(dir, "c.yaml")
	text := fmt.Sprintf(`{listen: "127.0.0.1:0", spool: %[1]s/s, tenants: [{name: a, token-sha256: [%[2]s]}], enclaves: [{name: e, address: "unix://%[1]s/e"}],
 relay: {listen: "unix://%[1]s/r"}, credentials: {listen: "unix://%[1]s/c"}, limits: {connections: 1}}`, dir, hex.EncodeToString(sum[:]))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, ready := io.Pipe()
	status := make(chan int, 1)
	go func() { status <- program.Run(ctx, []string{"--config", file}, ready, &bytes.Buffer{}) }()
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSpace(strings.TrimPrefix(string(line[:n]), "ready http://"))
	first, second := dial(t, addr), dial(t, addr)
	io.WriteString(second, "GET /healthz HTTP/1.0\r\n\r\n")
	second.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("got an answer beyond the bound")
	}
	first.Close()
	second.SetReadDeadline(time.Now().Add(10 * time.Second))
	if b, err := io.ReadAll(second); err != nil || !strings.Contains(string(b), "200 OK") {
		t.Errorf("got %q, %v, want an answer once there is room", b, err)
	}
	cancel()
	if got := <-status; got != 0 {
		t.Errorf("got exit %d, want 0", got)
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
