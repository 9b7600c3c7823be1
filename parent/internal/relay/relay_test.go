package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/parent/internal/relay"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
	"anchorhold/protocol/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func metrics() *telemetry.Metrics {
	zero := func() float64 { return 0 }
	return telemetry.New(zero, zero)
}

// start returns the address of a relay that ends with the test.
func start(t *testing.T, o relay.Options) string {
	t.Helper()
	o.Metrics, o.Log = metrics(), slog.New(slog.DiscardHandler)
	if o.Connections == 0 {
		o.Connections = 8
	}
	addr := "unix://" + filepath.Join(t.TempDir(), "r")
	l, err := transport.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- relay.New(o).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return addr
}

// server is a TCP peer that runs handle for each connection.
func server(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func dial(t *testing.T, addr string) *message.Conn {
	t.Helper()
	c, err := transport.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return message.NewConn(c)
}

func ask(t *testing.T, c *message.Conn, host string, port uint16) message.Message {
	t.Helper()
	if err := c.Send(message.Connect{Host: host, Port: port}); err != nil {
		t.Fatal(err)
	}
	m, _, _, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const testHost = "kms.us-east-1.anchorhold.test"

// The attack: an enclave that is not what it should be uses the relay to reach the operator's
// network.
func TestRefusesOtherHosts(t *testing.T) {
	target := server(t, func(*net.TCPConn) { t.Error("the relay connected") })
	addr := start(t, relay.Options{Allow: relay.Allow{Region: "us-east-1", Hosts: []string{"extra.example"}, Dial: map[string]string{testHost + ":443": target}}})
	c := dial(t, addr)
	for _, to := range []struct {
		host string
		port uint16
	}{
		{"example.com", 443},
		{"169.254.169.254", 443},
		{"169.254.169.254", 80},
		{"localhost", 443},
		{"127.0.0.1", 443},
		{testHost, 80},
		{testHost + ".", 443},
		{"KMS.us-east-1.anchorhold.test", 443},
		{"kms.us-east-1.amazonaws.com", 80},
		{"kms.us-east-1.amazonaws.com.evil.example", 443},
		{"evilkms.us-east-1.amazonaws.com", 443},
		{"kms.us-east-1.amazonaws.com\n", 443},
		{"kms..amazonaws.com", 443},
		{"kms.us-east-1.x.amazonaws.com", 443},
		{"kms.us-west-2.amazonaws.com", 443},
		{"s3.us-east-1.amazonaws.com", 443},
		{"kms-fips.us-east-1.amazonaws.com", 443},
		{"extra.example", 80},
	} {
		m := ask(t, c, to.host, to.port)
		if f, ok := m.(message.Failed); !ok || f.Code != code.HostNotAllowed {
			t.Errorf("%q:%d: got %v, want %s", to.host, to.port, m, code.HostNotAllowed)
		}
	}
}

func TestCarriesBothWaysWithHalfClose(t *testing.T) {
	// Answers only after the question has ended: without half-close both would wait.
	target := server(t, func(c *net.TCPConn) {
		b, _ := io.ReadAll(c)
		c.Write(append([]byte("answer to "), b...))
	})
	addr := start(t, relay.Options{Allow: relay.Allow{Dial: map[string]string{testHost + ":443": target}}})
	c := dial(t, addr)
	if m := ask(t, c, testHost, 443); m != (message.Connected{}) {
		t.Fatalf("got %v, want connected", m)
	}
	raw := c.Raw()
	question := bytes.Repeat([]byte("q"), 1<<20)
	if _, err := raw.Write(question); err != nil {
		t.Fatal(err)
	}
	if err := raw.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(raw)
	if want := append([]byte("answer to "), question...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	addr := start(t, relay.Options{Allow: relay.Allow{Dial: map[string]string{testHost + ":443": l.Addr().String()}}})
	if f, ok := ask(t, dial(t, addr), testHost, 443).(message.Failed); !ok || f.Code != code.KMSUnavailable {
		t.Errorf("got %v, want %s", f, code.KMSUnavailable)
	}
}

func TestIdleConnectionEnds(t *testing.T) {
	target := server(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	addr := start(t, relay.Options{IdleTime: 50 * time.Millisecond, Allow: relay.Allow{Dial: map[string]string{testHost + ":443": target}}})
	c := dial(t, addr)
	if m := ask(t, c, testHost, 443); m != (message.Connected{}) {
		t.Fatalf("got %v, want connected", m)
	}
	if _, err := c.Raw().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the relay to hang up", err)
	}
}

// The attack: connections that say nothing use up the relay. They are bounded, and a free slot
// serves the next.
func TestBoundedConnections(t *testing.T) {
	target := server(t, func(c *net.TCPConn) { io.Copy(c, c) })
	addr := start(t, relay.Options{Connections: 1, Allow: relay.Allow{Dial: map[string]string{testHost + ":443": target}}})
	first := dial(t, addr)
	ask(t, first, "example.com", 443)
	second := dial(t, addr)
	if err := second.Send(message.Connect{Host: testHost, Port: 443}); err != nil {
		t.Fatal(err)
	}
	second.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, _, _, err := second.Receive(); err == nil {
		t.Error("got an answer beyond the bound")
	}
	first.Close()
	third := dial(t, addr)
	second.Close()
	if m := ask(t, third, testHost, 443); m != (message.Connected{}) {
		t.Errorf("got %v, want connected once there is room", m)
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	addr := start(t, relay.Options{})
	c, err := transport.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the connection closed", err)
	}
}
