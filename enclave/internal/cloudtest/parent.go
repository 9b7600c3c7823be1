package cloudtest

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"anchorhold/protocol/message"
	"anchorhold/protocol/transport"
)

// Parent is the parent's side of relay and credentials. Tests make it misbehave.
type Parent struct {
	Relay, Credentials string // addresses

	upstream string

	mu            sync.Mutex
	onConnect     func(message.Connect) message.Message // guarded by mu; nil: connected
	onCredentials func() message.Message                // guarded by mu; nil: the parent's role
	// guarded by mu: where the relay goes; empty: KMS
	target   string
	connects []message.Connect // guarded by mu
	// guarded by mu: times that credentials were asked for
	asked    int
	onRenew  func() message.Message     // guarded by mu; nil: as onCredentials
	renewals []message.RenewCredentials // guarded by mu
	// guarded by mu: what the relay carried from the enclave
	carried []byte
}

func newParent(t testing.TB, upstream string) *Parent {
	p := &Parent{upstream: upstream}
	dir := SocketDir(t)
	p.Relay, p.Credentials = "unix://"+filepath.Join(dir, "relay"), "unix://"+filepath.Join(dir, "credentials")
	serve(t, p.Relay, p.relay)
	serve(t, p.Credentials, p.credentials)
	return p
}

// OnConnect replaces the relay's answer.
func (p *Parent) OnConnect(f func(message.Connect) message.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onConnect = f
}

// OnCredentials replaces the credentials.
func (p *Parent) OnCredentials(f func() message.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onCredentials = f
}

// OnRenew replaces the credentials that a renew-credentials is answered with.
func (p *Parent) OnRenew(f func() message.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onRenew = f
}

// Renewals returns the renew-credentials received.
func (p *Parent) Renewals() []message.RenewCredentials {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]message.RenewCredentials(nil), p.renewals...)
}

// Redirect makes the relay connect elsewhere, as a parent that plays KMS does.
func (p *Parent) Redirect(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = address
}

// Connects returns what the relay was asked for.
func (p *Parent) Connects() []message.Connect {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]message.Connect(nil), p.connects...)
}

// Asked returns how often credentials were asked for.
func (p *Parent) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Carried returns all bytes that the relay carried from the enclave.
func (p *Parent) Carried() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]byte(nil), p.carried...)
}

// Role returns the credentials of the parent's role.
func Role() message.Credentials {
	return message.Credentials{
		AccessKeyID: parent.AccessKeyID, SecretAccessKey: parent.SecretAccessKey, SessionToken: parent.SessionToken,
	}
}

// Write takes what the relay carries from the enclave.
func (p *Parent) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.carried = append(p.carried, b...)
	return len(b), nil
}

func (p *Parent) relay(c *message.Conn) {
	m, _, _, err := c.Receive()
	connect, ok := m.(message.Connect)
	if err != nil || !ok {
		return
	}
	p.mu.Lock()
	p.connects = append(p.connects, connect)
	answer, target := p.onConnect, p.target
	p.mu.Unlock()
	if answer != nil {
		if m := answer(connect); m != nil {
			_ = c.Send(m)
		}
		return
	}
	if target == "" {
		target = p.upstream
	}
	up, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer up.Close()
	if c.Send(message.Connected{}) != nil {
		return
	}
	raw := c.Raw()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(raw, up)
		raw.Close()
	})
	_, _ = io.Copy(io.MultiWriter(up, p), raw)
	up.Close()
	back.Wait()
}

func (p *Parent) credentials(c *message.Conn) {
	m, _, _, err := c.Receive()
	if err != nil {
		return
	}
	p.mu.Lock()
	answer := p.onCredentials
	switch m := m.(type) {
	case message.GetCredentials:
		p.asked++
	case message.RenewCredentials:
		p.renewals = append(p.renewals, m)
		if p.onRenew != nil {
			answer = p.onRenew
		}
	default:
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if answer == nil {
		_ = c.Send(Role())
	} else if m := answer(); m != nil {
		_ = c.Send(m)
	}
}

// serve runs handle on each connection until the test ends, and waits for it.
func serve(t testing.TB, address string, handle func(*message.Conn)) {
	t.Helper()
	l, err := transport.Listen(address)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				defer context.AfterFunc(ctx, func() { nc.Close() })()
				handle(message.NewConn(nc))
			})
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); running.Wait() })
}
