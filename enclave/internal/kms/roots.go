package kms

import (
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
)

// rootFiles are the Amazon Trust Services roots (https://www.amazontrust.com/repository/), under
// which every KMS endpoint's certificate is issued.
//
//go:embed roots/*.pem
var rootFiles embed.FS

// AmazonRoots returns the roots of the AWS endpoints. They are in the measured program: the parent
// has no say in them.
func AmazonRoots() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	entries, err := rootFiles.ReadDir("roots")
	if err != nil {
		return nil, fmt.Errorf("read the embedded roots: %w", err)
	}
	for _, e := range entries {
		b, err := rootFiles.ReadFile("roots/" + e.Name())
		if err != nil || !pool.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("embedded root %s is malformed", e.Name())
		}
	}
	return pool, nil
}

// TestRoots returns the roots of a policy's test section. Trusted: a policy that has one is NOT
// AWS.
func TestRoots(pem string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("tls-roots of the policy hold no certificate")
	}
	return pool, nil
}
