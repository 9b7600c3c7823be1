package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/parent/internal/api"
	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/digest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var image = digest.Digest{4, 2}

// rig is the whole parent in one process, over one fake enclave.
type rig struct {
	t       testing.TB
	url     string
	spool   *spool.Spool
	server  *api.Server
	enclave *enclavetest.Enclave
	log     *lines
	dir     string
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type setup struct {
	spool  spool.Options
	api    api.Options
	absent bool // the enclave is not started
	quiet  bool // the fleet does not run, so that nothing happens beside the request
}

const (
	clinic = "token-of-clinic"
	other  = "token-of-other"
)

func start(t testing.TB, o setup) *rig {
	t.Helper()
	r := &rig{t: t, enclave: enclavetest.New(t, image), log: &lines{}, dir: filepath.Join(t.TempDir(), "spool")}
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	o.spool.Dir = r.dir
	if o.spool.MaxBytes == 0 {
		o.spool.MaxBytes = 1 << 30
	}
	if o.spool.MaxQueued == 0 {
		o.spool.MaxQueued = 100
	}
	o.spool.Retention = time.Hour
	s, err := spool.Open(o.spool)
	if err != nil {
		t.Fatal(err)
	}
	metrics := telemetry.New(func() float64 { return float64(s.Bytes()) }, func() float64 { return 1 })
	if !o.absent {
		r.enclave.Start(t)
	}
	probeTime := time.Second
	if o.quiet {
		probeTime = time.Millisecond
	}
	f, err := fleet.New(fleet.Options{
		Enclaves: []fleet.Enclave{{Name: "e0", Address: r.enclave.Address}}, Spool: s, Metrics: metrics, Log: log,
		Attempts: 3, JobTime: 20 * time.Second, IdleTime: 10 * time.Second, QueueTime: time.Hour, Drain: time.Second,
		ProbeEvery: 10 * time.Millisecond, ProbeTime: probeTime, RetryAfter: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !o.quiet {
			f.Run(ctx)
		}
	}()
	o.api.Spool, o.api.Fleet, o.api.Metrics, o.api.Log = s, f, metrics, log
	r.server, r.spool = serverOf(o.api), s
	srv := httptest.NewServer(r.server)
	r.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		cancel()
		<-done
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	if !o.absent {
		r.until("ready", f.Ready)
	}
	return r
}

// serverOf fills in what tests leave open.
func serverOf(o api.Options) *api.Server {
	o.Tokens = []api.Token{{SHA256: sha256.Sum256([]byte(clinic)), Tenant: "clinic"}, {SHA256: sha256.Sum256([]byte(other)), Tenant: "other"}}
	o.MetricsTokens = []api.Token{{SHA256: sha256.Sum256([]byte("scraper"))}}
	if o.JobBytes == 0 {
		o.JobBytes = 64 << 20
	}
	if o.Uploads == 0 {
		o.Uploads = 8
	}
	if o.Wait == 0 {
		o.Wait = 20 * time.Second
	}
	return api.New(o)
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() string {
	var p struct{ Code string }
	json.Unmarshal(a.body, &p)
	return p.Code
}

func (r *rig) do(method, path, token string, body io.Reader, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, b}
}

func (r *rig) get(path string, headers ...string) answer {
	r.t.Helper()
	return r.do(http.MethodGet, path, clinic, nil, headers...)
}

func (r *rig) post(body []byte, headers ...string) answer {
	r.t.Helper()
	return r.do(http.MethodPost, "/v1/jobs", clinic, bytes.NewReader(body), headers...)
}

// want fails unless the answer is a problem with this status and code.
func (r *rig) want(a answer, status int, code string) {
	r.t.Helper()
	if a.status != status || a.code() != code {
		r.t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Errorf("got content type %q, want a problem", got)
	}
}

func (r *rig) job(size int) []byte { return enclavetest.JobFile(r.t, "clinic", image, size) }

func status(t *testing.T, a answer) api.JobStatus {
	t.Helper()
	var s api.JobStatus
	if err := json.Unmarshal(a.body, &s); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return s
}
