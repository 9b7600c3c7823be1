package image

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
)

// algorithm is one of the COSE algorithms that AWS's library signs with. The curve of the key
// chooses it.
type algorithm struct {
	name      string
	curve     elliptic.Curve
	hash      crypto.Hash
	sum       func([]byte) []byte
	protected []byte // COSE's protected header: CBOR {1: number of the algorithm}
}

// size is the length of r and of s in bytes.
func (a *algorithm) size() int { return (a.curve.Params().BitSize + 7) / 8 }

// algorithms are those of RFC 9053, 2.1.
var algorithms = []algorithm{
	{"ES256", elliptic.P256(), crypto.SHA256, func(b []byte) []byte { h := sha256.Sum256(b); return h[:] }, []byte{0xa1, 0x01, 0x26}},
	{"ES384", elliptic.P384(), crypto.SHA384, func(b []byte) []byte { h := sha512.Sum384(b); return h[:] }, []byte{0xa1, 0x01, 0x38, 0x22}},
	{"ES512", elliptic.P521(), crypto.SHA512, func(b []byte) []byte { h := sha512.Sum512(b); return h[:] }, []byte{0xa1, 0x01, 0x38, 0x23}},
}

// keyOf returns the key of a certificate and the algorithm that goes with it. Error: Unsupported.
func keyOf(cert *x509.Certificate) (*ecdsa.PublicKey, *algorithm, error) {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, nil, fault(Unsupported, "the certificate's key is %v, want ECDSA on P-256, P-384 or P-521", cert.PublicKeyAlgorithm)
	}
	for k := range algorithms {
		if algorithms[k].curve == public.Curve {
			return public, &algorithms[k], nil
		}
	}
	return nil, nil, fault(Unsupported, "the certificate's key is ECDSA on %s, want P-256, P-384 or P-521", public.Curve.Params().Name)
}
