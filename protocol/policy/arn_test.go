package policy_test

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
	"anchorhold/protocol/protocoltest/vectorfile"
)

const keyID = "0f1e2d3c-4b5a-4678-9abc-def012345678"

func TestParseKeyARN(t *testing.T) {
	for arn, host := range map[string]string{
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID:            "kms.us-east-1.amazonaws.com",
		"arn:aws:kms:ap-southeast-2:111122223333:key/" + keyID:       "kms.ap-southeast-2.amazonaws.com",
		"arn:aws-cn:kms:cn-north-1:111122223333:key/" + keyID:        "kms.cn-north-1.amazonaws.com.cn",
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/" + keyID: "kms.us-gov-west-1.amazonaws.com",
	} {
		a, err := policy.ParseKeyARN(arn)
		if err != nil || a.Host() != host || a.String() != arn || a.MultiRegion() {
			t.Errorf("%s: got %+v, host %s and %v, want host %s", arn, a, a.Host(), err, host)
		}
	}
	a, err := policy.ParseKeyARN("arn:aws:kms:us-east-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef")
	if err != nil || !a.MultiRegion() {
		t.Errorf("got %+v and %v, want a multi-Region key", a, err)
	}
}

// The enclave connects to the host that an ARN names: whatever could lead elsewhere is refused.
func TestParseKeyARNRefuses(t *testing.T) {
	for _, arn := range []string{
		"",
		keyID,
		"alias/clinic",
		"arn:aws:kms:us-east-1:111122223333:alias/clinic",
		"arn:aws:kms:us-east-1:111122223333:" + keyID,
		"arn:aws:kms:us-east-1:111122223333:key/",
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID + "/x",
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID + ":x",
		"arn:aws:kms:us-east-1:111122223333:key/" + strings.ToUpper(keyID),
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID + "\n",
		"arn:aws:kms:us-east-1:11112222333:key/" + keyID,
		"arn:aws:kms:us-east-1:11112222333a:key/" + keyID,
		"arn:aws:kms::111122223333:key/" + keyID,
		"arn:aws:kms:evil.example/us-east-1:111122223333:key/" + keyID,
		"arn:aws:kms:us-east-1.evil.example:111122223333:key/" + keyID,
		"arn:aws:kms:us-east-1#:111122223333:key/" + keyID,
		"arn:aws:kms:US-EAST-1:111122223333:key/" + keyID,
		"arn:aws:kms:cn-north-1:111122223333:key/" + keyID,
		"arn:aws-cn:kms:us-east-1:111122223333:key/" + keyID,
		"arn:aws-us-gov:kms:us-east-1:111122223333:key/" + keyID,
		"arn:aws-iso:kms:us-iso-east-1:111122223333:key/" + keyID,
		"arn:evil:kms:us-east-1:111122223333:key/" + keyID,
		"arn:aws:s3:us-east-1:111122223333:key/" + keyID,
		"ARN:aws:kms:us-east-1:111122223333:key/" + keyID,
		" arn:aws:kms:us-east-1:111122223333:key/" + keyID,
	} {
		if a, err := policy.ParseKeyARN(arn); err == nil || a != (policy.KeyARN{}) {
			t.Errorf("%q: accepted as %+v", arn, a)
		}
	}
}

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

// A policy that replaces AWS's endpoint must compile, so that tests and the demonstration can run, and must say so.
func TestTestPolicy(t *testing.T) {
	source := string(vectorfile.Load(t, "testdata/source/ok-defaults.txt")[0].Body)
	compile := func(host, roots string) error {
		s := source + "test:\n  kms-host: " + host + "\n  tls-roots: |\n    " + strings.ReplaceAll(roots, "\n", "\n    ") + "\n"
		b, err := policy.CompileYAML([]byte(s), preset, readFile)
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
