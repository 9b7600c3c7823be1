package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/protocol/jobfile"
)

// Who has another tenant's job id, or no token, learns not even that the job exists.
func TestOtherTenants(t *testing.T) {
	r := start(t, setup{})
	job := r.post(r.job(10)).header.Get("Location")
	for _, path := range []string{"", "/result", "/receipt", "/crosswalk"} {
		if a := r.get(job + path); a.status != http.StatusOK {
			t.Errorf("%s: got %d for its own tenant, want 200", path, a.status)
		}
		theirs := r.do(http.MethodGet, job+path, other, nil)
		r.want(theirs, http.StatusNotFound, "not-found")
		absent := r.do(http.MethodGet, "/v1/jobs/"+strings.Repeat("a", 32)+path, other, nil)
		if !bytes.Equal(theirs.body, absent.body) {
			t.Errorf("%s: got %s for another tenant's job and %s for none: they differ", path, theirs.body, absent.body)
		}
	}
	for _, id := range []string{"x", "..%2f..%2fstate.db", strings.Repeat("A", 32), strings.Repeat("b", 60)} {
		r.want(r.get("/v1/jobs/"+id), http.StatusNotFound, "not-found")
		r.want(r.get("/v1/jobs/"+id+"/result"), http.StatusNotFound, "not-found")
	}
}

// A listing has the tenant's own jobs, those that have not ended, and of each what a client needs
// to tell it by its file.
func TestListJobs(t *testing.T) {
	r := start(t, setup{absent: true, quiet: true})
	list := func(token string) (jobs []struct{ Job, Status, Image, Header string }) {
		t.Helper()
		a := r.do(http.MethodGet, "/v1/jobs", token, nil)
		var body struct {
			Jobs []struct{ Job, Status, Image, Header string }
		}
		if err := json.Unmarshal(a.body, &body); err != nil || a.status != http.StatusOK || body.Jobs == nil {
			t.Fatalf("got %d and %s", a.status, a.body)
		}
		return body.Jobs
	}
	if jobs := list(clinic); len(jobs) != 0 {
		t.Errorf("got %v of an empty parent", jobs)
	}
	file := r.job(10)
	if a := r.post(file, "Prefer", "respond-async"); a.status != http.StatusAccepted {
		t.Fatalf("got %d: %s", a.status, a.body)
	}
	_, header, err := jobfile.ReadHeader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	jobs := list(clinic)
	if len(jobs) != 1 || jobs[0].Status != "queued" || jobs[0].Image != image.String() || jobs[0].Header != header.String() {
		t.Errorf("got %+v, want one job of image %s and header %s", jobs, image, header)
	}
	if jobs := list(other); len(jobs) != 0 {
		t.Errorf("another tenant sees %v", jobs)
	}
	if len(jobs) == 1 {
		if err := r.spool.Fail(jobs[0].Job, "job-malformed", nil); err != nil {
			t.Fatal(err)
		}
	}
	if jobs := list(clinic); len(jobs) != 0 {
		t.Errorf("got %v, want none once it has ended", jobs)
	}
}

func TestTokens(t *testing.T) {
	r := start(t, setup{})
	for _, path := range []string{"/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/result", "/v1/jobs/x/receipt", "/v1/attestation?nonce=00", "/v1/policy", "/v1/log"} {
		for _, token := range []string{"", "wrong", clinic + "x", clinic[:5], "scraper"} {
			a := r.do(http.MethodGet, path, token, nil)
			r.want(a, http.StatusUnauthorized, "unauthorized")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", path)
			}
		}
	}
	a := r.do(http.MethodPost, "/v1/jobs", "wrong", bytes.NewReader(r.job(10)))
	r.want(a, http.StatusUnauthorized, "unauthorized")
	if a := r.do(http.MethodGet, "/v1/policy", "", nil, "Authorization", "Basic "+clinic); a.status != http.StatusUnauthorized {
		t.Errorf("got %d for another scheme, want 401", a.status)
	}
	if strings.Contains(r.log.String(), "token-of") {
		t.Errorf("a token is in the log")
	}
}

func TestAttestationPolicyLog(t *testing.T) {
	r := start(t, setup{})
	a := r.get("/v1/attestation?nonce=6e6e")
	if a.status != http.StatusOK || string(a.body) != "document over nn" || a.header.Get("Anchorhold-Enclave") != "e0" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	for _, bad := range []string{"", "?nonce=", "?nonce=zz", "?nonce=0", "?nonce=" + strings.Repeat("00", 513), "?nonce=00&image=12"} {
		r.want(r.get("/v1/attestation"+bad), http.StatusBadRequest, "malformed-request")
	}
	r.want(r.get("/v1/attestation?nonce=00&image="+strings.Repeat("0", 96)), http.StatusServiceUnavailable, "not-ready")
	p := r.get("/v1/policy?image=" + image.String())
	if string(p.body) != "policy" || len(p.header.Get("Anchorhold-Policy-Digest")) != 96 {
		t.Errorf("got %q %v", p.body, p.header)
	}
	for range 5 {
		r.enclave.Sign()
	}
	r.until("log", func() bool { b, _ := r.spool.Batches(0, 9); return len(b) == 5 })
	var page struct {
		Batches []struct {
			Sequence uint64
			Document []byte
		}
		Next uint64
	}
	l := r.get("/v1/log?from=1&limit=3")
	if err := json.Unmarshal(l.body, &page); err != nil || len(page.Batches) != 3 || page.Batches[0].Sequence != 1 || page.Next != 4 {
		t.Errorf("got %s, %v", l.body, err)
	}
	if got := r.get("/v1/log?from=99"); !strings.Contains(string(got.body), `"batches":[]`) {
		t.Errorf("got %s, want no batches", got.body)
	}
	for _, bad := range []string{"?from=-1", "?from=x", "?limit=0", "?limit=9999"} {
		a := r.get("/v1/log" + bad)
		if a.code() != "malformed-request" || strings.Contains(string(a.body), "9999") {
			t.Errorf("%s: got %d %s, want malformed-request that repeats nothing", bad, a.status, a.body)
		}
	}
}

// Clients of one tenant that ask for a policy and do not read it keep nobody from an attestation
// document.
func TestSlowReadersHoldUpNobody(t *testing.T) {
	r := start(t, setup{absent: true})
	r.enclave.PolicyB = bytes.Repeat([]byte("policy"), 2<<20) // more than kernels buffer
	r.enclave.Start(t)
	r.until("ready", func() bool { return r.get("/readyz").status == http.StatusOK })
	for range 8 { // more than may ask at once
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /v1/policy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", clinic)
		if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/attestation?nonce=00", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+other)
	res, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		t.Fatalf("a document was not to be had beside slow readers: %v", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", res.StatusCode)
	}
}

// Attack: a tenant asks for many documents at once, each of which takes the enclave long. Another
// tenant's does not wait for them.
func TestManyQuestionsOfOneTenant(t *testing.T) {
	r := start(t, setup{absent: true})
	release := make(chan struct{})
	var held atomic.Int32
	r.enclave.OnAttest = func(nonce []byte) {
		if nonce[0] == 1 {
			held.Add(1)
			<-release
		}
	}
	r.enclave.Start(t)
	r.until("ready", func() bool { return r.get("/readyz").status == http.StatusOK })
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if a := r.get("/v1/attestation?nonce=01"); a.status != http.StatusOK {
				t.Errorf("got %d in the end, want 200", a.status)
			}
		})
	}
	r.until("questions are under way", func() bool { return held.Load() >= 2 })
	if a := r.do(http.MethodGet, "/v1/attestation?nonce=02", other, nil); a.status != http.StatusOK {
		t.Errorf("got %d, want 200", a.status)
	}
	close(release)
	all.Wait()
}

func TestNoEnclave(t *testing.T) {
	r := start(t, setup{absent: true})
	r.want(r.get("/v1/attestation?nonce=00"), http.StatusServiceUnavailable, "not-ready")
	r.want(r.get("/v1/policy"), http.StatusServiceUnavailable, "not-ready")
	r.want(r.get("/readyz"), http.StatusServiceUnavailable, "not-ready")
	if a := r.get("/healthz"); a.status != http.StatusOK {
		t.Errorf("got %d, want healthy", a.status)
	}
	// A job waits for the enclave to come up.
	a := r.post(r.job(10), "Prefer", "respond-async")
	if a.status != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", a.status, a.body)
	}
	r.enclave.Start(t)
	r.until("done", func() bool { return status(t, r.get(a.header.Get("Location"))).Status == "done" })
}

func TestPathsAndMethods(t *testing.T) {
	r := start(t, setup{})
	r.want(r.get("/"), http.StatusNotFound, "not-found")
	r.want(r.get("/v1/nothing"), http.StatusNotFound, "not-found")
	r.want(r.get("/docs"), http.StatusNotFound, "not-found")
	a := r.do(http.MethodDelete, "/v1/jobs", clinic, nil)
	r.want(a, http.StatusMethodNotAllowed, "method-not-allowed")
	if a.header.Get("Allow") != "POST, GET, HEAD" {
		t.Errorf("got Allow %q, want POST, GET, HEAD", a.header.Get("Allow"))
	}
	r.want(r.do(http.MethodPost, "/v1/log", clinic, nil), http.StatusMethodNotAllowed, "method-not-allowed")
}

func TestOpenAPI(t *testing.T) {
	r := start(t, setup{})
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	a := r.do(http.MethodGet, "/openapi.json", "", nil)
	if err := json.Unmarshal(a.body, &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("got %.80s, %v, want OpenAPI 3.1", a.body, err)
	}
	for _, path := range []string{
		"/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/result", "/v1/jobs/{id}/crosswalk", "/v1/jobs/{id}/receipt", "/v1/attestation",
		"/v1/policy", "/v1/log", "/healthz", "/readyz", "/metrics", "/openapi.json",
	} {
		if len(doc.Paths[path]) == 0 {
			t.Errorf("%s is not described", path)
		}
	}
	if len(doc.Paths) != 12 {
		t.Errorf("got %d paths, want 12", len(doc.Paths))
	}
}

func TestMetrics(t *testing.T) {
	r := start(t, setup{})
	r.post(r.job(10))
	r.get("/v1/jobs/secret-path")
	var a answer
	for _, want := range []string{
		`anchorhold_jobs_finished_total{code="done",tenant="clinic"} 1`, `anchorhold_enclave_up{enclave="e0"} 1`,
		`anchorhold_http_requests_total{route="POST /v1/jobs",status="200"} 1`, "anchorhold_spool_bytes ",
	} {
		// The client has its answer before the fleet, and the server, have counted the job.
		r.until(want+" in the metrics", func() bool {
			a = r.do(http.MethodGet, "/metrics", "", nil)
			return strings.Contains(string(a.body), want)
		})
	}
	if strings.Contains(string(a.body), "secret-path") {
		t.Error("a client's text is in a label")
	}
	// From elsewhere, or by a proxy on this machine, a token is wanted.
	for _, tc := range []struct {
		remote, forwarded, token string
		want                     int
	}{
		{"192.0.2.1:5", "", "", http.StatusUnauthorized},
		{"192.0.2.1:5", "", clinic, http.StatusUnauthorized},
		{"192.0.2.1:5", "", "scraper", http.StatusOK},
		{"127.0.0.1:5", "192.0.2.1", "", http.StatusUnauthorized},
		{"[::1]:5", "", "", http.StatusOK},
	} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.RemoteAddr = tc.remote
		if tc.forwarded != "" {
			req.Header.Set("X-Forwarded-For", tc.forwarded)
		}
		if tc.forwarded != "" && tc.token == "" { // the header of RFC 7239 alone says it too
			other := req.Clone(t.Context())
			other.Header = http.Header{"Forwarded": {"for=" + tc.forwarded}}
			w := httptest.NewRecorder()
			if r.server.ServeHTTP(w, other); w.Code != tc.want {
				t.Errorf("%+v, as Forwarded: got %d, want %d", tc, w.Code, tc.want)
			}
		}
		if tc.token != "" {
			req.Header.Set("Authorization", "Bearer "+tc.token)
		}
		w := httptest.NewRecorder()
		r.server.ServeHTTP(w, req)
		if w.Code != tc.want {
			t.Errorf("%+v: got %d", tc, w.Code)
		}
	}
}

// Nothing of a job's content comes back in an error or stands in the log, and no answer is without
// its fixed code.
func TestNoContentInErrorsOrLog(t *testing.T) {
	r := start(t, setup{})
	canary := "CANARY-Jane-Doe"
	for _, body := range [][]byte{
		[]byte(canary), append([]byte("AHJOB1\r\n\x00\x00\x00\x0f"), canary...),
		enclavetest.Wrap(t, []byte(canary+strings.Repeat("x", 100))),
	} {
		a := r.post(body)
		if a.code() == "" || strings.Contains(string(a.body), "CANARY") {
			t.Errorf("got %s", a.body)
		}
	}
	r.get("/" + canary)
	r.get("/v1/jobs/" + canary)
	if strings.Contains(r.log.String(), "CANARY") {
		t.Errorf("content is in the log: %s", r.log.String())
	}
}
