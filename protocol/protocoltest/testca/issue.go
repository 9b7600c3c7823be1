package testca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Level is a place in the chain.
type Level int

// The levels, from the root down.
const (
	Regional Level = iota + 1
	Zonal
	Instance
	Leaf
)

// backdate is how long before its issue a CA certificate begins; a leaf begins 3 seconds before.
const (
	backdate     = time.Hour
	leafBackdate = 3 * time.Second
	leafLife     = 3 * time.Hour

	// RenewBefore is how long before its end the hypervisor replaces a leaf.
	RenewBefore = 15 * time.Minute
)

// Issued is a chain down to a leaf and the leaf's key.
type Issued struct {
	Leaf     *x509.Certificate
	Key      *ecdsa.PrivateKey // nil when an option gave the leaf another public key
	CABundle [][]byte          // DER, root first
}

// Stale tells whether the hypervisor would replace the leaf by now.
func (i *Issued) Stale(now time.Time) bool {
	return !now.Before(i.Leaf.NotAfter.Add(-RenewBefore)) || now.Before(i.Leaf.NotBefore)
}

// Option makes a chain that AWS would not make.
type Option func(*shape)

type shape struct {
	change [Leaf + 1]func(*x509.Certificate)
	key    [Leaf + 1]*ecdsa.PrivateKey
	public crypto.PublicKey
}

// Change edits the template of one certificate before it is signed.
func Change(l Level, f func(*x509.Certificate)) Option { return func(s *shape) { s.change[l] = f } }

// Key gives one certificate another key, say of another curve.
func Key(l Level, k *ecdsa.PrivateKey) Option { return func(s *shape) { s.key[l] = k } }

// LeafPublicKey gives the leaf any public key, say RSA; nobody then holds the leaf's key.
func LeafPublicKey(k crypto.PublicKey) Option { return func(s *shape) { s.public = k } }

// Issue makes a fresh chain for a module, as of the clock.
func (c *CA) Issue(moduleID string, options ...Option) (*Issued, error) {
	var s shape
	for _, o := range options {
		o(&s)
	}
	now := c.now().UTC().Truncate(time.Second)
	out := &Issued{CABundle: [][]byte{c.root.Raw}}
	parent, signer := c.root, c.key
	for l := Regional; l <= Leaf; l++ {
		if s.key[l] == nil {
			s.key[l] = c.NewKey(elliptic.P384())
		}
		template := c.template(l, moduleID, now)
		if s.change[l] != nil {
			s.change[l](template)
		}
		var public crypto.PublicKey = s.key[l].Public()
		if l == Leaf && s.public != nil {
			public, s.key[l] = s.public, nil
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, deterministic{signer})
		if err != nil {
			return nil, fmt.Errorf("issue level %d: %w", l, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("issue level %d: %w", l, err)
		}
		if l == Leaf {
			out.Leaf, out.Key = cert, s.key[l]
			return out, nil
		}
		out.CABundle = append(out.CABundle, der)
		parent, signer = cert, s.key[l]
	}
	return nil, errors.New("unreachable")
}

func rootTemplate(now time.Time) *x509.Certificate {
	now = now.UTC().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               name("test.nitro-enclaves"),
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.AddDate(rootYears, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// template follows real chains of 2025: names, lives, path lengths, key usages and lengths of
// serial numbers.
func (c *CA) template(l Level, moduleID string, now time.Time) *x509.Certificate {
	ca := &x509.Certificate{
		SerialNumber:          c.serial(16),
		NotBefore:             now.Add(-backdate),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		CRLDistributionPoints: []string{"http://crl.anchorhold.test/crl/1.crl"},
	}
	switch l {
	case Regional:
		ca.Subject, ca.MaxPathLen = name("0123456789abcdef.us-east-1.test.nitro-enclaves"), 2
		ca.NotAfter = ca.NotBefore.Add(481 * time.Hour)
	case Zonal:
		ca.Subject, ca.MaxPathLen = name("0123456789abcde.zonal.us-east-1.test.nitro-enclaves"), 1
		ca.NotAfter = ca.NotBefore.Add(140 * time.Hour)
	case Instance:
		ca.Subject, ca.MaxPathLen, ca.MaxPathLenZero = name("instance.us-east-1.test.nitro-enclaves"), 0, true
		ca.NotAfter = ca.NotBefore.Add(24 * time.Hour)
		ca.SerialNumber = c.serial(20)
		ca.KeyUsage = x509.KeyUsageCertSign
		ca.CRLDistributionPoints = nil
	default:
		return c.leafTemplate(moduleID, now)
	}
	return ca
}

func (c *CA) leafTemplate(moduleID string, now time.Time) *x509.Certificate {
	usage := []byte{0x03, 0x02, 0x06, 0xc0} // BIT STRING: digitalSignature, nonRepudiation
	return &x509.Certificate{
		SerialNumber:          c.serial(16),
		Subject:               name(moduleID + ".us-east-1.test"),
		NotBefore:             now.Add(-leafBackdate),
		NotAfter:              now.Add(leafLife),
		BasicConstraintsValid: true,
		// Not critical in real leaves; the KeyUsage field would make it so.
		ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 15}, Value: usage}},
	}
}

func name(cn string) pkix.Name {
	return pkix.Name{CommonName: cn, OrganizationalUnit: []string{"NOT AWS"}, Organization: []string{"Anchorhold test"}, Country: []string{"US"}}
}
