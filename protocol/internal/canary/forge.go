package canary

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// signAnew signs a document's payload with a key below a root of the adversary's: all of it is
// right but whom it leads to.
func signAnew(document []byte, now time.Time) ([]byte, error) {
	d, err := takeApart(document)
	if err != nil {
		return nil, err
	}
	root, rootKey, err := certificate("aws.nitro-enclaves", true, now, nil, nil)
	if err != nil {
		return nil, err
	}
	leaf, key, err := certificate("canary.nitro-enclaves", false, now, root, rootKey)
	if err != nil {
		return nil, err
	}
	if d.fields["certificate"], err = cbor.Marshal(leaf.Raw); err != nil {
		return nil, err
	}
	if d.fields["cabundle"], err = cbor.Marshal([][]byte{root.Raw}); err != nil {
		return nil, err
	}
	if _, err := d.put(); err != nil {
		return nil, err
	}
	// Sig_structure of RFC 9052, 4.4: context, protected header, no external data, payload.
	signed, err := cbor.Marshal([]any{"Signature1", d.parts[0], []byte{}, d.parts[2]})
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum384(signed)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	if d.parts[3], err = cbor.Marshal(signature); err != nil {
		return nil, err
	}
	// not put: the payload would be written anew, in another order than was signed
	return cbor.Marshal(d.parts)
}

// certificate makes one of the shape that documents have, signed by the parent or, without one, by
// itself.
func certificate(name string, ca bool, now time.Time, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Amazon"}, OrganizationalUnit: []string{"AWS"}, Country: []string{"US"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}
