package devkms_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/hf/nsm/request"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

const (
	account   = "111122223333"
	region    = "us-east-1"
	usersYAML = `
account: "111122223333"
region: us-east-1
users:
  - {arn: "arn:aws:iam::111122223333:role/owner", access-key-id: AKIAOWNER00000000000, secret-access-key: owner-secret-owner-secret}
  - {arn: "arn:aws:sts::444455556666:assumed-role/parent/i-0abc", access-key-id: ASIAPARENT0000000000, secret-access-key: parent-secret-parent-secret, session-token: parent-token}
  - {arn: "arn:aws:iam::444455556666:user/stranger", access-key-id: AKIASTRANGER00000000, secret-access-key: stranger-secret-stranger}
`
)

// program and policy give the image that the test keys are bound to.
var image = measure.DevImage([]byte("program"), []byte("policy"))

// recipientKey is made once: RSA key generation takes a tenth of a second.
var recipientKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// A log collects events.
type eventLog struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
	err error        // guarded by mu
}

func (l *eventLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	return l.buf.Write(p)
}

func (l *eventLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// last is the newest event.
func (l *eventLog) last(t testing.TB) map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(l.buf.String()), "\n")
	var event map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &event); err != nil {
		t.Fatalf("event is not JSON: %v", err)
	}
	return event
}

type fixture struct {
	ca       *testca.CA
	events   *eventLog
	server   *devkms.Server
	endpoint string
	http     *http.Client
}

// serve starts a KMS over TLS and ends it with the test.
func serve(t testing.TB, change func(*devkms.Config)) *fixture {
	t.Helper()
	users, err := devkms.ParseUsers([]byte(usersYAML))
	if err != nil {
		t.Fatal(err)
	}
	// Certificates from half an hour ago, so that an old document has a valid chain and fails by
	// its age alone.
	f := &fixture{ca: testca.New(func() time.Time { return time.Now().Add(-30 * time.Minute) }), events: &eventLog{}}
	config := devkms.Config{Users: users, Roots: f.ca.Roots(), Events: f.events}
	if change != nil {
		change(&config)
	}
	if f.server, err = devkms.New(config); err != nil {
		t.Fatal(err)
	}
	root, err := devkms.NewTLSRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := root.Issue(time.Now(), "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.server.Serve(ctx, l, cert) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	f.endpoint = "https://" + l.Addr().String()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root.CertificatePEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	f.http = &http.Client{Transport: transport}
	return f
}

func (f *fixture) client(id, secret, token string) *kms.Client {
	return kms.New(kms.Options{
		Region: region, BaseEndpoint: &f.endpoint, HTTPClient: f.http, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
		}),
	})
}

func (f *fixture) owner() *kms.Client {
	return f.client("AKIAOWNER00000000000", "owner-secret-owner-secret", "")
}

func (f *fixture) parent() *kms.Client {
	return f.client("ASIAPARENT0000000000", "parent-secret-parent-secret", "parent-token")
}

func (f *fixture) stranger() *kms.Client {
	return f.client("AKIASTRANGER00000000", "stranger-secret-stranger", "")
}

// attestedPolicy lets the owner administer and seal, and the parent's role decrypt only attested
// and for its own image's context.
func attestedPolicy() string {
	// the operator ignores case
	pcr := func(d measure.PCR) string { return strings.ToUpper(d.String()) }
	return `{"Version":"2012-10-17","Statement":[
	 {"Sid":"owner","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/owner"},"Resource":"*",
	  "Action":["kms:PutKeyPolicy","kms:GetKeyPolicy","kms:ListKeyPolicies","kms:DescribeKey","kms:CreateAlias","kms:DeleteAlias","kms:Encrypt","kms:GenerateDataKey*"]},
	 {"Sid":"enclave","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/parent"},"Action":"kms:Decrypt","Resource":"*","Condition":{
	  "StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"` + pcr(image.PCR0) + `","kms:RecipientAttestation:PCR1":"` + pcr(image.PCR1) + `",
	   "kms:RecipientAttestation:PCR2":"` + pcr(image.PCR2) + `","kms:RecipientAttestation:ImageSha384":"` + pcr(image.PCR0) + `"},
	  "StringEquals":{"kms:EncryptionContext:anchorhold:image":"` + image.PCR0.String() + `"}}}]}`
}

func encryptionContext() map[string]string {
	return map[string]string{"anchorhold:image": image.PCR0.String(), "anchorhold:tenant": "clinic"}
}

func (f *fixture) createKey(t testing.TB, policy string) string {
	t.Helper()
	out, err := f.owner().CreateKey(context.Background(), &kms.CreateKeyInput{Policy: &policy})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// dataKey is one that the owner made.
func (f *fixture) dataKey(t testing.TB, key string) (plaintext, blob []byte) {
	t.Helper()
	out, err := f.owner().GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
		KeyId: &key, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Plaintext, out.CiphertextBlob
}

// attestation is a document of a software NSM; change may make it one that must be refused.
func (f *fixture) attestation(t testing.TB, publicKey []byte, change func(*softnsm.Config)) []byte {
	t.Helper()
	config := softnsm.Config{CA: f.ca, Image: image}
	if change != nil {
		change(&config)
	}
	res, err := softnsm.New(config).Send(&request.Attestation{PublicKey: publicKey})
	if err != nil || res.Attestation == nil {
		t.Fatalf("attestation: %v %v", res.Error, err)
	}
	return res.Attestation.Document
}

func spki(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func recipient(document []byte) *types.RecipientInfo {
	return &types.RecipientInfo{AttestationDocument: document, KeyEncryptionAlgorithm: types.KeyEncryptionMechanismRsaesOaepSha256}
}

// wantCode checks that err is the KMS answer named.
func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("got error %v, want %s", err, want)
	} else if api.ErrorCode() != want {
		t.Errorf("got %s (%s), want %s", api.ErrorCode(), api.ErrorMessage(), want)
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
