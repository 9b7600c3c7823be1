package program_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Attack: clients send what is no request, or more of one than there is room for, and keep the
// connection open. Each is answered with a refusal or nothing, and its connection is closed without
// waiting for the client.
func TestWhatIsNoRequestEndsItsConnection(t *testing.T) {
	addr := startParent(t, "{connections: 24, unauthenticated-connections: 8}")
	const start = "GET /healthz HTTP/1.1\r\nHost: h\r\n"
	for name, text := range map[string]string{
		"one big header":         start + "X: " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
		"many headers":           start + strings.Repeat("X: a\r\n", 20_000) + "\r\n",
		"a big path":             "GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"a big token":            start + "Authorization: Bearer " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
		"HTTP/2 without TLS":     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"two lengths":            "POST /v1/jobs HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"no token and a body":    "POST /v1/jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nx",
		"binary":                 "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
		"the end after a header": start,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, addr)
			io.WriteString(c, text) // the server may close before it has all
			if text == start {
				c.(*net.TCPConn).CloseWrite()
			}
			b, err := io.ReadAll(c)
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Fatal("the connection is open still")
			}
			if len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 4") && !strings.HasPrefix(string(b), "HTTP/1.1 505") {
				t.Errorf("got %.60q, want a refusal", b)
			}
		})
	}
	if got, body := ask(dial(t, addr), "/v1/jobs", "a"); got != http.StatusOK {
		t.Errorf("got %d %s, want to be served afterwards", got, body)
	}
}

// Attack: a client asks to speak HTTP/2, in which one connection has many requests at once. It is
// answered in HTTP/1.1.
func TestNoUpgrade(t *testing.T) {
	c := dial(t, startParent(t, "{connections: 24, unauthenticated-connections: 8}"))
	io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != 1 {
		t.Fatalf("got %v, %v, want an answer in HTTP/1.1", res, err)
	}
	res.Body.Close()
}

// The same, in the handshake of TLS.
func TestNoHTTP2OverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	defer srv.Close()
	pair := srv.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]pem.Block{"cert": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr := startParent(t, fmt.Sprintf("{connections: 24}, tls: {cert: %[1]s/cert, key: %[1]s/key}", dir))
	addr = strings.TrimPrefix(addr, "ready https://")
	for offer, want := range map[string]string{"h2 http/1.1": "http/1.1", "h2": ""} {
		c := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true, NextProtos: strings.Fields(offer)})
		if err := c.Handshake(); (err == nil) != (want != "") || c.ConnectionState().NegotiatedProtocol != want {
			t.Errorf("offer %s: got %q, %v, want %q", offer, c.ConnectionState().NegotiatedProtocol, err, want)
		}
	}
}

// Attack: a tenant sends requests without end over one connection and reads none of the answers.
// Another tenant is served.
func TestRequestsWithoutReading(t *testing.T) {
	addr := startParent(t, "{connections: 10, unauthenticated-connections: 4, tenant-connections: 3}")
	for range 3 {
		c := dial(t, addr)
		go func() {
			for {
				if _, err := fmt.Fprint(c, "GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\nGET /v1/jobs HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\n\r\n"); err != nil {
					return // closed at the end of the test
				}
			}
		}()
	}
	for i := range 20 {
		if got, body := ask(dial(t, addr), "/v1/jobs", "b"); got != http.StatusOK {
			t.Fatalf("request %d: got %d %s for the other tenant, want 200", i, got, body)
		}
	}
}
