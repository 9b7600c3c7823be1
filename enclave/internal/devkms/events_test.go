package devkms_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
)

// at walks into nested objects.
func at(event map[string]any, path ...string) any {
	var v any = event
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func TestEvents(t *testing.T) {
	f := serve(t, nil)
	key := f.createKey(t, attestedPolicy())
	plaintext, blob := f.dataKey(t, key)
	in := &kms.DecryptInput{
		KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext(),
		Recipient: recipient(f.attestation(t, spki(t, recipientKey().Public()), nil)),
	}
	out, err := f.parent().Decrypt(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	event := f.events.last(t)
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	for _, c := range []struct {
		want any
		path []string
	}{
		{"Decrypt", []string{"eventName"}},
		{"kms.amazonaws.com", []string{"eventSource"}},
		{region, []string{"awsRegion"}},
		{"arn:aws:sts::444455556666:assumed-role/parent/i-0abc", []string{"userIdentity", "arn"}},
		{"444455556666", []string{"userIdentity", "accountId"}},
		{key, []string{"requestParameters", "keyId"}},
		{image.PCR0.String(), []string{"requestParameters", "encryptionContext", "anchorhold:image"}},
		{base64.StdEncoding.EncodeToString(image.PCR0[:]), []string{"additionalEventData", "recipient", "attestationDocumentEnclaveImageDigest"}},
		{base64.StdEncoding.EncodeToString(image.PCR1[:]), []string{"additionalEventData", "recipient", "attestationDocumentEnclavePCR1"}},
		{base64.StdEncoding.EncodeToString(image.PCR2[:]), []string{"additionalEventData", "recipient", "attestationDocumentEnclavePCR2"}},
		{request, []string{"requestID"}},
		{nil, []string{"errorCode"}},
	} {
		if got := at(event, c.path...); got != c.want {
			t.Errorf("%s: got %v, want %v", strings.Join(c.path, "."), got, c.want)
		}
	}
	resources, _ := event["resources"].([]any)
	if len(resources) != 1 || at(resources[0].(map[string]any), "ARN") != key {
		t.Errorf("got resources %v, want the key", resources)
	}
	in.Recipient = nil
	_, err = f.parent().Decrypt(context.Background(), in)
	wantCode(t, err, "AccessDeniedException")
	event = f.events.last(t)
	if at(event, "errorCode") != "AccessDenied" || at(event, "additionalEventData") != nil {
		t.Errorf("got event %v, want AccessDenied without a recipient", event)
	}
	if log := f.events.buf.String(); strings.Contains(log, base64.StdEncoding.EncodeToString(plaintext)) || strings.Contains(log, "secret") {
		t.Error("an event holds a key or a secret")
	}
}

// No answer without a record: a key that left unseen is what the record is for.
func TestNoEventNoAnswer(t *testing.T) {
	f := serve(t, nil)
	key := f.createKey(t, attestedPolicy())
	f.events.fail(errors.New("disk full"))
	out, err := f.owner().GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256})
	wantCode(t, err, "KMSInternalException")
	if out != nil {
		t.Error("got an answer that is not on record")
	}
}

// The hook through which tests of callers make KMS misbehave; the event tells what was really sent.
func TestIntercept(t *testing.T) {
	const otherKey = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000"
	var intercept devkms.Intercept
	f := serve(t, func(c *devkms.Config) {
		c.Intercept = func(op string, next func() (devkms.Answer, error)) (devkms.Answer, error) {
			if op != "GenerateDataKey" {
				return next()
			}
			return intercept(op, next)
		}
	})
	key := f.createKey(t, attestedPolicy())
	in := &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256}
	intercept = func(string, func() (devkms.Answer, error)) (devkms.Answer, error) {
		return nil, &devkms.Error{Type: "ThrottlingException", Message: "Rate exceeded"}
	}
	_, err := f.owner().GenerateDataKey(context.Background(), in)
	wantCode(t, err, "ThrottlingException")
	if got := at(f.events.last(t), "errorCode"); got != "ThrottlingException" {
		t.Errorf("got event with %v, want ThrottlingException", got)
	}
	intercept = func(_ string, next func() (devkms.Answer, error)) (devkms.Answer, error) {
		a, err := next()
		if err == nil {
			a["KeyId"] = otherKey
		}
		return a, err
	}
	out, err := f.owner().GenerateDataKey(context.Background(), in)
	if err != nil || *out.KeyId != otherKey {
		t.Errorf("got %v and %v, want the other key", out, err)
	}
}
