package canary_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/hf/nsm/request"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/internal/canary"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
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

// The forged document is as good as it can be: all is right but the signature. Otherwise its refusal would say nothing about signatures.
func TestForgedDocumentFailsByItsSignatureOnly(t *testing.T) {
	ca := testca.New(time.Now)
	document := genuine(t, ca)
	if _, err := attest.Verify(document, ca.Roots(), time.Now()); err != nil {
		t.Fatal(err)
	}
	forged, err := canary.ExchangeKey(document, []byte("a public key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attest.Verify(forged, ca.Roots(), time.Now()); !errors.Is(err, attest.ErrSignature) {
		t.Errorf("got %v, want a wrong signature", err)
	}
	for _, bad := range [][]byte{nil, {0x84}, []byte("text"), {0x84, 0x40, 0xa0, 0x40, 0x40}} {
		if forged, err := canary.ExchangeKey(bad, nil); err == nil {
			t.Errorf("%x became %x", bad, forged)
		}
	}
}

// A scripted KMS gives every request the same answer.
type scripted struct {
	status int
	body   string
	err    error
}

func (s scripted) Do(*http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
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
		"denied":     {scripted{status: 400, body: `{"__type":"AccessDeniedException","Message":"no"}`}, canary.Refused},
		"granted":    {scripted{status: 200, body: `{}`}, canary.Open},
		"disabled":   {scripted{status: 400, body: `{"__type":"DisabledException","message":"off"}`}, canary.Odd},
		"throttled":  {scripted{status: 400, body: `{"__type":"ThrottlingException","message":"slow"}`}, canary.Odd},
		"ciphertext": {scripted{status: 400, body: `{"__type":"InvalidCiphertextException"}`}, canary.Odd},
		"no network": {scripted{err: errors.New("connection refused")}, canary.Odd},
	} {
		t.Run(name, func(t *testing.T) {
			target := canary.Target{
				Client: kms.New(kms.Options{
					Region: "us-east-1", HTTPClient: c.answer, Retryer: aws.NopRetryer{},
					Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
						return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example"}, nil
					}),
				}),
				Key: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", Ciphertext: bytes.Repeat([]byte{1}, 99),
				Context: map[string]string{"anchorhold:image": "x", "anchorhold:tenant": "clinic"}, Role: "arn:aws:iam::444455556666:role/parent", Document: document,
			}
			outcomes, err := target.Attempts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := canary.Worst(outcomes); got != c.want || len(outcomes) < 17 {
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
