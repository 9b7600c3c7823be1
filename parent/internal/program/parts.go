package program

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"anchorhold/parent/internal/admit"
	"anchorhold/parent/internal/api"
	"anchorhold/parent/internal/config"
	"anchorhold/parent/internal/credentials"
	"anchorhold/parent/internal/events"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/relay"
	"anchorhold/parent/internal/spool"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/transport"
)

const (
	headerTime = 10 * time.Second // for a request's header
	keepTime   = 2 * time.Minute  // of an idle HTTP connection
	maxHeader  = 32 << 10
	answerTime = 15 * time.Second // for answers under way, once nothing new is taken
	sweepEvery = time.Minute
	// inlineBytes: below, the syncs of a file cost more than its bytes in the database.
	inlineBytes = 64 << 10
)

// parts is everything that runs. open makes it, run runs and closes it.
type parts struct {
	config *config.Config
	log    *slog.Logger
	spool  *spool.Spool
	fleet  *fleet.Fleet
	relay  *relay.Relay
	creds  *credentials.Provider
	events *events.Listener
	api    *api.Server
	pool   *admit.Pool

	web, relayListener, credsListener net.Listener
	eventsListener                    net.Listener // nil when nothing listens
}

// open opens the spool and every listener, so that what cannot work is known before "ready".
func open(c *config.Config, log *slog.Logger) (p *parts, err error) {
	p = &parts{config: c, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
			p = nil
		}
	}()
	metrics := telemetry.New(func() float64 { return float64(p.spool.Bytes()) }, func() float64 { return float64(c.Limits.SpoolBytes) })
	p.pool = admit.New(admit.Options{Strangers: c.Limits.Strangers, Each: c.Limits.TenantConnections, Metrics: metrics})
	if p.web, err = listenWeb(c, p.pool); err != nil {
		return p, err
	}
	if p.relayListener, err = transport.Listen(c.Relay.Listen); err != nil {
		return p, fmt.Errorf("relay: %w", err)
	}
	if p.credsListener, err = transport.Listen(c.Credentials.Listen); err != nil {
		return p, fmt.Errorf("credentials: %w", err)
	}
	if c.Events.Listen != "" {
		if p.eventsListener, err = transport.Listen(c.Events.Listen); err != nil {
			return p, fmt.Errorf("events: %w", err)
		}
	}
	l := c.Limits
	p.spool, err = spool.Open(spool.Options{
		Dir: c.Spool, MaxBytes: int64(l.SpoolBytes), EachBytes: each(c), MaxQueued: l.QueuedJobs, Retention: l.Retention.D(), Log: log, Inline: inlineBytes,
	})
	if err != nil {
		return p, err
	}
	p.fleet, err = fleet.New(fleet.Options{
		Enclaves: enclaves(c), Spool: p.spool, Metrics: metrics, Log: log, Attempts: l.Attempts,
		JobTime: l.JobTime.D(), IdleTime: l.IdleTime.D(), QueueTime: l.QueueTime.D(), Drain: l.Drain.D(), HostBoot: hostBoot(),
	})
	if err != nil {
		return p, err
	}
	p.relay = relay.New(relay.Options{
		Allow:       relay.Allow{Region: c.Credentials.Region, Hosts: c.Relay.Hosts, Dial: c.Relay.Dial},
		Connections: c.Relay.Connections, Metrics: metrics, Log: log,
	})
	p.creds = credentials.New(source(c), metrics, log, nil)
	addresses := map[string]string{}
	for _, e := range c.Enclaves {
		addresses[e.Name] = e.Address
	}
	p.events = events.New(addresses, metrics, log, nil)
	p.api = api.New(api.Options{
		Spool: p.spool, Fleet: p.fleet, Metrics: metrics, Log: log, Tokens: tokens(c), MetricsTokens: metricsTokens(c),
		JobBytes: int64(l.JobBytes), Uploads: l.Uploads, Wait: l.Wait.D(), Bind: p.pool.Bind,
	})
	return p, nil
}

func (p *parts) close() error {
	var errs []error
	for _, l := range []net.Listener{p.web, p.relayListener, p.credsListener, p.eventsListener} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if p.spool != nil {
		errs = append(errs, p.spool.Close())
	}
	return errors.Join(errs...)
}

// run serves until ctx is done or a listener fails. It stops in this order: take nothing new and
// answer who waits, let jobs end, and only then the relay and credentials that those jobs need.
func (p *parts) run(ctx context.Context, ready func(url string)) (err error) {
	defer func() { err = errors.Join(err, p.close()) }()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	edges, stopEdges := context.WithCancel(context.WithoutCancel(ctx))
	var edge, work sync.WaitGroup
	watch := func(name string, serve func() error) {
		if err := serve(); err != nil {
			stop(fmt.Errorf("%s: %w", name, err))
		}
	}
	edge.Go(func() { watch("relay", func() error { return p.relay.Serve(edges, p.relayListener) }) })
	edge.Go(func() { watch("credentials", func() error { return p.creds.Serve(edges, p.credsListener) }) })
	if p.eventsListener != nil {
		edge.Go(func() { watch("events", func() error { return p.events.Serve(edges, p.eventsListener) }) })
	}
	work.Go(func() { p.fleet.Run(ctx) })
	work.Go(func() { p.sweep(ctx) })
	server := p.server()
	work.Go(func() {
		watch("http", func() error {
			if err := server.Serve(p.web); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	})
	ready(p.url())
	<-ctx.Done()
	p.log.Info("stopping")
	p.api.Drain()
	p.shutdown(server)
	work.Wait()
	stopEdges()
	edge.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (p *parts) shutdown(server *http.Server) {
	limit, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if server.Shutdown(limit) != nil {
		server.Close() // answers that are still not read are cut off; they can be fetched again
	}
}

func (p *parts) server() *http.Server {
	return &http.Server{
		Handler: p.api, ReadHeaderTimeout: headerTime, IdleTimeout: keepTime, MaxHeaderBytes: maxHeader,
		ConnContext: p.pool.ConnContext, ConnState: p.pool.ConnState,
		// The server's own lines quote peers.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

func (p *parts) url() string {
	scheme := "http"
	if p.config.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + p.web.Addr().String()
}

func (p *parts) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := p.spool.Sweep(); err != nil {
			p.log.Error("expired jobs not removed")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func listenWeb(c *config.Config, pool *admit.Pool) (net.Listener, error) {
	var certificate tls.Certificate
	if c.TLS != nil {
		var err error
		if certificate, err = tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, err
	}
	l = pool.Listen(l)
	if c.TLS == nil {
		return l, nil
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"},
	}), nil
}

// each is a tenant's share of the spool: all for the only one; else half, and always room for one
// job with its result.
func each(c *config.Config) int64 {
	if len(c.Tenants) < 2 {
		return int64(c.Limits.SpoolBytes)
	}
	return int64(max(c.Limits.SpoolBytes/2, 2*c.Limits.JobBytes))
}

func enclaves(c *config.Config) []fleet.Enclave {
	var out []fleet.Enclave
	for _, e := range c.Enclaves {
		out = append(out, fleet.Enclave{Name: e.Name, Address: e.Address, Replace: e.Replace, StopFile: e.StopFile})
	}
	return out
}

// hostBoot returns what Linux calls the host's boot id, or nothing where there is none.
func hostBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func source(c *config.Config) credentials.Source {
	switch c.Credentials.Source {
	case "environment":
		return credentials.Environment{}
	case "file":
		return credentials.File{Path: c.Credentials.File}
	default:
		return credentials.IMDS{}
	}
}

func tokens(c *config.Config) []api.Token {
	var out []api.Token
	for _, t := range c.Tenants {
		for _, d := range t.Tokens {
			out = append(out, api.Token{SHA256: d, Tenant: t.Name})
		}
	}
	return out
}

func metricsTokens(c *config.Config) []api.Token {
	var out []api.Token
	for _, d := range c.Metrics.Tokens {
		out = append(out, api.Token{SHA256: d})
	}
	return out
}
