package devkms_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/go-json-experiment/json"

	"anchorhold/enclave/internal/devkms"
)

const listKeys = "TrentService.ListKeys"

// signed is a request as AWS's own signer makes it.
func (f *fixture) signed(t testing.TB, target, body string, creds aws.Credentials, when time.Time, scope string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, f.endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	service, in, _ := strings.Cut(scope, "@")
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hexOf(hash[:]), service, in, when); err != nil {
		t.Fatal(err)
	}
	return r
}

var ownerKeys = aws.Credentials{AccessKeyID: "AKIAOWNER00000000000", SecretAccessKey: "owner-secret-owner-secret"}

var parentKeys = aws.Credentials{AccessKeyID: "ASIAPARENT0000000000", SecretAccessKey: "parent-secret-parent-secret", SessionToken: "parent-token"}

// post sends a request and returns status and the exception's name.
func (f *fixture) post(t testing.TB, r *http.Request) (int, string) {
	t.Helper()
	res, err := f.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("answer is not JSON: %v", err)
	}
	if res.Header.Get("X-Amzn-Requestid") == "" {
		t.Error("no request id")
	}
	name, _ := out["__type"].(string)
	if got := res.Header.Get("X-Amzn-Errortype"); got != name {
		t.Errorf("got error type %q in the header and %q in the body", got, name)
	}
	return res.StatusCode, name
}

type forgery struct {
	name   string
	creds  aws.Credentials
	age    time.Duration
	scope  string
	change func(r *http.Request)
	want   string // "" is success
}

func setHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// edit replaces text in the Authorization header.
func edit(old, replacement string) func(*http.Request) {
	return func(r *http.Request) {
		have := r.Header.Get("Authorization")
		r.Header.Set("Authorization", strings.Replace(have, old, replacement, 1))
	}
}

func body(s string) func(*http.Request) {
	return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s)) }
}

var forgeries = []forgery{
	{"genuine", ownerKeys, 0, "kms@us-east-1", nil, ""},
	{"four minutes old", ownerKeys, 4 * time.Minute, "kms@us-east-1", nil, ""},
	{"six minutes old", ownerKeys, 6 * time.Minute, "kms@us-east-1", nil, "InvalidSignatureException"},
	{"from the future", ownerKeys, -6 * time.Minute, "kms@us-east-1", nil, "InvalidSignatureException"},
	{"a day old", ownerKeys, 24 * time.Hour, "kms@us-east-1", nil, "InvalidSignatureException"},
	{"for another service", ownerKeys, 0, "s3@us-east-1", nil, "InvalidSignatureException"},
	{"for another region", ownerKeys, 0, "kms@us-west-2", nil, "InvalidSignatureException"},
	{"wrong secret", aws.Credentials{AccessKeyID: ownerKeys.AccessKeyID, SecretAccessKey: "another-secret-0000000"}, 0, "kms@us-east-1", nil, "InvalidSignatureException"},
	{"unknown key id", aws.Credentials{AccessKeyID: "AKIANOBODY0000000000", SecretAccessKey: "x"}, 0, "kms@us-east-1", nil, "UnrecognizedClientException"},
	{"token missing", aws.Credentials{AccessKeyID: parentKeys.AccessKeyID, SecretAccessKey: parentKeys.SecretAccessKey}, 0, "kms@us-east-1", nil, "UnrecognizedClientException"},
	{"token swapped", parentKeys, 0, "kms@us-east-1", setHeader("X-Amz-Security-Token", "other"), "UnrecognizedClientException"},
	{"token where none belongs", ownerKeys, 0, "kms@us-east-1", setHeader("X-Amz-Security-Token", "other"), "UnrecognizedClientException"},
	{"no authorization", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
	{"two authorizations", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, "IncompleteSignatureException"},
	{"other scheme", ownerKeys, 0, "kms@us-east-1", setHeader("Authorization", "Basic eDp5"), "IncompleteSignatureException"},
	{"no date", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignatureException"},
	{"other body", ownerKeys, 0, "kms@us-east-1", body(`{"Limit":2}`), "InvalidSignatureException"},
	{"other body, own hash", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) {
		body(`{"Limit":2}`)(r)
		setHeader("X-Amz-Content-Sha256", "00")(r)
	}, "IncompleteSignatureException"},
	{"other operation", ownerKeys, 0, "kms@us-east-1", setHeader("X-Amz-Target", "TrentService.ListAliases"), "InvalidSignatureException"},
	{"operation not signed", ownerKeys, 0, "kms@us-east-1", edit(";x-amz-target", ""), "IncompleteSignatureException"},
	{"host not signed", ownerKeys, 0, "kms@us-east-1", edit("host;", ""), "IncompleteSignatureException"},
	{"other host", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.Host = "kms.us-east-1.amazonaws.com" }, "InvalidSignatureException"},
	{"extra header not signed", ownerKeys, 0, "kms@us-east-1", setHeader("X-Amz-Trick", "1"), "IncompleteSignatureException"},
	{"headers out of order", ownerKeys, 0, "kms@us-east-1", edit("content-type;host", "host;content-type"), "IncompleteSignatureException"},
	{"header twice", ownerKeys, 0, "kms@us-east-1", edit("host;", "host;host;"), "IncompleteSignatureException"},
	{"missing signed header", ownerKeys, 0, "kms@us-east-1", edit("host;", "host;trick;"), "IncompleteSignatureException"},
	{"signature cut", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) {
		h := r.Header.Get("Authorization")
		r.Header.Set("Authorization", h[:len(h)-2])
	}, "IncompleteSignatureException"},
	{"signature flipped", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) {
		h := r.Header.Get("Authorization")
		last := "0"
		if strings.HasSuffix(h, last) {
			last = "1"
		}
		r.Header.Set("Authorization", h[:len(h)-1]+last)
	}, "InvalidSignatureException"},
	{"get", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.Method = http.MethodGet }, "UnknownOperationException"},
	{"query", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.URL.RawQuery = "a=b" }, "UnknownOperationException"},
	{"path", ownerKeys, 0, "kms@us-east-1", func(r *http.Request) { r.URL.Path = "/x" }, "UnknownOperationException"},
	{"unknown operation", ownerKeys, 0, "kms@us-east-1", setHeader("X-Amz-Target", "TrentService.Sign"), "UnknownOperationException"},
	{"other target", ownerKeys, 0, "kms@us-east-1", setHeader("X-Amz-Target", "Other.ListKeys"), "UnknownOperationException"},
	{"too large", ownerKeys, 0, "kms@us-east-1", body(strings.Repeat(" ", 1<<20+1)), "RequestEntityTooLargeException"},
}

func TestSignatures(t *testing.T) {
	f := serve(t, nil)
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			r := f.signed(t, listKeys, `{}`, c.creds, time.Now().Add(-c.age), c.scope)
			if c.change != nil {
				c.change(r)
			}
			status, got := f.post(t, r)
			if got != c.want || (status == http.StatusOK) != (c.want == "") {
				t.Errorf("got %d %q, want %q", status, got, c.want)
			}
		})
	}
}

// A request signed for one server can be replayed there for five minutes, as with AWS, but never
// later.
func TestReplayEnds(t *testing.T) {
	var late time.Duration
	f := serve(t, func(c *devkms.Config) { c.Now = func() time.Time { return time.Now().Add(late) } })
	request := func() *http.Request { return f.signed(t, listKeys, `{}`, ownerKeys, time.Now(), "kms@us-east-1") }
	if _, got := f.post(t, request()); got != "" {
		t.Errorf("got %q, want success", got)
	}
	late = 5*time.Minute + 2*time.Second
	if _, got := f.post(t, request()); got != "InvalidSignatureException" {
		t.Errorf("got %q, want InvalidSignatureException", got)
	}
}

var malformed = []string{
	``, `{`, `[]`, `"x"`, `{"Limit":"x"}`, `{"Limit":1,"Limit":2}`, `{"limit":1}`, `{"Unknown":1}`, `{}{}`, "{\"Marker\":\"\xff\"}", `{"Limit":1e99}`,
	strings.Repeat(`{"a":`, 20000),
}

func TestMalformedBodies(t *testing.T) {
	f := serve(t, nil)
	for _, b := range malformed {
		_, got := f.post(t, f.signed(t, listKeys, b, ownerKeys, time.Now(), "kms@us-east-1"))
		if got != "SerializationException" {
			t.Errorf("%.40q: got %q, want SerializationException", b, got)
		}
	}
}

// FuzzBody sends signed bodies to every operation, without a network: no panic, always a
// well-formed answer.
func FuzzBody(f *testing.F) {
	targets := []string{
		"CreateKey", "DescribeKey", "ListKeys", "CreateAlias", "DeleteAlias", "ListAliases", "PutKeyPolicy", "GetKeyPolicy", "ListKeyPolicies", "Encrypt",
		"Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom",
	}
	for i := range targets {
		for _, b := range malformed[:11] {
			f.Add(uint8(i), []byte(b))
		}
	}
	f.Add(uint8(9), []byte(`{"KeyId":"alias/x","Plaintext":"AAAA","EncryptionContext":{"a":"b"}}`))
	f.Add(uint8(10), []byte(`{"CiphertextBlob":"AAAA","Recipient":{"AttestationDocument":"AAAA","KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}`))
	f.Add(uint8(11), []byte(`{"KeyId":"arn:aws:kms:us-east-1:111122223333:key/x","KeySpec":"AES_256"}`))
	f.Add(uint8(13), []byte(`{"NumberOfBytes":16,"Recipient":{"AttestationDocument":"hEShATgioFkA","KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}`))
	fix := serve(f, nil)
	f.Fuzz(func(t *testing.T, op uint8, b []byte) {
		target := "TrentService." + targets[int(op)%len(targets)]
		r := fix.signed(t, target, string(b), ownerKeys, time.Now(), "kms@us-east-1")
		w := &answer{header: http.Header{}}
		r.Body = io.NopCloser(bytes.NewReader(b))
		fix.server.ServeHTTP(w, r)
		var out map[string]any
		if err := json.Unmarshal(w.body.Bytes(), &out); err != nil {
			t.Fatalf("answer is not JSON: %v", err)
		}
		kind, _ := out["__type"].(string)
		if kind == "InvalidSignatureException" || kind == "IncompleteSignatureException" || w.status >= 500 {
			t.Errorf("got %d %s", w.status, kind)
		}
	})
}

// An answer is a ResponseWriter in memory.
type answer struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
func (a *answer) WriteHeader(status int)      { a.status = status }
