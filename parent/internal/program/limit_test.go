package program_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/internal/program"
)

// startParent runs the program for the tenants a and b, whose tokens are their names, and returns
// its address.
func startParent(t *testing.T, limits string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	digest := func(token string) string { s := sha256.Sum256([]byte(token)); return hex.EncodeToString(s[:]) }
	text := fmt.Sprintf(`{listen: "127.0.0.1:0", spool: %[1]s/s, tenants: [{name: a, token-sha256: [%[2]s]}, {name: b, token-sha256: [%[3]s]}],
 enclaves: [{name: e, address: "unix://%[1]s/e"}], relay: {listen: "unix://%[1]s/r"}, credentials: {listen: "unix://%[1]s/c"}, limits: %[4]s}`,
		dir, digest("a"), digest("b"), limits)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, ready := io.Pipe()
	status := make(chan int, 1)
	go func() { status <- program.Run(ctx, []string{"--config", file}, ready, &bytes.Buffer{}) }()
	t.Cleanup(func() {
		cancel()
		if got := <-status; got != 0 {
			t.Errorf("got exit %d, want 0", got)
		}
	})
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(line[:n]), "ready http://"))
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// ask sends a GET request and returns status and body; the status is 0 when there is no answer.
func ask(c net.Conn, path, token string) (int, string) {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// Attack: strangers hold connections open with half a header, and read neither /healthz nor
// /metrics; one tenant has idle connections, and uploads that do not go on. The other tenant, the
// health check and the scraper are served all the same.
func TestConnectionsAreShared(t *testing.T) {
	const strangers, each = 6, 5
	addr := startParent(t, fmt.Sprintf("{connections: %d, unauthenticated-connections: %d, uploads: 100}", strangers+2*each, strangers))
	want := func(path, token string, status int) string {
		t.Helper()
		got, body := ask(dial(t, addr), path, token)
		if got != status {
			t.Errorf("%s as %q: got %d %s, want %d", path, token, got, body, status)
		}
		return body
	}
	for i := range 5 * strangers {
		c := dial(t, addr)
		io.WriteString(c, []string{"", "GET /v1/jobs HTTP/1.1\r\nHost: h\r\nX: ", "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"}[i%4])
	}
	want("/v1/jobs", "b", http.StatusOK)
	want("/v1/jobs", "nobody", http.StatusUnauthorized)
	for range 3 * each {
		// A connection becomes idle for the server a moment after the client has its answer: the
		// share may be in use until then.
		for end := time.Now().Add(20 * time.Second); ; {
			got, body := ask(dial(t, addr), "/v1/jobs", "a")
			if got == http.StatusOK {
				break
			}
			if got != http.StatusTooManyRequests || time.Now().After(end) {
				t.Fatalf("got %d %s for the tenant's next connection, want 200", got, body)
			}
		}
	}
	for range 3 * each {
		io.WriteString(dial(t, addr), "POST /v1/jobs HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nContent-Length: 1000000\r\n\r\nx")
	}
	// The idle ones have made room for uploads, and these fill the share.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if got, _ := ask(dial(t, addr), "/v1/jobs", "a"); got == http.StatusTooManyRequests {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the tenant has more connections than its share")
		}
	}
	if body := want("/v1/jobs", "a", http.StatusTooManyRequests); !strings.Contains(body, `"too-many-connections"`) {
		t.Errorf("got %s, want the code too-many-connections", body)
	}
	want("/v1/jobs", "b", http.StatusOK)
	want("/healthz", "", http.StatusOK)
	body := want("/metrics", "", http.StatusOK)
	if line := fmt.Sprintf("anchorhold_http_connections{tenant=\"a\"} %d\n", each); !strings.Contains(body, line) {
		t.Errorf("want %q in the metrics", line)
	}
}
