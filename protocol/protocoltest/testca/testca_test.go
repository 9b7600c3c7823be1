package testca_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"anchorhold/protocol/protocoltest/testca"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// The chain has the shape of AWS's: lives, path lengths, key usages, curve and hash of real
// documents of 2025.
func TestShape(t *testing.T) {
	ca := testca.New(clock)
	i, err := ca.Issue("i-0123456789abcdef0-enc0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	both := x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	for n, want := range []struct {
		life   time.Duration
		path   int
		usage  x509.KeyUsage
		serial int // bytes
	}{
		{0, -1, both, 1},
		{481 * time.Hour, 2, both, 16},
		{140 * time.Hour, 1, both, 16},
		{24 * time.Hour, 0, x509.KeyUsageCertSign, 20},
		{3*time.Hour + 3*time.Second, -1, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, 16},
	} {
		der := i.Leaf.Raw
		if n < len(i.CABundle) {
			der = i.CABundle[n]
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.NotAfter.Sub(c.NotBefore); n > 0 && got != want.life {
			t.Errorf("level %d lives %s, want %s", n, got, want.life)
		}
		if c.MaxPathLen != want.path || c.KeyUsage != want.usage || c.IsCA != (n < 4) || !c.BasicConstraintsValid {
			t.Errorf("level %d: path length %d, usage %b, CA %v", n, c.MaxPathLen, c.KeyUsage, c.IsCA)
		}
		if c.SignatureAlgorithm != x509.ECDSAWithSHA384 || len(der) > 1024 || len(c.SerialNumber.Bytes()) != want.serial {
			t.Errorf("level %d: %s, %d bytes, serial of %d", n, c.SignatureAlgorithm, len(der), len(c.SerialNumber.Bytes()))
		}
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			t.Errorf("level %d is not valid now", n)
		}
		for _, e := range c.Extensions {
			if e.Id.String() == "2.5.29.15" && e.Critical != (n < 4) {
				t.Errorf("level %d: key usage critical is %v", n, e.Critical)
			}
		}
	}
	if i.Stale(now.Add(2*time.Hour+44*time.Minute)) || !i.Stale(now.Add(2*time.Hour+45*time.Minute)) || !i.Stale(now.Add(-time.Hour)) {
		t.Error("a leaf is not replaced 15 minutes before its end")
	}
}

// Two processes that share the file have one root and no other key in common.
func TestPEM(t *testing.T) {
	a := testca.New(clock)
	b, err := testca.ParsePEM(a.MarshalPEM(), clock)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Root().Equal(b.Root()) || !bytes.Equal(a.MarshalPEM(), b.MarshalPEM()) {
		t.Error("another root after reading")
	}
	x, err := a.Issue("i-0-enc0")
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Issue("i-0-enc0")
	if err != nil {
		t.Fatal(err)
	}
	if x.Key.Equal(y.Key) {
		t.Error("two processes made the same leaf key")
	}
	if p := x509.NewCertPool(); !p.AppendCertsFromPEM(a.RootPEM()) || !p.Equal(a.Roots()) {
		t.Error("RootPEM is not the root")
	}
	other := testca.New(clock)
	key := func(c *testca.CA) []byte { return c.MarshalPEM()[len(c.RootPEM()):] }
	for name, bad := range map[string][]byte{
		"empty": nil, "no key": a.RootPEM(), "key alone": key(a), "other key": append(a.RootPEM(), key(other)...),
		"trailing": append(a.MarshalPEM(), "x"...), "order": append(key(a), a.RootPEM()...),
	} {
		if c, err := testca.ParsePEM(bad, clock); err == nil || c != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Vectors must not change from run to run.
func TestSeededIsDeterministic(t *testing.T) {
	build := func(seed string) []byte {
		ca := testca.NewSeeded(seed, clock)
		ca.NewKey(elliptic.P521())
		i, err := ca.Issue("i-0-enc0")
		if err != nil {
			t.Fatal(err)
		}
		return append(ca.MarshalPEM(), i.Leaf.Raw...)
	}
	if !bytes.Equal(build("a"), build("a")) || bytes.Equal(build("a"), build("b")) {
		t.Error("a seed does not fix the bytes")
	}
}
