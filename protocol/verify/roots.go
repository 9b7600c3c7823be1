package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
)

// AWS Nitro Enclaves root G1 of the commercial partitions, as published in
// AWS_NitroEnclaves_Root-G1.zip; AWS prints the fingerprint in its user guide, "Verifying the root
// of trust".
const (
	awsRootG1 = `-----BEGIN CERTIFICATE-----
MIICETCCAZagAwIBAgIRAPkxdWgbkK/hHUbMtOTn+FYwCgYIKoZIzj0EAwMwSTEL
MAkGA1UEBhMCVVMxDzANBgNVBAoMBkFtYXpvbjEMMAoGA1UECwwDQVdTMRswGQYD
VQQDDBJhd3Mubml0cm8tZW5jbGF2ZXMwHhcNMTkxMDI4MTMyODA1WhcNNDkxMDI4
MTQyODA1WjBJMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGQW1hem9uMQwwCgYDVQQL
DANBV1MxGzAZBgNVBAMMEmF3cy5uaXRyby1lbmNsYXZlczB2MBAGByqGSM49AgEG
BSuBBAAiA2IABPwCVOumCMHzaHDimtqQvkY4MpJzbolL//Zy2YlES1BR5TSksfbb
48C8WBoyt7F2Bw7eEtaaP+ohG2bnUs990d0JX28TcPQXCEPZ3BABIeTPYwEoCWZE
h8l5YoQwTcU/9KNCMEAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUkCW1DdkF
R+eWw5b6cp3PmanfS5YwDgYDVR0PAQH/BAQDAgGGMAoGCCqGSM49BAMDA2kAMGYC
MQCjfy+Rocm9Xue4YnwWmNJVA44fA0P5W2OpYow9OYCVRaEevL8uO1XYru5xtMPW
rfMCMQCi85sWBbJwKKXdS6BptQFuZbT73o/gBh1qUxl/nNr12UO8Yfwr6wPLb+6N
IwLz3/Y=
-----END CERTIFICATE-----
`
	awsRootG1SHA256 = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
)

// awsRoot is checked at start, so that no edit of the text above can pass silently.
var awsRoot = mustParseRoot(awsRootG1, awsRootG1SHA256)

func mustParseRoot(text, fingerprint string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		panic("verify: root is not PEM")
	}
	if got := sha256.Sum256(block.Bytes); hex.EncodeToString(got[:]) != fingerprint {
		panic("verify: root does not have AWS's fingerprint")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(fmt.Sprintf("verify: root: %v", err))
	}
	return c
}

// AWSRoots returns a new pool with AWS's Nitro Enclaves root G1 alone.
func AWSRoots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(awsRoot)
	return p
}
