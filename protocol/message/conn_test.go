package message_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
)

// pair returns both ends of a unix socket.
func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	for _, c := range []net.Conn{a, b} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Both directions at once, over more than the sockets buffer: SPEC 2.2, either side of a job always
// reads.
func TestJobExchange(t *testing.T) {
	a, b := pair(t)
	parent, enclave := message.NewConn(a), message.NewConn(b)
	job := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	served := make(chan error, 1)
	go func() { served <- echo(enclave) }()
	sent := make(chan error, 1)
	go func() {
		err := errors.Join(parent.Send(message.Job{}), parent.SendData(frame.Data, nil), parent.SendData(frame.Data, job))
		sent <- errors.Join(err, parent.Send(message.End{}))
	}()
	var got []byte
	for {
		m, k, p, err := parent.Receive()
		must(t, err)
		if d, ok := m.(message.Done); ok {
			if string(d.Receipt) != "receipt" {
				t.Errorf("got receipt %q", d.Receipt)
			}
			break
		}
		if m != nil || k != frame.Result {
			t.Fatalf("got %T in a %v frame, want result bytes", m, k)
		}
		got = append(got, p...)
	}
	must(t, <-sent)
	must(t, <-served)
	if !bytes.Equal(got, job) {
		t.Errorf("got %d bytes back, want the %d that were sent", len(got), len(job))
	}
	must(t, parent.Close())
	if _, _, _, err := enclave.Receive(); err != io.EOF {
		t.Errorf("got %v after the peer closed, want io.EOF", err)
	}
}

// echo answers one job with its own bytes as the result.
func echo(c *message.Conn) error {
	if m, _, _, err := c.Receive(); err != nil || m != (message.Job{}) {
		return errors.Join(errors.New("no job"), err)
	}
	for {
		m, _, p, err := c.Receive()
		if err != nil {
			return err
		}
		if m == (message.End{}) {
			return c.Send(message.Done{Receipt: []byte("receipt")})
		}
		if err := c.SendData(frame.Result, p); err != nil {
			return err
		}
	}
}

// The peer's first raw bytes may arrive in one read with Connected. If they got lost, TLS would
// hang.
func TestRawKeepsReadAhead(t *testing.T) {
	a, b := pair(t)
	var both bytes.Buffer
	body, err := message.Encode(message.Connected{})
	must(t, err)
	must(t, frame.NewWriter(&both).Write(frame.Control, body))
	both.WriteString("first raw bytes, ")
	_, err = a.Write(both.Bytes())
	must(t, err)

	c := message.NewConn(b)
	m, _, _, err := c.Receive()
	must(t, err)
	if m != (message.Connected{}) {
		t.Fatalf("got %T, want Connected", m)
	}
	raw := c.Raw()
	_, err = a.Write([]byte("then more"))
	must(t, err)
	must(t, a.(*net.UnixConn).CloseWrite())
	got, err := io.ReadAll(raw)
	if err != nil || string(got) != "first raw bytes, then more" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = raw.Write([]byte("answer"))
	must(t, err)
	must(t, raw.(interface{ CloseWrite() error }).CloseWrite())
	if got, err := io.ReadAll(a); err != nil || string(got) != "answer" {
		t.Errorf("got %q, %v behind a half-close, want the answer", got, err)
	}
}

func TestReceiveRefuses(t *testing.T) {
	for name, send := range map[string]func(net.Conn) error{
		"no message": func(c net.Conn) error { return frame.NewWriter(c).Write(frame.Control, []byte{0xa0}) },
		"no frame":   func(c net.Conn) error { _, err := c.Write(make([]byte, 64)); return err },
	} {
		a, b := pair(t)
		must(t, send(a))
		c := message.NewConn(b)
		m, k, p, err := c.Receive()
		if m != nil || k != 0 || p != nil {
			t.Errorf("%s: got %v, %v, %x beside the error", name, m, k, p)
		}
		if !errors.Is(err, message.ErrMalformed) && !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("%s: got %v, want malformed", name, err)
		}
	}
}

// A message that cannot be encoded sends nothing, so that its failure can still be told.
func TestSendRefusal(t *testing.T) {
	a, b := pair(t)
	sender := message.NewConn(a)
	if err := sender.Send(message.Attest{}); err == nil {
		t.Fatal("got nil for an attest without nonce, want an error")
	}
	must(t, sender.Send(message.Failed{Code: code.Internal}))
	m, _, _, err := message.NewConn(b).Receive()
	if f, ok := m.(message.Failed); err != nil || !ok || f.Code != code.Internal {
		t.Errorf("got %v, %v, want the failure", m, err)
	}
}

func TestDeadline(t *testing.T) {
	_, b := pair(t)
	c := message.NewConn(b)
	must(t, c.SetWriteDeadline(time.Now().Add(time.Minute)))
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, _, _, err := c.Receive()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
	if c.NetConn() != b {
		t.Error("NetConn is not the connection given")
	}
}
