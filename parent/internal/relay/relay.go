// Package relay carries the TLS bytes of an enclave to AWS KMS and nowhere else. The enclave speaks
// SPEC 2.2 connect; TLS ends inside it, so the relay sees ciphertext only and could at most refuse
// service.
//
// The list of hosts protects the parent's network from an enclave that runs something else than it
// should. It does not protect the enclave, which checks names and roots itself.
package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"anchorhold/parent/internal/serve"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

const (
	askTime  = 30 * time.Second // for a connect to arrive on an open connection
	dialTime = 10 * time.Second
	idleTime = 2 * time.Minute // KMS closes idle connections earlier than that
	copySize = 28 << 10        // SPEC 2: a larger write is not safe on vsock
)

// Options configures a Relay.
type Options struct {
	Allow       Allow
	Connections int // at once
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
	IdleTime    time.Duration // 0: two minutes
}

// Relay serves enclaves.
type Relay struct {
	opts Options
}

// New returns a Relay.
func New(opts Options) *Relay {
	if opts.IdleTime == 0 {
		opts.IdleTime = idleTime
	}
	return &Relay{opts: opts}
}

// Serve answers on l until ctx is done and returns when all connections are closed.
func (r *Relay) Serve(ctx context.Context, l net.Listener) error {
	return serve.Connections(ctx, l, r.opts.Connections, r.handle)
}

// handle answers connects until one succeeds, then carries bytes.
func (r *Relay) handle(ctx context.Context, nc net.Conn) {
	conn := message.NewConn(nc)
	for {
		if err := conn.SetDeadline(time.Now().Add(askTime)); err != nil {
			return
		}
		m, _, _, err := conn.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.count("malformed")
			}
			return
		}
		ask, ok := m.(message.Connect)
		if !ok {
			r.count("malformed")
			return
		}
		far, c := r.dial(ctx, ask)
		if c != "" {
			r.count(string(c))
			if conn.Send(message.Failed{Code: c}) != nil {
				return
			}
			continue
		}
		defer far.Close()
		// The deadline of the question ends here: carry sets its own.
		if conn.Send(message.Connected{}) != nil || conn.SetDeadline(time.Time{}) != nil {
			return
		}
		r.count("connected")
		r.carry(ctx, conn.Raw(), far)
		return
	}
}

// dial returns a connection, or the code that says why there is none.
func (r *Relay) dial(ctx context.Context, ask message.Connect) (net.Conn, code.Code) {
	target, ok := r.opts.Allow.target(ask.Host, ask.Port)
	if !ok {
		// The name is the enclave's text and stays out of the log.
		r.opts.Log.Warn("relay refused a host", "code", code.HostNotAllowed)
		return nil, code.HostNotAllowed
	}
	d := net.Dialer{Timeout: dialTime}
	far, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		r.opts.Log.Warn("relay cannot reach KMS", "target", target, "code", code.KMSUnavailable)
		return nil, code.KMSUnavailable
	}
	return far, ""
}

// carry copies both ways until both have ended, one has failed, or nothing has moved for the idle
// time.
func (r *Relay) carry(ctx context.Context, near, far net.Conn) {
	r.opts.Metrics.RelayOpen.Inc()
	defer r.opts.Metrics.RelayOpen.Dec()
	defer context.AfterFunc(ctx, func() { far.Close() })()
	p := &pair{idle: r.opts.IdleTime, near: near, far: far}
	p.touch()
	var both sync.WaitGroup
	both.Go(func() { p.copy(far, near, func(n int) { r.bytes("out", n) }) })
	both.Go(func() { p.copy(near, far, func(n int) { r.bytes("in", n) }) })
	both.Wait()
}

func (r *Relay) count(outcome string) { r.opts.Metrics.RelayConns.WithLabelValues(outcome).Inc() }

func (r *Relay) bytes(direction string, n int) {
	r.opts.Metrics.RelayBytes.WithLabelValues(direction).Add(float64(n))
}

// pair is two connections with one idle deadline: a long answer must not time out the silent
// direction.
type pair struct {
	idle      time.Duration
	near, far net.Conn
}

func (p *pair) touch() {
	now := time.Now()
	p.near.SetDeadline(now.Add(p.idle)) // an error shows in the next Read or Write
	p.far.SetDeadline(now.Add(p.idle))
}

// copy moves bytes from src to dst, then passes the end on. When either fails both are closed.
func (p *pair) copy(dst, src net.Conn, moved func(int)) {
	buf := make([]byte, copySize)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			p.touch()
			if _, err := dst.Write(buf[:n]); err != nil {
				p.close()
				return
			}
			moved(n)
		}
		if errors.Is(err, io.EOF) {
			// TLS peers may still answer after one side has ended.
			if half, ok := dst.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
				p.close()
			}
			return
		}
		if err != nil {
			p.close()
			return
		}
	}
}

func (p *pair) close() {
	p.near.Close()
	p.far.Close()
}

// hostPort is what an Allow dials.
func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
