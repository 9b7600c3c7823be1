// Package testca makes certificate chains in the shape of AWS's Nitro attestation PKI, for tests
// and development only.
//
// The chain is root, regional (20 days, path length 2), zonal (6 days, 1), instance (24 hours, 0)
// and leaf (3 hours). All keys are derived from a seed and all signatures are deterministic, so a
// seeded CA with a fixed clock gives the same bytes.
package testca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync/atomic"
	"time"
)

const (
	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "EC PRIVATE KEY"

	rootYears = 30
)

// CA is a root of the test chain. Its methods are safe for concurrent use.
type CA struct {
	root    *x509.Certificate
	key     *ecdsa.PrivateKey
	seed    []byte
	now     func() time.Time
	counter atomic.Uint64 // of keys derived
}

// New makes a root with a fresh key; now is the clock of all that it issues.
func New(now func() time.Time) *CA {
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	return NewSeeded(string(seed[:]), now)
}

// NewSeeded makes a root whose key, and those of all it issues, follow from the seed: for test
// vectors.
func NewSeeded(seed string, now func() time.Time) *CA {
	c := &CA{seed: []byte(seed), now: now}
	c.key = c.NewKey(elliptic.P384())
	template := rootTemplate(now())
	der, err := x509.CreateCertificate(rand.Reader, template, template, c.key.Public(), deterministic{c.key})
	if err != nil {
		panic(fmt.Sprintf("testca: root: %v", err)) // unreachable: constant template
	}
	if c.root, err = x509.ParseCertificate(der); err != nil {
		panic(fmt.Sprintf("testca: root: %v", err)) // unreachable
	}
	return c
}

// Root returns the root certificate.
func (c *CA) Root() *x509.Certificate { return c.root }

// Roots returns a new pool with the root alone.
func (c *CA) Roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c.root)
	return p
}

// RootPEM returns the root certificate, for verifiers.
func (c *CA) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.root.Raw})
}

// MarshalPEM returns root certificate and private key, so that several processes share one root.
func (c *CA) MarshalPEM() []byte {
	der, err := x509.MarshalECPrivateKey(c.key)
	if err != nil {
		panic(fmt.Sprintf("testca: %v", err)) // unreachable: a key of ours
	}
	return append(c.RootPEM(), pem.EncodeToMemory(&pem.Block{Type: privateKeyBlock, Bytes: der})...)
}

// ParsePEM reads what MarshalPEM wrote.
func ParsePEM(b []byte, now func() time.Time) (*CA, error) {
	cert, rest := pem.Decode(b)
	key, rest := pem.Decode(rest)
	if cert == nil || key == nil || cert.Type != certificateBlock || key.Type != privateKeyBlock || len(rest) != 0 {
		return nil, errors.New("malformed test CA: want a certificate and its private key")
	}
	c := &CA{seed: make([]byte, 32), now: now}
	// never fails; the processes that share the root must not share the keys below it
	rand.Read(c.seed)
	var err error
	if c.root, err = x509.ParseCertificate(cert.Bytes); err != nil {
		return nil, fmt.Errorf("test CA: %w", err)
	}
	if c.key, err = x509.ParseECPrivateKey(key.Bytes); err != nil {
		return nil, fmt.Errorf("test CA: %w", err)
	}
	if !c.key.PublicKey.Equal(c.root.PublicKey) {
		return nil, errors.New("test CA: the key is not the certificate's")
	}
	return c, nil
}

// NewKey derives the next key.
func (c *CA) NewKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	for {
		bits := curve.Params().BitSize
		// 64 bytes are too few for P-521
		raw := append(c.derive("key"), c.derive("key")...)[:(bits+7)/8]
		raw[0] &= 0xff >> (8*len(raw) - bits)
		if k, err := ecdsa.ParseRawPrivateKey(curve, raw); err == nil {
			return k
		}
	}
}

// derive returns 64 bytes that follow from seed, label and the number of calls.
func (c *CA) derive(label string) []byte {
	n := binary.BigEndian.AppendUint64(nil, c.counter.Add(1))
	sum := sha512.Sum512(append(append([]byte("anchorhold testca "+label+" "), n...), c.seed...))
	return sum[:]
}

// serial returns a positive serial number of exactly so many bytes.
func (c *CA) serial(bytes int) *big.Int {
	raw := c.derive("serial")[:bytes]
	raw[0] = raw[0]&0x3f | 0x40
	return new(big.Int).SetBytes(raw)
}

// deterministic signs by RFC 6979 whatever source of randomness x509 hands it.
type deterministic struct{ key *ecdsa.PrivateKey }

func (d deterministic) Public() crypto.PublicKey { return d.key.Public() }

func (d deterministic) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.key.Sign(nil, digest, opts)
}
