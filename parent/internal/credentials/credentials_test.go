package credentials_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/parent/internal/credentials"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
	"anchorhold/protocol/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a source whose answers tests set.
type fake struct {
	calls atomic.Int32
	give  func() (message.Credentials, error)
}

func (f *fake) Fetch(context.Context) (message.Credentials, error) {
	f.calls.Add(1)
	return f.give()
}

func start(t *testing.T, s credentials.Source, log *slog.Logger, now func() time.Time) *message.Conn {
	t.Helper()
	zero := func() float64 { return 0 }
	addr := "unix://" + filepath.Join(t.TempDir(), "c")
	l, err := transport.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- credentials.New(s, telemetry.New(zero, zero), log, now).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	nc, err := transport.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { nc.Close() })
	return message.NewConn(nc)
}

func ask(t *testing.T, c *message.Conn) message.Message {
	t.Helper()
	if err := c.Send(message.GetCredentials{}); err != nil {
		t.Fatal(err)
	}
	m, _, _, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRefreshAndFailure(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) uint64 { return uint64(now.Add(d).UnixMilli()) }
	first := message.Credentials{AccessKeyID: "A1", SecretAccessKey: "s3cret", Expires: at(time.Hour)}
	f := &fake{give: func() (message.Credentials, error) { return first, nil }}
	var log bytes.Buffer
	var clock atomic.Int64
	c := start(t, f, slog.New(slog.NewJSONHandler(&log, nil)), func() time.Time { return now.Add(time.Duration(clock.Load())) })
	for range 3 {
		if got := ask(t, c); got != message.Message(first) {
			t.Fatalf("got another message, want the first credentials")
		}
	}
	if n := f.calls.Load(); n != 1 {
		t.Errorf("got %d fetches, want 1 for three questions", n)
	}
	// Shortly before the end a source that fails does no harm yet.
	clock.Store(int64(57 * time.Minute))
	f.give = func() (message.Credentials, error) { return message.Credentials{}, errors.New("s3cret detail") }
	if got := ask(t, c); got != message.Message(first) {
		t.Error("want the first credentials while they hold")
	}
	clock.Store(int64(61 * time.Minute))
	if got, ok := ask(t, c).(message.Failed); !ok || got.Code != code.CredentialsUnavailable {
		t.Errorf("got %v, want %s", got, code.CredentialsUnavailable)
	}
	clock.Store(int64(62 * time.Minute))
	second := message.Credentials{AccessKeyID: "A2", SecretAccessKey: "s3cret", Expires: at(2 * time.Hour)}
	f.give = func() (message.Credentials, error) { return second, nil }
	if got := ask(t, c); got != message.Message(second) {
		t.Error("want the second credentials")
	}
	// Expired on arrival is no answer.
	clock.Store(int64(3 * time.Hour))
	if got, ok := ask(t, c).(message.Failed); !ok {
		t.Errorf("got %v, want failed", got)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("a secret is in the log: %s", log.String())
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := (credentials.Environment{}).Fetch(t.Context()); err == nil {
		t.Error("got no error without a secret key")
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "token")
	got, err := (credentials.Environment{}).Fetch(t.Context())
	if want := (message.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}); err != nil || got != want {
		t.Errorf("got %v, want those of the environment", err)
	}
}

const file = `{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"s3cret","SessionToken":"t","Expiration":"2030-01-01T00:00:00Z"}`

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := credentials.File{Path: path}.Fetch(t.Context())
	if err != nil || got.AccessKeyID != "AKID" || got.Expires != uint64(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()) {
		t.Errorf("got %v, want the file's credentials", err)
	}
	// Others can read it: somebody must notice.
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := (credentials.File{Path: path}).Fetch(t.Context()); err == nil {
		t.Error("got no error for a file that others can read")
	}
	if _, err := (credentials.File{Path: "/dev/zero"}).Fetch(t.Context()); err == nil {
		t.Error("got no error for a device")
	}
	for _, bad := range []string{"", "{}", `{"Version":2,"AccessKeyId":"a","SecretAccessKey":"s3cret"}`, `{"Version":1,"SecretAccessKey":"s3cret"}`, "s3cret"} {
		if _, err := credentials.ParseFile([]byte(bad)); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %v, want an error that repeats nothing", bad, err)
		}
	}
}

// IMDSv2 only: a version 1 request, which a confused deputy could make, is never sent.
func TestIMDS(t *testing.T) {
	var v1 atomic.Bool
	role := `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKID","SecretAccessKey":"secret","Token":"token","Expiration":"` +
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			w.Write([]byte("imds-token"))
			return
		}
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "imds-token" {
			v1.Store(true)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/security-credentials/") {
			w.Write([]byte("role"))
			return
		}
		w.Write([]byte(role))
	}))
	defer srv.Close()
	got, err := credentials.IMDS{Endpoint: srv.URL}.Fetch(t.Context())
	if err != nil || got.AccessKeyID != "AKID" || got.SessionToken != "token" || got.Expires == 0 {
		t.Errorf("got %v, want the role's credentials with an end", err)
	}
	if v1.Load() {
		t.Error("a request without token was sent")
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(file))
	f.Add([]byte(`{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"0001-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := credentials.ParseFile(b)
		if (err == nil) != (c.AccessKeyID != "" && c.SecretAccessKey != "") {
			t.Fatalf("got error %v beside credentials", err)
		}
	})
}
