package kms

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

// Credentials are asked for again early, so that none expire on the way, and at the latest after maxCredentialAge, because
// the parent may rotate them sooner than it said.
const (
	credentialMargin = time.Minute
	maxCredentialAge = 15 * time.Minute
	maxCredential    = 8 << 10 // bytes of one field; session tokens have no documented limit
)

// credentials are those of the parent's role. They open nothing without an attestation document, so their being the
// adversary's is part of the design.
type credentials struct {
	config Config
	lock   chan struct{} // holds one token: a lock that gives up with the context

	current aws.Credentials // owned by the holder of lock
	until   time.Time       // owned by the holder of lock: ask again then
}

var _ aws.CredentialsProvider = (*credentials)(nil)

func newCredentials(c Config) *credentials {
	return &credentials{config: c, lock: make(chan struct{}, 1)}
}

// Retrieve returns cached credentials, or asks the parent. The error is credentials-unavailable.
func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return aws.Credentials{}, code.New(code.CredentialsUnavailable, ctx.Err())
	}
	now := c.config.Now()
	if now.Before(c.until) {
		return c.current, nil
	}
	conn, answer, err := ask(ctx, c.config, c.config.Credentials, message.GetCredentials{})
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

// forget drops the cached credentials: KMS has refused them.
func (c *credentials) forget(ctx context.Context) {
	select {
	case c.lock <- struct{}{}:
		c.current, c.until = aws.Credentials{}, time.Time{}
		<-c.lock
	case <-ctx.Done():
	}
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
