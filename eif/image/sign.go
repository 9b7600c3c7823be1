package image

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"time"

	"anchorhold/protocol/measure"
)

const (
	majorBytes   = 2
	signatureLen = 96 // r and s of P-384
)

// Certificate returns the certificate of the signature section and the PCR8 that it gives. It says nothing about the signature.
// Errors: Unsigned, BadSection, BadCert.
func (i *Image) Certificate() (*x509.Certificate, measure.PCR, error) {
	_, cert, err := i.signature()
	if err != nil {
		return nil, measure.PCR{}, err
	}
	return cert, measure.CertificatePCR8(cert.Raw), nil
}

// signature reads the signature section.
func (i *Image) signature() (signatureSection, *x509.Certificate, error) {
	b, found := i.section(Signature)
	if !found {
		return signatureSection{}, nil, fault(Unsigned, "the image has no signature section")
	}
	s, err := parseSignatureSection(b)
	if err != nil {
		return signatureSection{}, nil, err
	}
	cert, err := parseCertificate(s.pem)
	if err != nil {
		return signatureSection{}, nil, err
	}
	return s, cert, nil
}

// Sign returns the image with its signature section, replacing one that it had. The signature is deterministic (RFC 6979). Errors: Faults, for a certificate
// that is not valid now, or a key that is not its own or not on P-384.
func (i *Image) Sign(key *ecdsa.PrivateKey, certificatePEM []byte, now time.Time) (*Image, error) {
	if len(certificatePEM) > maxCert {
		return nil, fault(BadCert, "%d bytes of PEM, the limit is %d", len(certificatePEM), maxCert)
	}
	cert, err := parseCertificate(certificatePEM)
	if err != nil {
		return nil, err
	}
	public, err := signingKey(cert, now)
	if err != nil {
		return nil, err
	}
	if !public.Equal(&key.PublicKey) {
		return nil, fault(BadKey, "the private key is not that of the certificate")
	}
	protected, payload := coseParts(i.Measure().PCR0)
	signature, err := signES384(key, sigStructure(protected, payload))
	if err != nil {
		return nil, err
	}
	out := *i
	out.Sections = nil
	for _, s := range i.Sections {
		if s.Type != Signature {
			out.Sections = append(out.Sections, s)
		}
	}
	section := signatureSection{certificatePEM, append(coseHead(protected, payload), signature...)}
	out.Sections = append(out.Sections, Section{Signature, section.encode()})
	return &out, nil
}

// Verify checks that the signature section signs this image's measured PCR0 with a certificate that is valid now, and returns it
// with its PCR8. With want, the certificate must be that one. Without, it proves no more than that somebody signed: anyone can.
//
// What was signed is built anew from the measured bytes. The section's own claim is compared with it and never read.
func (i *Image) Verify(want *x509.Certificate, now time.Time) (*x509.Certificate, measure.PCR, error) {
	s, cert, err := i.signature()
	if err != nil {
		return nil, measure.PCR{}, err
	}
	if want != nil && !bytes.Equal(cert.Raw, want.Raw) {
		return nil, measure.PCR{}, fault(OtherCert, "signed with the certificate %q, serial %x", cert.Subject, cert.SerialNumber)
	}
	public, err := signingKey(cert, now)
	if err != nil {
		return nil, measure.PCR{}, err
	}
	pcr0 := i.Measure().PCR0
	protected, payload := coseParts(pcr0)
	signature, found := bytes.CutPrefix(s.cose, coseHead(protected, payload))
	if !found || len(signature) != signatureLen {
		return nil, measure.PCR{}, fault(OtherPCR0, "what is signed is not register 0 with the measured PCR0 %s, by ES384", pcr0)
	}
	h := sha512.Sum384(sigStructure(protected, payload))
	r, t := new(big.Int).SetBytes(signature[:signatureLen/2]), new(big.Int).SetBytes(signature[signatureLen/2:])
	if !ecdsa.Verify(public, h[:], r, t) {
		return nil, measure.PCR{}, fault(Forged, "the signature over PCR0 %s does not verify under the certificate's key", pcr0)
	}
	return cert, measure.CertificatePCR8(cert.Raw), nil
}

// signingKey returns the key of a certificate that may sign now. run-enclave refuses images whose certificate has expired, too.
func signingKey(cert *x509.Certificate, now time.Time) (*ecdsa.PublicKey, error) {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P384() {
		return nil, fault(BadKey, "the certificate's key is not ECDSA on P-384")
	}
	if now.After(cert.NotAfter) {
		return nil, fault(Expired, "the certificate expired on %s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(cert.NotBefore) {
		return nil, fault(Expired, "the certificate is not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return public, nil
}

// coseHead is COSE_Sign1 up to the signature's bytes: untagged, empty unprotected header.
func coseHead(protected, payload []byte) []byte {
	b := appendHead(nil, majorArray, 4)
	b = appendBytes(b, protected)
	b = appendHead(b, majorMap, 0)
	b = appendBytes(b, payload)
	return appendHead(b, majorBytes, signatureLen)
}

// sigStructure is Sig_structure of RFC 9052, 4.4.
func sigStructure(protected, payload []byte) []byte {
	b := appendText(appendHead(nil, majorArray, 4), "Signature1")
	b = appendBytes(b, protected)
	b = appendBytes(b, nil)
	return appendBytes(b, payload)
}

func appendBytes(b, data []byte) []byte {
	return append(appendHead(b, majorBytes, uint64(len(data))), data...)
}

// signES384 returns r and s, each of 48 bytes.
func signES384(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	h := sha512.Sum384(message)
	// No randomness: the signed image can be rebuilt too.
	der, err := key.Sign(nil, h[:], crypto.SHA384)
	if err != nil {
		return nil, fault(BadKey, "%v", err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, fault(BadKey, "%v", err) // unreachable
	}
	out := make([]byte, signatureLen)
	rs.R.FillBytes(out[:signatureLen/2])
	rs.S.FillBytes(out[signatureLen/2:])
	return out, nil
}
