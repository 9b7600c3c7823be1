package canary_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/hf/nsm/request"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/internal/canary"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

// genuine is a document without a public key, as the parent gets with each receipt.
func genuine(t *testing.T, ca *testca.CA) []byte {
	t.Helper()
	nsm := softnsm.New(softnsm.Config{CA: ca, Image: measure.DevImage([]byte("program"), []byte("policy"))})
	res, err := nsm.Send(&request.Attestation{UserData: []byte("receipts")})
	if err != nil || res.Attestation == nil {
		t.Fatalf("attestation: %v", err)
	}
	return res.Attestation.Document
}

// The forged document is as good as it can be: all is right but the signature. Otherwise its
// refusal would say nothing about signatures.
func TestForgedDocumentFailsByItsSignatureOnly(t *testing.T) {
	ca := testca.New(time.Now)
	document := genuine(t, ca)
	if _, err := verify.Document(document, ca.Roots(), time.Now()); err != nil {
		t.Fatal(err)
	}
	forged, err := canary.ExchangeKey(document, []byte("a public key"))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := attest.Parse(forged); err != nil || string(d.PublicKey) != "a public key" {
		t.Errorf("the forged document does not hold the public key: %v", err)
	}
	if _, err := verify.Document(forged, ca.Roots(), time.Now()); !errors.Is(err, verify.ErrSignature) {
		t.Errorf("got %v, want a wrong signature", err)
	}
	// Signed anew, it is genuine for who believes its root, and for nobody else.
	resigned, err := canary.SignAnew(document, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Document(resigned, ca.Roots(), time.Now()); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("got %v, want an unknown root", err)
	}
	parsed, err := attest.Parse(resigned)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(parsed.CABundle[0])
	if err != nil {
		t.Fatal(err)
	}
	own := x509.NewCertPool()
	own.AddCert(root)
	if _, err := verify.Document(resigned, own, time.Now()); err != nil {
		t.Errorf("below its own root: %v", err)
	}
	for _, bad := range [][]byte{nil, {0x84}, []byte("text"), {0x84, 0x40, 0xa0, 0x40, 0x40}} {
		if forged, err := canary.ExchangeKey(bad, nil); err == nil {
			t.Errorf("%x became %x", bad, forged)
		}
	}
}

// A scripted KMS gives every request the same answer; ACTION in it becomes the action of the
// request.
type scripted struct {
	status int
	body   string
	err    error
	asked  func(operation string, body []byte) // nil: nobody is told
}

func (s scripted) Do(r *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.asked != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.asked(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."), body)
	}
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if operation == "ReEncrypt" {
		operation = "ReEncryptFrom"
	}
	s.body = strings.ReplaceAll(s.body, "ACTION", "kms:"+operation)
	return &http.Response{
		StatusCode: s.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(s.body)),
	}, nil
}

// What KMS answers decides the verdict; no answer at all is not a refusal.
func TestVerdicts(t *testing.T) {
	document := genuine(t, testca.New(time.Now))
	for name, c := range map[string]struct {
		answer scripted
		want   canary.Verdict
	}{
		"dry run":    {scripted{status: 400, body: `{"__type":"DryRunOperationException","message":"would have succeeded"}`}, canary.Open},
		"lockout":    {scripted{status: 400, body: `{"__type":"MalformedPolicyDocumentException","message":"not again"}`}, canary.Open},
		"denied":     {refusal("on resource: " + targetKey + " with an explicit deny in a resource-based policy"), canary.Refused},
		"granted":    {scripted{status: 200, body: `{}`}, canary.Open},
		"disabled":   {scripted{status: 400, body: `{"__type":"DisabledException","message":"off"}`}, canary.Odd},
		"throttled":  {scripted{status: 400, body: `{"__type":"ThrottlingException","message":"slow"}`}, canary.Odd},
		"ciphertext": {scripted{status: 400, body: `{"__type":"InvalidCiphertextException"}`}, canary.Odd},
		"no network": {scripted{err: errors.New("connection refused")}, canary.Odd},
	} {
		t.Run(name, func(t *testing.T) {
			target := target(c.answer, document)
			outcomes, err := target.Attempts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := canary.Worst(outcomes); got != c.want || len(outcomes) < 18 {
				t.Errorf("got %s of %d attempts, want %s: %+v", got, len(outcomes), c.want, outcomes)
			}
			for _, o := range outcomes {
				if o.Verdict != c.want {
					t.Errorf("%s: got %s, want %s", o.Attempt, o.Verdict, c.want)
				}
			}
		})
	}
}

func target(answer scripted, document []byte) *canary.Target {
	return &canary.Target{
		Client: kms.New(kms.Options{
			Region: "us-east-1", HTTPClient: answer, Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example"}, nil
			}),
		}),
		Key: targetKey, Ciphertext: bytes.Repeat([]byte{1}, 99),
		Context: map[string]string{"anchorhold:image": "x", "anchorhold:tenant": "clinic"}, Role: "arn:aws:iam::444455556666:role/parent", Document: document,
	}
}

// Whatever KMS grants, the canary leaves everything as it is: it asks for no operation that changes
// the key, for a grant by a dry run only, and sends no policy that KMS would take.
func TestNothingIsChanged(t *testing.T) {
	asked := map[string]int{}
	answer := scripted{status: 200, body: `{"GrantId":"g","GrantToken":"t","Plaintext":"AAAA"}`, asked: func(operation string, body []byte) {
		asked[operation]++
		var in struct {
			DryRun, BypassPolicyLockoutSafetyCheck bool
			Policy                                 string
		}
		if err := json.Unmarshal(body, &in); err != nil {
			t.Errorf("%s: %v", operation, err)
		}
		switch operation {
		case "Decrypt", "Encrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
			"GenerateDataKeyPairWithoutPlaintext", "DeriveSharedSecret", "GetKeyPolicy", "ListGrants":
		case "CreateGrant":
			if !in.DryRun {
				t.Error("a grant was asked for in earnest")
			}
		case "PutKeyPolicy", "ReplicateKey":
			policy, err := keypolicy.Parse([]byte(in.Policy))
			if err != nil || in.BypassPolicyLockoutSafetyCheck {
				t.Fatalf("%s with policy %q (%v)", operation, in.Policy, err)
			}
			put := keypolicy.Request{Principal: "arn:aws:iam::444455556666:role/parent", Action: "kms:PutKeyPolicy", Resource: "*"}
			if policy.Evaluate(put).Allowed {
				t.Errorf("%s brings a policy that KMS takes", operation)
			}
		default:
			t.Errorf("the canary calls %s", operation)
		}
	}}
	if _, err := target(answer, genuine(t, testca.New(time.Now))).Attempts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked["CreateGrant"] != 1 || asked["PutKeyPolicy"] != 1 || asked["ReplicateKey"] != 1 {
		t.Errorf("got %v", asked)
	}
}

// A fresh document that the caller brings must be refused by the policy; of an old one KMS may say
// so itself. One without a key proves nothing.
func TestBroughtDocuments(t *testing.T) {
	ca := testca.New(func() time.Time { return time.Now().Add(-2 * time.Hour) })
	made := func(i measure.Image, age time.Duration, key []byte) []byte {
		nsm := softnsm.New(softnsm.Config{CA: ca, Image: i, Now: func() time.Time { return time.Now().Add(-age) }})
		res, err := nsm.Send(&request.Attestation{PublicKey: key})
		if err != nil || res.Attestation == nil {
			t.Fatalf("attestation: %v", err)
		}
		return res.Attestation.Document
	}
	image := measure.DevImage([]byte("program"), []byte("policy"))
	answer := scripted{status: 400, body: `{"__type":"ValidationException","message":"too old"}`}
	for name, c := range map[string]struct {
		document []byte
		says     string
		want     canary.Verdict
	}{
		"debug": {made(measure.Image{}, 0, []byte("key")), "a debug enclave", canary.Odd},
		"other": {made(image, 0, []byte("key")), "image " + image.PCR0.String()[:12], canary.Odd},
		"old":   {made(image, 6*time.Minute, []byte("key")), "image " + image.PCR0.String()[:12], canary.Refused},
	} {
		k := target(answer, genuine(t, ca))
		k.Refused = [][]byte{c.document}
		outcomes, err := k.Attempts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(outcomes, func(o canary.Outcome) bool { return strings.Contains(o.Attempt, c.says) })
		if i < 0 || outcomes[i].Verdict != c.want {
			t.Errorf("%s: got %+v, want %s of %s", name, outcomes, c.want, c.says)
		}
	}
	for _, bad := range [][]byte{nil, []byte("text"), made(image, 0, nil)} {
		k := target(answer, genuine(t, ca))
		k.Refused = [][]byte{bad}
		if outcomes, err := k.Attempts(t.Context()); err == nil {
			t.Errorf("got %d outcomes with a document that proves nothing", len(outcomes))
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := canary.Target{
		Client: kms.New(kms.Options{Region: "us-east-1", HTTPClient: scripted{status: 200, body: "{}"}}), Document: genuine(t, testca.New(time.Now)),
	}
	if outcomes, err := target.Attempts(ctx); err == nil || outcomes != nil {
		t.Errorf("got %v and %v, want the context's error", outcomes, err)
	}
}
