package image

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"anchorhold/protocol/measure"
)

const majorBytes = 2

// Certificate returns the first certificate of the signature section and the PCR8 that it gives. It
// says nothing about the signature. Errors: Unsigned, BadSection, BadCert.
func (i *Image) Certificate() (*x509.Certificate, measure.PCR, error) {
	s, err := i.signature()
	if err != nil {
		return nil, measure.PCR{}, err
	}
	cert, _, err := ParseCertificate(s[0].pem)
	if err != nil {
		return nil, measure.PCR{}, err
	}
	return cert, measure.CertificatePCR8(cert.Raw), nil
}

// Ignored returns how many signatures follow the first, and how many PEM blocks the first
// certificate. AWS's library reads neither, so they prove nothing. Errors as of Certificate.
func (i *Image) Ignored() (signatures, blocks int, err error) {
	s, err := i.signature()
	if err != nil {
		return 0, 0, err
	}
	_, rest, err := ParseCertificate(s[0].pem)
	if err != nil {
		return 0, 0, err
	}
	return len(s) - 1, bytes.Count(rest, []byte(pemBegin)), nil
}

func (i *Image) signature() (signatureSection, error) {
	b, found := i.section(Signature)
	if !found {
		return nil, fault(Unsigned, "the image has no signature section")
	}
	return parseSignatureSection(b)
}

// Sign returns the image with its signature section, replacing one that it had. The key is on
// P-384; the signature is deterministic (RFC 6979). Errors: Faults, for a certificate that is not
// valid now, or a key that is not the certificate's.
func (i *Image) Sign(key *ecdsa.PrivateKey, certificatePEM []byte, now time.Time) (*Image, error) {
	if len(certificatePEM) > maxCert {
		return nil, fault(BadCert, "%d bytes of PEM, the limit is %d", len(certificatePEM), maxCert)
	}
	cert, _, err := ParseCertificate(certificatePEM)
	if err != nil {
		return nil, err
	}
	if err := checkBlocks(certificatePEM); err != nil {
		return nil, err
	}
	public, a, err := keyOf(cert)
	if err != nil || a.name != "ES384" {
		return nil, fault(BadKey, "the certificate's key is not ECDSA on P-384")
	}
	if err := checkValidity(cert, now); err != nil {
		return nil, err
	}
	if !public.Equal(&key.PublicKey) {
		return nil, fault(BadKey, "the private key is not that of the certificate")
	}
	protected, payload := coseParts(a, i.Measure().PCR0)
	signature, err := a.sign(key, sigStructure(protected, payload))
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
	section := signatureSection{{certificatePEM, append(coseHead(protected, payload, len(signature)), signature...)}}
	out.Sections = append(out.Sections, Section{Signature, section.encode()})
	return &out, nil
}

// checkBlocks wants certificates alone: the file goes into the image as it is, and a key in it
// would be published.
func checkBlocks(text []byte) error {
	for rest := text; bytes.Contains(rest, []byte(pemBegin)); {
		label, _, after, err := cutBlock(rest)
		if err != nil {
			return fmt.Errorf("%w, want certificates alone", err)
		}
		if !isCertificate(label) {
			return fault(BadCert, "PEM block %q, want certificates alone: the image would publish it", label)
		}
		rest = after
	}
	return nil
}

// Verify checks that the first signature of the signature section signs this image's measured PCR0
// with a certificate that is valid now, and returns it with its PCR8. With want, the certificate
// must be that one. Without, it proves no more than that somebody signed: anyone can. The fault
// Expired means that the signature holds; Unsupported that it cannot be checked here.
//
// What was signed is built again from the measured bytes. The section's own claim is compared with
// it and never read.
func (i *Image) Verify(want *x509.Certificate, now time.Time) (*x509.Certificate, measure.PCR, error) {
	s, err := i.signature()
	if err != nil {
		return nil, measure.PCR{}, err
	}
	cert, _, err := ParseCertificate(s[0].pem)
	if err != nil {
		return nil, measure.PCR{}, err
	}
	if want != nil && !bytes.Equal(cert.Raw, want.Raw) {
		return nil, measure.PCR{}, fault(OtherCert, "signed with the certificate %q, serial %x", cert.Subject, cert.SerialNumber)
	}
	public, a, err := keyOf(cert)
	if err != nil {
		return nil, measure.PCR{}, err
	}
	if err := a.verify(public, s[0].cose, i.Measure().PCR0); err != nil {
		return nil, measure.PCR{}, err
	}
	// Last, or an expired certificate would hide that the signature is forged.
	if err := checkValidity(cert, now); err != nil {
		return nil, measure.PCR{}, err
	}
	return cert, measure.CertificatePCR8(cert.Raw), nil
}

// verify checks a COSE_Sign1 over the PCR0.
func (a *algorithm) verify(public *ecdsa.PublicKey, cose []byte, pcr0 measure.PCR) error {
	protected, payload := coseParts(a, pcr0)
	signature, found := bytes.CutPrefix(cose, coseHead(protected, payload, 2*a.size()))
	if !found || len(signature) != 2*a.size() {
		for k := range algorithms {
			b := &algorithms[k]
			if p := appendBytes(appendHead(nil, majorArray, 4), b.protected); b != a && bytes.HasPrefix(cose, p) {
				return fault(Algorithm, "signed with %s, and the certificate's key is one for %s", b.name, a.name)
			}
		}
		return fault(OtherPCR0, "what is signed is not register 0 with the measured PCR0 %s, by %s", pcr0, a.name)
	}
	r, s := new(big.Int).SetBytes(signature[:a.size()]), new(big.Int).SetBytes(signature[a.size():])
	if !ecdsa.Verify(public, a.sum(sigStructure(protected, payload)), r, s) {
		return fault(Forged, "the signature over PCR0 %s does not verify under the certificate's key", pcr0)
	}
	return nil
}

// checkValidity wants a certificate that may sign now. run-enclave refuses images whose certificate
// has expired, too.
func checkValidity(cert *x509.Certificate, now time.Time) error {
	if now.After(cert.NotAfter) {
		return fault(Expired, "the certificate expired on %s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(cert.NotBefore) {
		return fault(Expired, "the certificate is not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// coseHead is COSE_Sign1 up to the signature's bytes: untagged, empty unprotected header.
func coseHead(protected, payload []byte, signature int) []byte {
	b := appendHead(nil, majorArray, 4)
	b = appendBytes(b, protected)
	b = appendHead(b, majorMap, 0)
	b = appendBytes(b, payload)
	return appendHead(b, majorBytes, uint64(signature))
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

// sign returns r and s, each in the length of the curve.
func (a *algorithm) sign(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	// No randomness: the signed image can be rebuilt too.
	der, err := key.Sign(nil, a.sum(message), a.hash)
	if err != nil {
		return nil, fault(BadKey, "%v", err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, fault(BadKey, "%v", err) // unreachable
	}
	out := make([]byte, 2*a.size())
	rs.R.FillBytes(out[:a.size()])
	rs.S.FillBytes(out[a.size():])
	return out, nil
}
