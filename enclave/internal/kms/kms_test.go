package kms_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/enclave/internal/cloudtest"
	"anchorhold/enclave/internal/devkms"
	"anchorhold/enclave/internal/kms"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/code"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/message"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/transport"
)

// TestMain lets every test of the package run in a hostile environment: net/http reads the proxy's
// variables once in a process, so a test that set them later would see nothing.
func TestMain(m *testing.M) {
	for _, name := range []string{
		"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_REGION",
		"AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_USE_FIPS_ENDPOINT",
	} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	goleak.VerifyTestMain(m)
}

var image = measure.Compute([]byte("kernel"), "cmdline", []byte("rd0"), []byte("rd1"))

var encryptionContext = map[string]string{"anchorhold:tenant": "clinic", "other": "value"}

// attestedTo is the condition of a good key policy.
var attestedTo = map[string]map[string]string{
	"StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR0": image.PCR0.String()},
	"StringEquals":           {"kms:EncryptionContext:anchorhold:tenant": "clinic"},
}

// bench is a client over a cloud, with one encrypted data key.
type bench struct {
	*cloudtest.Cloud
	client  *kms.Client
	request kms.Request
	want    []byte
	offset  atomic.Int64 // added to the clock
}

func newBench(t *testing.T, intercept devkms.Intercept) *bench {
	t.Helper()
	b := &bench{Cloud: cloudtest.New(t, intercept)}
	b.Allow(t, b.KeyARN, attestedTo)
	plaintext, blob := b.DataKey(t, b.KeyARN, encryptionContext)
	b.want, b.request = plaintext, kms.Request{ARN: b.KeyARN, Ciphertext: blob, Context: encryptionContext}
	module := nsm.New(softnsm.New(softnsm.Config{CA: b.CA, Image: image}))
	t.Cleanup(func() { module.Close() })
	roots, err := kms.TestRoots(b.TLSRoots)
	if err != nil {
		t.Fatal(err)
	}
	b.client = b.newClient(t, kms.Config{Roots: roots, Attest: func(ctx context.Context, publicKey []byte) ([]byte, error) {
		return module.Attest(ctx, []byte("user data"), nil, publicKey)
	}})
	return b
}

func (b *bench) newClient(t *testing.T, c kms.Config) *kms.Client {
	c.Relay, c.Credentials, c.Host, c.Dial = b.Relay, b.Credentials, cloudtest.Host, transport.Dial
	c.Now = func() time.Time { return time.Now().Add(time.Duration(b.offset.Load())) }
	client := kms.New(c)
	t.Cleanup(func() { client.Close() })
	return client
}

func (b *bench) decrypt(t *testing.T) ([32]byte, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var key [32]byte
	id, err := b.client.Decrypt(ctx, b.request, &key)
	return key, id, err
}

// refused checks code and that nothing stands beside it.
func (b *bench) refused(t *testing.T, want code.Code) {
	t.Helper()
	key, id, err := b.decrypt(t)
	if code.Of(err) != want || err == nil {
		t.Errorf("got %v, want %s", err, want)
	}
	if id != "" || key != [32]byte{} {
		t.Errorf("got a key or request id beside %v", err)
	}
}

// TestInvariant2_RecipientKeyAndContextAlways looks at what KMS saw.
func TestInvariant2_RecipientKeyAndContextAlways(t *testing.T) {
	b := newBench(t, nil)
	for range 2 {
		key, id, err := b.decrypt(t)
		if err != nil || !bytes.Equal(key[:], b.want) {
			t.Fatalf("got %v, want the data key", err)
		}
		events := b.Decrypts(t)
		last := events[len(events)-1]
		parameters, _ := last["requestParameters"].(map[string]any)
		if parameters["keyId"] != b.KeyARN {
			t.Errorf("keyId is %v, want %s", parameters["keyId"], b.KeyARN)
		}
		if c, _ := parameters["encryptionContext"].(map[string]any); len(c) != len(encryptionContext) || c["other"] != "value" {
			t.Errorf("encryption context is %v, want all of %v", c, encryptionContext)
		}
		if last["additionalEventData"] == nil || !strings.Contains(string(mustJSON(t, last["additionalEventData"])), "attestationDocumentModuleId") {
			t.Errorf("KMS saw no attestation document: %v", last["additionalEventData"])
		}
		if last["requestID"] != id {
			t.Errorf("request id is %s, KMS says %v", id, last["requestID"])
		}
	}
}

// TestInvariant2_AnswerMustMatch changes KMS's answer in ways that only a false KMS, or a hole in a
// policy, would.
func TestInvariant2_AnswerMustMatch(t *testing.T) {
	var change atomic.Pointer[func(devkms.Answer)]
	b := newBench(t, func(op string, next func() (devkms.Answer, error)) (devkms.Answer, error) {
		a, err := next()
		if f := change.Load(); op == "Decrypt" && f != nil && err == nil {
			(*f)(a)
		}
		return a, err
	})
	var earlier any // an answer for an earlier, other recipient key
	remember := func(a devkms.Answer) { earlier = a["CiphertextForRecipient"] }
	change.Store(&remember)
	if _, _, err := b.decrypt(t); err != nil {
		t.Fatalf("the unchanged answer is refused: %v", err)
	}
	for name, f := range map[string]func(devkms.Answer){
		"other key id":           func(a devkms.Answer) { a["KeyId"] = strings.Replace(b.KeyARN, Account, "999999999999", 1) },
		"alias as key id":        func(a devkms.Answer) { a["KeyId"] = "alias/anchorhold" },
		"no key id":              func(a devkms.Answer) { delete(a, "KeyId") },
		"plaintext beside":       func(a devkms.Answer) { a["Plaintext"] = b.want },
		"plaintext instead":      func(a devkms.Answer) { a["Plaintext"] = b.want; delete(a, "CiphertextForRecipient") },
		"nothing":                func(a devkms.Answer) { delete(a, "CiphertextForRecipient") },
		"empty":                  func(a devkms.Answer) { a["CiphertextForRecipient"] = []byte{} },
		"answer to another call": func(a devkms.Answer) { a["CiphertextForRecipient"] = earlier },
		"no base64":              func(a devkms.Answer) { a["CiphertextForRecipient"] = "***" },
		"too long":               func(a devkms.Answer) { a["CiphertextForRecipient"] = make([]byte, 100_000) },
		"good but too long":      func(a devkms.Answer) { a["Padding"] = make([]byte, 100_000) },
	} {
		t.Run(name, func(t *testing.T) {
			change.Store(&f)
			b.refused(t, code.KMSAnswerInvalid)
		})
	}
}

const Account = cloudtest.Account

func TestKMSErrors(t *testing.T) {
	var fail atomic.Pointer[devkms.Error]
	b := newBench(t, func(op string, next func() (devkms.Answer, error)) (devkms.Answer, error) {
		if e := fail.Load(); op == "Decrypt" && e != nil {
			return nil, e
		}
		return next()
	})
	const text = "PEER-FREE-TEXT"
	for name, want := range map[string]code.Code{
		"AccessDeniedException":      code.KMSDenied,
		"InvalidCiphertextException": code.KMSDenied,
		"DisabledException":          code.KMSDenied,
		"ThrottlingException":        code.KMSThrottled,
		"KMSInternalException":       code.KMSUnavailable,
		"NotAuthorized":              code.KMSDenied,
		"RequestExpired":             code.KMSUnavailable,
		"SomethingNew":               code.KMSUnavailable,
	} {
		fail.Store(&devkms.Error{Type: name, Message: text})
		b.refused(t, want)
		if _, _, err := b.decrypt(t); strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats KMS's text: %v", name, err)
		}
	}
}

func TestDeniedForOtherImage(t *testing.T) {
	b := newBench(t, nil)
	b.Allow(t, b.KeyARN, map[string]map[string]string{
		"StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR0": image.PCR1.String()},
	})
	b.refused(t, code.KMSDenied)
}

func TestDeniedForOtherContext(t *testing.T) {
	b := newBench(t, nil)
	b.request.Context = map[string]string{"anchorhold:tenant": "clinic", "other": "valuf"}
	b.refused(t, code.KMSDenied)
}

// TestParentCannotPlayKMS sends the enclave to a server whose certificate another root issued.
func TestParentCannotPlayKMS(t *testing.T) {
	b, other := newBench(t, nil), cloudtest.New(t, nil)
	b.Redirect(other.Address())
	b.refused(t, code.KMSUnavailable)
	if bytes.Contains(b.Carried(), []byte("Decrypt")) {
		t.Error("a request left in the clear")
	}
}

func TestAmazonRootsDoNotTrustTheTestRoot(t *testing.T) {
	b := newBench(t, nil)
	roots, err := kms.AmazonRoots()
	if err != nil {
		t.Fatal(err)
	}
	b.client = b.newClient(t, kms.Config{Roots: roots, Attest: func(context.Context, []byte) ([]byte, error) { return []byte{1}, nil }})
	b.refused(t, code.KMSUnavailable)
	if roots.Equal(x509.NewCertPool()) {
		t.Error("the pool of Amazon's roots is empty")
	}
}

// TestCertificatesAreJudgedByTheNSMClock: the wall clock is the host's.
func TestCertificatesAreJudgedByTheNSMClock(t *testing.T) {
	b := newBench(t, nil)
	b.offset.Store(int64(100 * 365 * 24 * time.Hour))
	b.refused(t, code.KMSUnavailable)
}

// TestRequestsAreDatedByTheNSMClock: this KMS goes by the system's clock, and refuses what the
// NSM's, an hour ahead, has dated.
func TestRequestsAreDatedByTheNSMClock(t *testing.T) {
	b := newBench(t, nil)
	b.offset.Store(int64(time.Hour))
	b.refused(t, code.CredentialsRefused)
	b.offset.Store(0)
	if _, _, err := b.decrypt(t); err != nil {
		t.Errorf("got %v with the right time", err)
	}
}

func TestRelayRefuses(t *testing.T) {
	b := newBench(t, nil)
	for want, answer := range map[code.Code]message.Message{
		code.HostNotAllowed: message.Failed{Code: code.HostNotAllowed},
		code.KMSUnavailable: message.Failed{Code: code.Internal},
	} {
		b.OnConnect(func(message.Connect) message.Message { return answer })
		b.refused(t, want)
	}
	b.OnConnect(func(message.Connect) message.Message { return message.End{} })
	b.refused(t, code.KMSUnavailable)
	b.OnConnect(nil)
	for _, c := range b.Connects() {
		if c.Host != cloudtest.Host || c.Port != 443 {
			t.Errorf("the relay was asked for %s:%d, want %s:443", c.Host, c.Port, cloudtest.Host)
		}
	}
	if _, _, err := b.decrypt(t); err != nil {
		t.Errorf("got %v once the relay works again", err)
	}
}

func TestSilentRelayEndsWithTheContext(t *testing.T) {
	b := newBench(t, nil)
	hold := make(chan struct{})
	defer close(hold)
	b.OnConnect(func(message.Connect) message.Message { <-hold; return nil })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var key [32]byte
	started := time.Now()
	if _, err := b.client.Decrypt(ctx, b.request, &key); code.Of(err) != code.KMSUnavailable {
		t.Errorf("got %v, want %s", err, code.KMSUnavailable)
	}
	// The client's own limit for the relay is ten seconds.
	if d := time.Since(started); d > 9*time.Second {
		t.Errorf("took %v, want the context's second", d)
	}
}

func TestCredentials(t *testing.T) {
	b := newBench(t, nil)
	for name, answer := range map[string]message.Message{
		"refused":     message.Failed{Code: code.CredentialsUnavailable},
		"not asked":   message.End{},
		"empty":       message.Credentials{},
		"line breaks": message.Credentials{AccessKeyID: "A\r\nX-Evil: 1", SecretAccessKey: "s"},
		"closed":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			b.OnCredentials(func() message.Message { return answer })
			b.refused(t, code.CredentialsUnavailable)
		})
	}
	b.OnCredentials(nil)
	before := b.Asked()
	for range 3 {
		if _, _, err := b.decrypt(t); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Asked() - before; got != 1 {
		t.Errorf("asked for credentials %d times, want once", got)
	}
}

func TestExpiringCredentialsAreAskedForAgain(t *testing.T) {
	b := newBench(t, nil)
	soon := cloudtest.Role()
	soon.Expires = uint64(time.Now().Add(30 * time.Second).UnixMilli()) // within the margin
	b.OnCredentials(func() message.Message { return soon })
	for want := 1; want <= 2; want++ {
		if _, _, err := b.decrypt(t); err != nil {
			t.Fatal(err)
		}
		if got := b.Asked(); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
}

// TestInvariant6_EnvironmentRedirectsNothing sets what other programs obey.
func TestInvariant6_EnvironmentRedirectsNothing(t *testing.T) {
	b := newBench(t, nil) // the environment is that of TestMain
	key, _, err := b.decrypt(t)
	if err != nil || !bytes.Equal(key[:], b.want) {
		t.Errorf("got %v, want the data key through the relay", err)
	}
	if c := b.Connects(); len(c) == 0 || c[0].Host != cloudtest.Host {
		t.Errorf("the relay was asked for %v, want %s", c, cloudtest.Host)
	}
}

func TestNSMFailure(t *testing.T) {
	b := newBench(t, nil)
	b.client = b.newClient(t, kms.Config{Roots: x509.NewCertPool(), Attest: func(context.Context, []byte) ([]byte, error) {
		return nil, net.ErrClosed
	}})
	b.refused(t, code.NSMFailed)
	if len(b.Decrypts(t)) != 0 {
		t.Error("KMS was called without a document")
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
