// Package credentials answers the get-credentials and renew-credentials of an enclave (SPEC 2.2)
// with those of the parent's role. They permit kms:Decrypt only together with attestation, so the
// enclave may have them and a thief gains little; they are still never logged. An enclave learns a
// code when there are none.
package credentials

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"anchorhold/parent/internal/serve"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

const (
	connections = 16               // of enclaves, at once
	askTime     = 2 * time.Minute  // an enclave may keep its connection so long between questions
	fetchTime   = 10 * time.Second // for the source to answer
	// early is how long before their end credentials are fetched anew: enough for the longest KMS
	// call with retries.
	early = 5 * time.Minute
	// pause after a failure spares the source; who asks meanwhile gets what is still valid, or the
	// code.
	pause = 2 * time.Second
	// renewPause is the least time between two reads of the source because of renew-credentials: an
	// enclave that reports refusals in a loop must not make the parent flood the instance metadata
	// service.
	renewPause = 5 * time.Second
)

// Source fetches credentials. Their Expires is zero when they do not end.
type Source interface {
	Fetch(ctx context.Context) (message.Credentials, error)
}

// Provider serves enclaves from a Source and keeps what it fetched until shortly before it ends.
type Provider struct {
	source  Source
	metrics *telemetry.Metrics
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	have   message.Credentials // guarded by mu
	failed time.Time           // last failure of the source; guarded by mu
	reread time.Time           // last read because of renew-credentials; guarded by mu
}

// New returns a Provider. now nil is time.Now.
func New(s Source, m *telemetry.Metrics, log *slog.Logger, now func() time.Time) *Provider {
	if now == nil {
		now = time.Now
	}
	return &Provider{source: s, metrics: m, log: log, now: now}
}

// Serve answers on l until ctx is done and returns when all connections are closed.
func (p *Provider) Serve(ctx context.Context, l net.Listener) error {
	return serve.Connections(ctx, l, connections, p.handle)
}

func (p *Provider) handle(ctx context.Context, nc net.Conn) {
	conn := message.NewConn(nc)
	for {
		if conn.SetDeadline(time.Now().Add(askTime)) != nil {
			return
		}
		m, _, _, err := conn.Receive()
		if err != nil {
			return
		}
		var answer message.Message
		switch m := m.(type) {
		case message.GetCredentials:
			answer = p.answer(ctx)
		case message.RenewCredentials:
			answer = p.renewal(ctx, m)
		default:
			p.metrics.Credentials.WithLabelValues("malformed").Inc()
			return
		}
		if conn.Send(answer) != nil {
			return
		}
	}
}

func (p *Provider) answer(ctx context.Context) message.Message {
	c, ok := p.current(ctx)
	if !ok {
		p.metrics.Credentials.WithLabelValues("failed").Inc()
		return message.Failed{Code: code.CredentialsUnavailable}
	}
	p.metrics.Credentials.WithLabelValues("ok").Inc()
	return c
}

// current returns credentials that are valid now. The lock is held while it fetches, so that many
// enclaves cost one call.
func (p *Provider) current(ctx context.Context) (message.Credentials, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.valid(early) {
		return p.have, true
	}
	if p.now().Sub(p.failed) < pause {
		return p.have, p.valid(0)
	}
	if p.fetch(ctx) {
		return p.have, true
	}
	return p.have, p.valid(0)
}

// fetch asks the source and reports whether it gave credentials that are valid now, which are kept
// then. mu is held.
func (p *Provider) fetch(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	c, err := p.source.Fetch(ctx)
	if err == nil && c.AccessKeyID != "" && c.SecretAccessKey != "" && p.holds(c, 0) {
		p.have = c
		return true
	}
	p.failed = p.now()
	// The error's text may quote a file or an answer, so only the code is logged.
	p.log.Error("no credentials from their source", "code", code.CredentialsUnavailable)
	return false
}

// renewal answers an enclave that says that KMS refused the credentials with that digest.
func (p *Provider) renewal(ctx context.Context, m message.RenewCredentials) message.Message {
	c, outcome := p.renew(ctx, m)
	p.metrics.CredentialsRefused.WithLabelValues(outcome).Inc()
	if outcome == "renewed" {
		return c
	}
	// A line for each read of the source, of which there is one in renewPause: peers must not fill
	// the log. The metric counts the others.
	if outcome != "limited" {
		p.log.Error("KMS refuses the parent's credentials", "code", code.CredentialsRefused, "source", outcome)
	}
	return message.Failed{Code: code.CredentialsRefused}
}

// renew returns credentials other than those refused, with the outcome "renewed"; the other
// outcomes are "same", "failed" and "limited". The lock is held while it fetches: there is one read
// at a time, and reports that come meanwhile share its result.
func (p *Provider) renew(ctx context.Context, m message.RenewCredentials) (message.Credentials, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.valid(0) && p.have.Digest() != m.Refused {
		return p.have, "renewed"
	}
	now := p.now()
	if now.Sub(p.reread) < renewPause || now.Sub(p.failed) < pause {
		return message.Credentials{}, "limited"
	}
	p.reread = now
	switch {
	case !p.fetch(ctx):
		// those that are there are kept: the report may be false
		return message.Credentials{}, "failed"
	case p.have.Digest() == m.Refused:
		return message.Credentials{}, "same"
	}
	return p.have, "renewed"
}

// valid reports whether the credentials that are kept hold for d longer. mu is held.
func (p *Provider) valid(d time.Duration) bool {
	return p.have.AccessKeyID != "" && p.holds(p.have, d)
}

func (p *Provider) holds(c message.Credentials, d time.Duration) bool {
	return c.Expires == 0 || p.now().Add(d).UnixMilli() < int64(min(c.Expires, 1<<62))
}
