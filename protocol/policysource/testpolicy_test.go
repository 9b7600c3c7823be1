package policysource_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/policy"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// A policy that replaces AWS's endpoint must compile, so that tests and the demonstration can run,
// and must say so.
func TestTestPolicy(t *testing.T) {
	source := string(vectorfile.Load(t, "testdata/ok-defaults.txt")[0].Body)
	compile := func(host, roots string) error {
		s := source + "test:\n  kms-host: " + host + "\n  tls-roots: |\n    " + strings.ReplaceAll(roots, "\n", "\n    ") + "\n"
		b, err := policysource.Compile([]byte(s), preset, readFile)
		if err != nil {
			return err
		}
		p, err := policy.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !p.NotAWS() {
			t.Error("a policy with a test section is not marked")
		}
		return nil
	}
	good := certificate(t)
	const host = "kms.us-east-1.anchorhold.test"
	if err := compile(host, good); err != nil {
		t.Error(err)
	}
	if err := compile(host, good+good); err != nil {
		t.Error(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}))
	for name, c := range map[string][2]string{
		"private key beside":  {host, good + private},
		"text before":         {host, "text\n" + good},
		"text behind":         {host, good + "text"},
		"broken certificate":  {host, strings.Replace(good, "MII", "MIJ", 1)},
		"IPv4":                {"127.0.0.1", good},
		"IPv6":                {"'::1'", good},
		"upper case":          {"KMS.test", good},
		"one label":           {"localhost", good},
		"with port":           {"kms.test:443", good},
		"with path":           {"kms.test/x", good},
		"underscore":          {"k_ms.test", good},
		"long":                {strings.Repeat("a.", 130) + "test", good},
		"trailing dot":        {"kms.test.", good},
		"hyphen at label end": {"kms-.test", good},
	} {
		if err := compile(c[0], c[1]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
