package kms

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

// Credentials are asked for again early, so that none expire on the way, and at the latest after
// maxCredentialAge, because the parent may rotate them sooner than it said.
const (
	credentialMargin = time.Minute
	maxCredentialAge = 15 * time.Minute
	maxCredential    = 8 << 10 // bytes of one field; session tokens have no documented limit
)

// credentials are those of the parent's role. They open nothing without an attestation document, so
// their being the adversary's is part of the design.
type credentials struct {
	config Config
	lock   chan struct{} // holds one token: a lock that gives up with the context

	current aws.Credentials // owned by the holder of lock
	until   time.Time       // owned by the holder of lock: ask again then
}

func newCredentials(c Config) *credentials {
	return &credentials{config: c, lock: make(chan struct{}, 1)}
}

// get returns cached credentials, or asks the parent. The error is credentials-unavailable.
func (c *credentials) get(ctx context.Context) (aws.Credentials, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return aws.Credentials{}, code.New(code.CredentialsUnavailable, ctx.Err())
	}
	if c.config.Now().Before(c.until) {
		return c.current, nil
	}
	return c.fetch(ctx, message.GetCredentials{})
}

// renew returns credentials other than those refused, which KMS did not accept: those that another
// call has fetched meanwhile, or the parent's. The error is credentials-refused.
func (c *credentials) renew(ctx context.Context, refused aws.Credentials) (aws.Credentials, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return aws.Credentials{}, code.New(code.CredentialsRefused, ctx.Err())
	}
	digest := digestOf(refused)
	if digestOf(c.current) != digest && c.config.Now().Before(c.until) {
		return c.current, nil
	}
	fresh, err := c.fetch(ctx, message.RenewCredentials{Refused: digest})
	if err == nil && digestOf(fresh) != digest {
		return fresh, nil
	}
	// The next call asks the parent again: its operator may have put things right by then.
	c.current, c.until = aws.Credentials{}, time.Time{}
	return aws.Credentials{}, code.New(code.CredentialsRefused, err)
}

// fetch asks the parent for credentials and keeps them. The caller holds the lock.
func (c *credentials) fetch(ctx context.Context, question message.Message) (aws.Credentials, error) {
	now := c.config.Now()
	conn, answer, err := ask(ctx, c.config, c.config.Credentials, question)
	if err != nil {
		return aws.Credentials{}, code.New(code.CredentialsUnavailable, err)
	}
	defer conn.Close()
	m, ok := answer.(message.Credentials)
	if !ok || !validCredential(m.AccessKeyID, 1) || !validCredential(m.SecretAccessKey, 1) || !validCredential(m.SessionToken, 0) {
		return aws.Credentials{}, code.New(code.CredentialsUnavailable, nil)
	}
	c.current = aws.Credentials{
		AccessKeyID:     m.AccessKeyID,
		SecretAccessKey: m.SecretAccessKey,
		SessionToken:    m.SessionToken,
		Source:          "parent",
	}
	c.until = now.Add(maxCredentialAge)
	if expires := time.UnixMilli(int64(min(m.Expires, 1<<53))).Add(-credentialMargin); m.Expires != 0 && expires.Before(c.until) {
		c.until = expires
	}
	return c.current, nil
}

func digestOf(c aws.Credentials) [sha256.Size]byte {
	return message.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}.Digest()
}

// validCredential keeps line breaks and the like out of request headers.
func validCredential(s string, least int) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(s) >= least && len(s) <= maxCredential
}
