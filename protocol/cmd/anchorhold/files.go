package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/result"
	"anchorhold/protocol/verify"
)

// maxSmall bounds files that are read whole: policies, pins, keys, receipts.
const maxSmall = 16 << 20

// readSmall reads a file whole; a wrong path to a huge one must not fill the memory.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSmall {
		return nil, fmt.Errorf("%s is over %d bytes: is it the right file?", path, maxSmall)
	}
	return b, nil
}

var yamlPolicy = regexp.MustCompile(`(?m)^anchorhold:\s*["']?policy/`)

// readPolicy reads a compiled policy and returns its bytes.
func readPolicy(path string) ([]byte, *policy.Policy, error) {
	b, err := readSmall(path)
	if err != nil {
		return nil, nil, err
	}
	p, err := policy.Parse(b)
	if err == nil {
		return b, p, nil
	}
	if yamlPolicy.Match(b) {
		return nil, nil, fmt.Errorf("%s is a policy's source: expected the compiled one (anchorhold policy compile -o policy.cbor %s)", path, path)
	}
	return nil, nil, refuse(fmt.Errorf("%s: expected a compiled policy: %w", path, err))
}

// readPins reads pins. Pins that do not parse are a refusal: nothing is approved by them.
func readPins(path string) (*appraise.Pins, error) {
	b, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	p, err := pinsfile.Parse(b)
	if err != nil {
		return nil, refuse(fmt.Errorf("%s: expected pins (SPEC 10.1): %w", path, err))
	}
	return p, nil
}

// readRoots returns AWS's root, or the certificates of a file, PEM or DER, instead.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return verify.AWSRoots(), nil
	}
	b, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if bytes.Contains(b, []byte("-----BEGIN")) {
		if !pool.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s holds no certificate", path)
		}
		return pool, nil
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a certificate, PEM or DER", path)
	}
	pool.AddCert(cert)
	return pool, nil
}

func streamName(s result.Stream) string {
	if s == result.Crosswalk {
		return "crosswalk"
	}
	return "reply"
}

// readPublicKey reads a public key file; an empty path gives nil.
func readPublicKey(path string, s result.Stream) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	key, err := result.ParsePublicKey(b, s)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a %s public key (NAME.pub.pem of anchorhold keygen): %w", path, streamName(s), keyHint(b, err))
	}
	return key, nil
}

// readPrivateKey reads a private key file.
func readPrivateKey(path string, s result.Stream) (*result.PrivateKey, error) {
	b, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	key, err := result.ParsePrivateKey(b, s)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a %s private key (NAME.key.pem of anchorhold keygen): %w", path, streamName(s), keyHint(b, err))
	}
	return key, nil
}

// keyHint names what kind of PEM a wrong file is.
func keyHint(b []byte, err error) error {
	block, _ := pem.Decode(b)
	if block == nil {
		return errors.New("it is no PEM file")
	}
	if !regexp.MustCompile(`^[A-Z ]{1,64}$`).MatchString(block.Type) {
		return err
	}
	return fmt.Errorf("it is a %s: %w", block.Type, err)
}
