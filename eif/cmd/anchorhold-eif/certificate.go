package main

import (
	"crypto/x509"
	"fmt"
	"strings"
)

// certificate is SigningCertificate of `nitro-cli describe-eif`.
type certificate struct {
	IssuerName map[string]string
	Algorithm  string
	NotBefore  string
	NotAfter   string
	Signature  string
}

// opensslTime is how OpenSSL, and so nitro-cli, prints a certificate's time.
const opensslTime = "Jan _2 15:04:05 2006 GMT"

// OpenSSL's long names, which nitro-cli prints.
var issuerNames = map[string]string{
	"2.5.4.3": "commonName", "2.5.4.5": "serialNumber", "2.5.4.6": "countryName", "2.5.4.7": "localityName", "2.5.4.8": "stateOrProvinceName",
	"2.5.4.9": "streetAddress", "2.5.4.10": "organizationName", "2.5.4.11": "organizationalUnitName", "1.2.840.113549.1.9.1": "emailAddress",
}

var algorithmNames = map[x509.SignatureAlgorithm]string{
	x509.ECDSAWithSHA256: "ecdsa-with-SHA256", x509.ECDSAWithSHA384: "ecdsa-with-SHA384", x509.ECDSAWithSHA512: "ecdsa-with-SHA512",
	x509.SHA256WithRSA: "sha256WithRSAEncryption", x509.SHA384WithRSA: "sha384WithRSAEncryption", x509.SHA512WithRSA: "sha512WithRSAEncryption",
}

func describeCertificate(cert *x509.Certificate) *certificate {
	c := &certificate{
		IssuerName: map[string]string{},
		Algorithm:  algorithmNames[cert.SignatureAlgorithm],
		NotBefore:  cert.NotBefore.UTC().Format(opensslTime),
		NotAfter:   cert.NotAfter.UTC().Format(opensslTime),
	}
	if c.Algorithm == "" {
		c.Algorithm = cert.SignatureAlgorithm.String()
	}
	for _, name := range cert.Issuer.Names {
		key := name.Type.String()
		if long, ok := issuerNames[key]; ok {
			key = long
		}
		c.IssuerName[key] = fmt.Sprint(name.Value)
	}
	digits := make([]string, len(cert.Signature))
	for i, b := range cert.Signature {
		digits[i] = fmt.Sprintf("%02X", b)
	}
	c.Signature = strings.Join(digits, ":")
	return c
}
