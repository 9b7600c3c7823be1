// Package cloudtest puts a small AWS and a parent around an enclave under test, in one process: the
// local KMS with a key, a relay and credentials on unix sockets, and an attestation root.
//
// The main call is [New]. For tests only: a test proves that the enclave program does not link it.
package cloudtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/protocoltest/testca"
)

// Account, Region and Host are those of the local KMS.
const (
	Account = "111122223333"
	Region  = "us-east-1"
	Host    = "kms.us-east-1.anchorhold.test"
)

// Principals. Their secrets are worth nothing outside one test.
var (
	admin  = devkms.User{ARN: "arn:aws:iam::" + Account + ":role/admin", AccessKeyID: "ASIAADMINADMINADMIN0", SecretAccessKey: "admin-secret", SessionToken: "admin-token"}
	owner  = devkms.User{ARN: "arn:aws:iam::" + Account + ":role/owner", AccessKeyID: "ASIAOWNEROWNEROWNER0", SecretAccessKey: "owner-secret", SessionToken: "owner-token"}
	parent = devkms.User{ARN: "arn:aws:iam::444455556666:role/parent", AccessKeyID: "ASIAPARENTPARENTPAR0", SecretAccessKey: "parent-secret", SessionToken: "parent-token"}
)

// Cloud is a running KMS and a parent. It ends with its test.
type Cloud struct {
	*Parent
	CA       *testca.CA
	TLSRoots string // PEM, for a policy's test section
	KeyARN   string

	address string // of the KMS
	root    *devkms.TLSRoot
	events  events
}

// New starts a cloud. intercept may be nil.
func New(t testing.TB, intercept devkms.Intercept) *Cloud {
	t.Helper()
	c := &Cloud{CA: testca.New(time.Now)}
	root, err := devkms.NewTLSRoot(time.Now())
	check(t, err)
	c.root, c.TLSRoots = root, string(root.CertificatePEM())
	certificate, err := root.Issue(time.Now(), Host, "localhost", "127.0.0.1")
	check(t, err)
	server, err := devkms.New(devkms.Config{
		Users:  &devkms.Users{Account: Account, Region: Region, Users: []devkms.User{admin, owner, parent}},
		Roots:  c.CA.Roots(),
		Events: &c.events, Intercept: intercept,
	})
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	c.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(ctx, l, certificate) })
	t.Cleanup(func() { cancel(); running.Wait() })
	c.Parent = newParent(t, c.address)
	c.KeyARN = c.NewKey(t)
	return c
}

// NewKey makes a key that only the administrator may use.
func (c *Cloud) NewKey(t testing.TB) string {
	t.Helper()
	var arn string
	c.as(t, admin, func(k *awskms.Client) error {
		out, err := k.CreateKey(context.Background(), &awskms.CreateKeyInput{Policy: aws.String(policyOf(t, administration()))})
		if err == nil {
			arn = aws.ToString(out.KeyMetadata.Arn)
		}
		return err
	})
	return arn
}

// Allow sets the key's policy: the owner may make data keys, and the parent's role decrypt under
// this condition.
func (c *Cloud) Allow(t testing.TB, arn string, condition map[string]map[string]string) {
	t.Helper()
	text := policyOf(t, administration(),
		statement{Effect: "Allow", Principal: principal(owner), Action: []string{"kms:GenerateDataKey"}, Resource: "*"},
		statement{Effect: "Allow", Principal: principal(parent), Action: []string{"kms:Decrypt"}, Resource: "*", Condition: condition})
	c.as(t, admin, func(k *awskms.Client) error {
		_, err := k.PutKeyPolicy(context.Background(), &awskms.PutKeyPolicyInput{KeyId: aws.String(arn), Policy: aws.String(text)})
		return err
	})
}

// DataKey makes a data key as the owner.
func (c *Cloud) DataKey(t testing.TB, arn string, encryptionContext map[string]string) (plaintext, blob []byte) {
	t.Helper()
	c.as(t, owner, func(k *awskms.Client) error {
		out, err := k.GenerateDataKey(context.Background(), &awskms.GenerateDataKeyInput{
			KeyId: aws.String(arn), EncryptionContext: encryptionContext, KeySpec: types.DataKeySpecAes256,
		})
		if err == nil {
			plaintext, blob = out.Plaintext, out.CiphertextBlob
		}
		return err
	})
	return plaintext, blob
}

// Decrypts returns the CloudTrail-shaped events of Decrypt so far.
func (c *Cloud) Decrypts(t testing.TB) []map[string]any {
	t.Helper()
	var found []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(c.events.copy()))
	for decoder.More() {
		var e map[string]any
		check(t, decoder.Decode(&e))
		if e["eventName"] == "Decrypt" {
			found = append(found, e)
		}
	}
	return found
}

// as calls KMS with a principal's credentials.
func (c *Cloud) as(t testing.TB, u devkms.User, call func(*awskms.Client) error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.TLSRoots))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	check(t, call(awskms.New(awskms.Options{
		Region:       Region,
		BaseEndpoint: aws.String("https://" + c.address),
		HTTPClient:   &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: u.AccessKeyID, SecretAccessKey: u.SecretAccessKey, SessionToken: u.SessionToken}, nil
		}),
	})))
}

// statement is one of a key policy.
type statement struct {
	Effect    string
	Principal map[string]string
	Action    []string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

func administration() statement {
	return statement{
		Effect: "Allow", Principal: principal(admin), Resource: "*",
		Action: []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"},
	}
}

func principal(u devkms.User) map[string]string { return map[string]string{"AWS": u.ARN} }

func policyOf(t testing.TB, statements ...statement) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	check(t, err)
	return string(b)
}

// events collects the KMS's log.
type events struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

func (e *events) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.b = append(e.b, p...)
	return len(p), nil
}

func (e *events) copy() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.b)
}

// SocketDir returns a folder whose path is short enough for unix sockets.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ah")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Clean(dir)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Address returns the KMS's address on loopback.
func (c *Cloud) Address() string { return c.address }
