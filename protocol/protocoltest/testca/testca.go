// Package testca makes certificate chains in the shape of AWS's Nitro attestation PKI, for tests and development only.
package testca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"time"
)

// CA is a root of the test chain. Its methods are safe for concurrent use.
type CA struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

// New makes a root with a fresh key; now is the clock of all that it issues.
func New(now func() time.Time) *CA { return &CA{now: now} }

// Root returns the root certificate.
func (c *CA) Root() *x509.Certificate { return c.root }

// Roots returns a pool with the root only.
func (c *CA) Roots() *x509.CertPool { p := x509.NewCertPool(); p.AddCert(c.root); return p }

// RootPEM returns the root certificate, for verifiers.
func (c *CA) RootPEM() []byte { return nil }

// MarshalPEM returns root certificate and private key, so that several processes share one root.
func (c *CA) MarshalPEM() []byte { return nil }

// ParsePEM reads what MarshalPEM wrote.
func ParsePEM(b []byte, now func() time.Time) (*CA, error) { return nil, errors.New("malformed") }

// Issued is a chain down to a leaf and the leaf's key.
type Issued struct {
	Leaf     *x509.Certificate
	Key      *ecdsa.PrivateKey
	CABundle [][]byte // DER, root first
}

// Issue makes a fresh chain for a module.
func (c *CA) Issue(moduleID string) (*Issued, error) { return nil, errors.New("unfinished") }
