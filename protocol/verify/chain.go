package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/attest"
)

// chain is a certificate chain that ends at a pinned root. Its signatures and shape hold at any
// time; validAt judges the moment, so that a cached chain cannot outlive its certificates.
type chain struct {
	key                  *ecdsa.PublicKey // of the leaf
	leafBegin, leafEnd   time.Time
	chainBegin, chainEnd time.Time // when all certificates are valid, root included
}

// validAt wants the document's time within the leaf's validity and all certificates valid at the
// given moment.
func (c *chain) validAt(document, at time.Time) error {
	if document.Before(c.leafBegin) || document.After(c.leafEnd) {
		return ErrTimestamp
	}
	if at.Before(c.chainBegin) || at.After(c.chainEnd) {
		return fmt.Errorf("%w: valid from %s to %s", ErrExpired, c.chainBegin.UTC().Format(time.RFC3339), c.chainEnd.UTC().Format(time.RFC3339))
	}
	return nil
}

// buildChain wants exactly the chain leaf, cabundle from last to first, the first being one of
// roots. Nothing may be left out, left over or out of order: AWS sends no other form, and a search
// among a stranger's certificates is its to steer.
func buildChain(d *attest.Document, roots *x509.CertPool) (*chain, error) {
	if roots == nil {
		return nil, ErrUntrusted // x509 would take the system's roots
	}
	path := make([]*x509.Certificate, 0, len(d.CABundle)+1)
	for _, der := range append(d.CABundle[:len(d.CABundle):len(d.CABundle)], d.Certificate) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: not x.509", ErrCertificate)
		}
		path = append(path, c)
	}
	leaf := path[len(path)-1]
	for i, c := range path {
		if err := checkShape(c, len(path)-1-i); err != nil {
			return nil, err
		}
	}
	c := &chain{leafBegin: leaf.NotBefore, leafEnd: leaf.NotAfter, chainBegin: leaf.NotBefore, chainEnd: leaf.NotAfter}
	for _, p := range path {
		if p.NotBefore.After(c.chainBegin) {
			c.chainBegin = p.NotBefore
		}
		if p.NotAfter.Before(c.chainEnd) {
			c.chainEnd = p.NotAfter
		}
	}
	if c.chainEnd.Before(c.chainBegin) {
		return nil, fmt.Errorf("%w: no moment at which all are valid", ErrExpired)
	}
	c.key = leaf.PublicKey.(*ecdsa.PublicKey) // checkShape saw it
	if err := checkPath(path, roots, c.chainBegin); err != nil {
		return nil, err
	}
	return c, nil
}

// checkShape wants of one certificate what AWS's attestation process asks and its PKI shows; below
// counts the certificates under it, 0 for the leaf.
func checkShape(c *x509.Certificate, below int) error {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || key.Curve != elliptic.P384():
		return fmt.Errorf("%w: key is not on P-384", ErrCertificate)
	case c.SignatureAlgorithm != x509.ECDSAWithSHA384:
		return fmt.Errorf("%w: not signed with ECDSA and SHA-384", ErrCertificate)
	case c.Version != 3 || !c.BasicConstraintsValid:
		return fmt.Errorf("%w: no basic constraints", ErrCertificate)
	case len(c.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("%w: unknown critical extension", ErrCertificate)
	}
	if below == 0 {
		switch {
		case c.IsCA:
			return fmt.Errorf("%w: leaf is a CA", ErrCertificate)
		case c.MaxPathLen > 0 || c.MaxPathLenZero:
			return fmt.Errorf("%w: leaf has a path length", ErrCertificate)
		case c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
			return fmt.Errorf("%w: leaf may not sign", ErrCertificate)
		case c.KeyUsage&x509.KeyUsageCertSign != 0:
			return fmt.Errorf("%w: leaf may sign certificates", ErrCertificate)
		}
		return nil
	}
	switch {
	case !c.IsCA:
		return fmt.Errorf("%w: issuer is not a CA", ErrCertificate)
	case c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("%w: issuer may not sign certificates", ErrCertificate)
	case (c.MaxPathLen > 0 || c.MaxPathLenZero) && below-1 > c.MaxPathLen:
		return fmt.Errorf("%w: path length", ErrCertificate)
	}
	return nil
}

// checkPath verifies names and signatures, at a moment when all certificates are valid.
func checkPath(path []*x509.Certificate, roots *x509.CertPool, at time.Time) error {
	anyUsage := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	// The document's own root must be the pinned one: a chain that merely also leads there is not
	// what AWS sends.
	self, err := path[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: anyUsage})
	if err != nil || len(self) != 1 || len(self[0]) != 1 {
		return ErrUntrusted
	}
	intermediates := x509.NewCertPool()
	for _, c := range path[1 : len(path)-1] {
		intermediates.AddCert(c)
	}
	chains, err := path[len(path)-1].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: anyUsage})
	if err != nil {
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) {
			return fmt.Errorf("%w: %s", ErrCertificate, invalid.Detail)
		}
		return ErrUntrusted
	}
	for _, found := range chains {
		if samePath(found, path) {
			return nil
		}
	}
	return fmt.Errorf("%w: certificates left over or out of order", ErrUntrusted)
}

// samePath tells whether found, leaf first, is path, root first.
func samePath(found, path []*x509.Certificate) bool {
	if len(found) != len(path) {
		return false
	}
	for i, c := range found {
		if !c.Equal(path[len(path)-1-i]) {
			return false
		}
	}
	return true
}
