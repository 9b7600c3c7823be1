// Package admit bounds the HTTP connections of the API, so that nobody can take them all: there is
// a pool for connections whose client has not authenticated, and a share for each tenant. Where
// room is short the oldest connections of whoever has too many are closed, idle ones first.
//
// New, then Listen, and ConnContext and ConnState as the hooks of an http.Server; the handler calls
// Bind once it knows the tenant. The package says nothing about who may do what.
package admit

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"anchorhold/parent/internal/telemetry"
)

// Options configures a Pool.
type Options struct {
	Strangers int // connections of clients that have not authenticated
	Each      int // connections of one tenant
	Metrics   *telemetry.Metrics
}

// Pool is safe for concurrent use.
type Pool struct {
	opts Options

	mu        sync.Mutex
	strangers map[*conn]struct{}            // guarded by mu
	tenants   map[string]map[*conn]struct{} // guarded by mu
	clock     uint64                        // guarded by mu: counts changes, to tell which is older
}

// New returns a Pool.
func New(o Options) *Pool {
	return &Pool{opts: o, strangers: map[*conn]struct{}{}, tenants: map[string]map[*conn]struct{}{}}
}

// conn is one connection. All but the first three fields are guarded by Pool.mu.
type conn struct {
	net.Conn
	pool   *Pool
	source string // the address of the client without its port

	in     map[*conn]struct{} // where it is counted; nil once it is closed
	tenant string             // whose share in is; empty: in is strangers
	idle   bool               // it waits for a request, as far as the server knows
	since  uint64             // clock at its last change
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.pool.mu.Lock()
	c.pool.remove(c)
	c.pool.mu.Unlock()
	return c.Conn.Close()
}

type listener struct {
	net.Listener
	pool *Pool
}

// Listen returns a listener whose connections are counted. It never waits for room: a connection
// that says nothing must not keep others out.
func (p *Pool) Listen(l net.Listener) net.Listener { return &listener{l, p} }

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, pool: l.pool, source: sourceOf(nc.RemoteAddr())}
	if victim := l.pool.admit(c); victim != nil {
		l.pool.opts.Metrics.ConnectionsClosed.WithLabelValues("unauthenticated").Inc()
		victim.Conn.Close()
	}
	return c, nil
}

// sourceOf returns what one client cannot easily have many of: an IPv4 address, or the /64 of an
// IPv6 address.
func sourceOf(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	addr := ap.Addr().Unmap()
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return "" // unreachable: every IPv6 address has one
	}
	return prefix.String()
}

// admit counts a new connection, and returns the one to close for it, or nil.
func (p *Pool) admit(c *conn) (victim *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.strangers) >= p.opts.Strangers {
		victim = oldest(mostOfOneSource(p.strangers))
		p.remove(victim)
	}
	p.add(c, p.strangers, "")
	return victim
}

// mostOfOneSource returns the connections of the source that has most of them: who opens many loses
// his own.
func mostOfOneSource(all map[*conn]struct{}) map[*conn]struct{} {
	sources := map[string]map[*conn]struct{}{}
	for c := range all {
		if sources[c.source] == nil {
			sources[c.source] = map[*conn]struct{}{}
		}
		sources[c.source][c] = struct{}{}
	}
	var most map[*conn]struct{}
	for _, conns := range sources {
		// Where several have as many, the source of the oldest: the outcome must not depend on the
		// order of a map.
		if len(conns) > len(most) || len(conns) == len(most) && oldest(conns).since < oldest(most).since {
			most = conns
		}
	}
	return most
}

// oldest returns the connection that has been idle for longest, or the oldest when none is idle.
func oldest(conns map[*conn]struct{}) *conn {
	var best *conn
	for c := range conns {
		if best == nil || c.idle && !best.idle || c.idle == best.idle && c.since < best.since {
			best = c
		}
	}
	return best
}

// add with mu held.
func (p *Pool) add(c *conn, in map[*conn]struct{}, tenant string) {
	p.clock++
	c.in, c.tenant, c.since = in, tenant, p.clock
	in[c] = struct{}{}
	p.opts.Metrics.Connections.WithLabelValues(tenant).Set(float64(len(in)))
}

// remove with mu held. It may be called again.
func (p *Pool) remove(c *conn) {
	if c.in == nil {
		return
	}
	delete(c.in, c)
	p.opts.Metrics.Connections.WithLabelValues(c.tenant).Set(float64(len(c.in)))
	c.in = nil
}

type connKey struct{}

// ConnContext is that of http.Server.
func (p *Pool) ConnContext(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, counted(nc))
}

// ConnState is that of http.Server.
func (p *Pool) ConnState(nc net.Conn, state http.ConnState) {
	c := counted(nc)
	if c == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	c.idle, c.since = state == http.StateIdle, p.clock
}

// counted returns the conn under nc, through TLS, or nil.
func counted(nc net.Conn) *conn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	c, _ := nc.(*conn)
	return c
}

// Bind counts the request's connection to the tenant, who has just authenticated on it, until it is
// closed or another tenant does (a proxy carries requests of several). It reports false when all of
// the tenant's share is in use: then the request must be refused. ctx is that of the request.
func (p *Pool) Bind(ctx context.Context, tenant string) bool {
	c, _ := ctx.Value(connKey{}).(*conn)
	if c == nil {
		return true // not of this pool's listener
	}
	victim, ok := p.bind(c, tenant)
	if victim != nil {
		p.opts.Metrics.ConnectionsClosed.WithLabelValues("idle").Inc()
		victim.Conn.Close()
	}
	if !ok {
		p.opts.Metrics.ConnectionsRefused.WithLabelValues(tenant).Inc()
	}
	return ok
}

func (p *Pool) bind(c *conn, tenant string) (victim *conn, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.in == nil {
		return nil, false // closed meanwhile
	}
	if c.tenant == tenant {
		return nil, true
	}
	share := p.tenants[tenant]
	if share == nil {
		share = map[*conn]struct{}{}
		p.tenants[tenant] = share // as many as the configuration has tenants
	}
	if len(share) >= p.opts.Each {
		victim = oldest(share)
		if !victim.idle {
			return nil, false
		}
		p.remove(victim)
	}
	p.remove(c)
	p.add(c, share, tenant)
	return victim, true
}
