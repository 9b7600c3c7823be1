// Package events listens for the events of enclaves (SPEC 11), the only thing that one without a
// console says about its start and end, and makes log lines and a metric of them. New and Serve are
// the calls.
//
// Whoever connects is taken for a stranger: 8 bytes are read and no more, a name comes from the
// hypervisor's context id, and what is logged is a name of the configuration and a name of the
// specification.
package events

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"anchorhold/parent/internal/serve"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/event"
	"anchorhold/protocol/transport"
)

const (
	connections = 16              // at once
	readTime    = 5 * time.Second // for the 8 bytes and the end behind them
	linesPerMin = 60              // of one enclave; a start has seven. The metric counts all
	unknown     = "unknown"       // who is no enclave of the configuration
	malformed   = "malformed"
)

// Listener turns events into lines.
type Listener struct {
	byCID map[uint32]string
	// the enclave, when there is one only: over a unix socket nobody says who connects
	only    string
	metrics *telemetry.Metrics
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	minute time.Time      // guarded by mu
	lines  map[string]int // of this minute; guarded by mu
}

// New returns a Listener for enclaves, addresses by name. now nil is time.Now.
func New(enclaves map[string]string, m *telemetry.Metrics, log *slog.Logger, now func() time.Time) *Listener {
	l := &Listener{byCID: map[uint32]string{}, only: unknown, metrics: m, log: log, now: now, lines: map[string]int{}}
	if now == nil {
		l.now = time.Now
	}
	for name, address := range enclaves {
		if cid, ok := transport.AddressCID(address); ok {
			l.byCID[cid] = name
		}
		if len(enclaves) == 1 {
			l.only = name
		}
	}
	return l
}

// Serve reads events on n until ctx is done and returns when all connections are closed.
func (l *Listener) Serve(ctx context.Context, n net.Listener) error {
	return serve.Connections(ctx, n, connections, l.handle)
}

func (l *Listener) handle(_ context.Context, conn net.Conn) {
	if conn.SetDeadline(time.Now().Add(readTime)) != nil {
		return
	}
	name := l.only
	if cid, ok := transport.PeerCID(conn); ok {
		if name, ok = l.byCID[cid]; !ok {
			name = unknown
		}
	}
	c, err := event.Read(conn)
	what := c.String()
	if err != nil {
		what = malformed
	}
	l.metrics.EnclaveEvents.WithLabelValues(name, what).Inc()
	if !l.mayLog(name) {
		return
	}
	switch {
	case err != nil:
		l.log.Warn("enclave event is malformed", "enclave", name)
	case c.Fatal():
		l.log.Error("enclave ends", "enclave", name, "event", what)
	default:
		l.log.Info("enclave starts", "enclave", name, "event", what)
	}
}

// mayLog bounds lines: an enclave that sends events in a loop must not fill the disk.
func (l *Listener) mayLog(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute := l.now().Truncate(time.Minute); minute != l.minute {
		l.minute = minute
		clear(l.lines)
	}
	l.lines[name]++
	return l.lines[name] <= linesPerMin
}
