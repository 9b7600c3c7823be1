package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"anchorhold/parent/internal/api"
	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

func TestSubmitAndFetch(t *testing.T) {
	r := start(t, setup{})
	body := r.job(1 << 20)
	a := r.post(body)
	want := enclavetest.Inverted(body)
	if a.status != http.StatusOK || !bytes.Equal(a.body, want) {
		t.Fatalf("got %d with %d bytes, want 200 with the echo", a.status, len(a.body))
	}
	job := a.header.Get("Location")
	if a.header.Get("Anchorhold-Job") == "" || job != "/v1/jobs/"+a.header.Get("Anchorhold-Job") {
		t.Errorf("got headers %v, want job and location", a.header)
	}
	s := status(t, r.get(job))
	if s.Status != "done" || s.OutputBytes != int64(len(want)) || s.InputBytes != int64(len(body)) || s.Attempts != 1 || s.Finished == nil || s.Expires == nil {
		t.Errorf("got %+v", s)
	}
	if got := r.get(a.header.Get("Anchorhold-Receipt")); !bytes.Equal(got.body, enclavetest.Receipt) {
		t.Errorf("got receipt %q", got.body)
	}
	if got := r.get(a.header.Get("Anchorhold-Crosswalk")); !bytes.Equal(got.body, []byte{1}) {
		t.Errorf("got crosswalk %q", got.body)
	}
	part := r.get(s.Result, "Range", "bytes=1000-")
	if part.status != http.StatusPartialContent || !bytes.Equal(part.body, want[1000:]) {
		t.Errorf("got %d with %d bytes, want the rest", part.status, len(part.body))
	}
	etag := part.header.Get("ETag")
	if got := r.get(s.Result, "Range", "bytes=5-9", "If-Range", etag); got.status != http.StatusPartialContent || !bytes.Equal(got.body, want[5:10]) {
		t.Errorf("got %d for an If-Range that holds", got.status)
	}
	if got := r.get(s.Result, "Range", "bytes=5-9", "If-Range", `"x"`); got.status != http.StatusOK || len(got.body) != len(want) {
		t.Errorf("got %d for an If-Range that does not hold, want the whole", got.status)
	}
	if got := r.get(s.Result, "If-None-Match", etag); got.status != http.StatusNotModified {
		t.Errorf("got %d, want not modified", got.status)
	}
	if got := r.get(s.Result, "Range", "bytes=99999999-"); got.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("got %d, want 416", got.status)
	}
	// Posted again it is the same job, and the enclave does not see it twice.
	if again := r.post(body); again.header.Get("Location") != job || !bytes.Equal(again.body, want) || r.enclave.Total.Load() != 1 {
		t.Errorf("got %s after %d runs, want %s after one", again.header.Get("Location"), r.enclave.Total.Load(), job)
	}
}

func TestAsync(t *testing.T) {
	r := start(t, setup{})
	release := make(chan struct{})
	r.enclave.Handle(enclavetest.Block(release))
	body := r.job(100)
	a := r.post(body, "Prefer", "respond-async")
	if a.status != http.StatusAccepted || a.header.Get("Location") == "" {
		t.Fatalf("got %d %s, want 202 and a location", a.status, a.body)
	}
	r.until("running", func() bool { return status(t, r.get(a.header.Get("Location"))).Status == "running" })
	r.want(r.get(a.header.Get("Location")+"/result"), http.StatusConflict, "not-done")
	r.want(r.get(a.header.Get("Location")+"/receipt"), http.StatusConflict, "not-done")
	// A wait that passes gives the same.
	if b := r.post(body, "Prefer", "wait=0"); b.status != http.StatusAccepted || b.header.Get("Location") != a.header.Get("Location") {
		t.Errorf("got %d %s, want 202 for the same job", b.status, b.header.Get("Location"))
	}
	close(release)
	if c := r.post(body); c.status != http.StatusOK {
		t.Errorf("got %d, want the result", c.status)
	}
	r.want(r.post(body, "Prefer", "wait=soon"), http.StatusBadRequest, "malformed-request")
}

func TestDrainAnswersWhoWaits(t *testing.T) {
	r := start(t, setup{})
	release := make(chan struct{})
	r.enclave.Handle(enclavetest.Block(release))
	defer close(release)
	time.AfterFunc(100*time.Millisecond, r.server.Drain)
	if a := r.post(r.job(10)); a.status != http.StatusAccepted {
		t.Errorf("got %d, want 202: the job is stored", a.status)
	}
	r.want(r.post(r.job(10)), http.StatusServiceUnavailable, "draining")
	r.want(r.get("/readyz"), http.StatusServiceUnavailable, "draining")
}

func TestConcurrentDuplicates(t *testing.T) {
	r := start(t, setup{})
	body := r.job(1 << 20)
	var all sync.WaitGroup
	locations := make([]string, 8)
	for i := range locations {
		// Bounded to what one tenant may upload at once: half of all.
		all.Go(func() {
			for {
				a := r.post(body)
				if a.status != http.StatusServiceUnavailable {
					locations[i] = a.header.Get("Location")
					return
				}
			}
		})
	}
	all.Wait()
	for _, l := range locations {
		if l != locations[0] || l == "" {
			t.Errorf("got %q, want %q", l, locations[0])
		}
	}
	if got := r.enclave.Total.Load(); got != 1 {
		t.Errorf("the enclave ran %d jobs, want 1", got)
	}
}

func TestRefusedBodies(t *testing.T) {
	r := start(t, setup{api: api.Options{JobBytes: 1 << 20}})
	good := r.job(100)
	message := enclavetest.Message(t, "clinic", image, 100)
	badSuite := bytes.Clone(message)
	badSuite[2] ^= 0xff
	for name, tc := range map[string]struct {
		body   []byte
		status int
		code   string
	}{
		"empty":               {nil, http.StatusBadRequest, "job-malformed"},
		"garbage":             {bytes.Repeat([]byte("garbage"), 1000), http.StatusBadRequest, "job-malformed"},
		"header that lies":    {[]byte("AHJOB1\r\n\xff\xff\xff\xff"), http.StatusBadRequest, "job-malformed"},
		"header only":         {good[:len(good)-len(message)], http.StatusBadRequest, "truncated"},
		"message cut":         {good[:len(good)-len(message)+50], http.StatusBadRequest, "truncated"},
		"other suite":         {enclavetest.Wrap(t, badSuite), http.StatusBadRequest, "suite-unsupported"},
		"too large":           {r.job(2 << 20), http.StatusRequestEntityTooLarge, "too-large"},
		"other tenant's":      {enclavetest.JobFile(t, "other", image, 10), http.StatusForbidden, "tenant-unknown"},
		"image that none has": {enclavetest.JobFile(t, "clinic", digest.Digest{7}, 10), http.StatusUnprocessableEntity, "image-mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			r := *r
			r.t = t
			r.want(r.post(tc.body), tc.status, tc.code)
			// Without a length too.
			r.want(r.do(http.MethodPost, "/v1/jobs", clinic, io.MultiReader(bytes.NewReader(tc.body))), tc.status, tc.code)
		})
	}
	if got := r.spool.Bytes(); got != 0 {
		t.Errorf("got %d bytes held after refusals, want none", got)
	}
	if got := r.enclave.Total.Load(); got != 0 {
		t.Errorf("the enclave saw %d refused jobs", got)
	}
}

// A client that is still sending when it is refused reads the reason, not a reset connection.
func TestRefusalOfALargeUploadArrives(t *testing.T) {
	r := start(t, setup{})
	body := enclavetest.JobFile(t, "clinic", digest.Digest{7}, 32<<20)
	for range 5 {
		r.want(r.do(http.MethodPost, "/v1/jobs", clinic, io.MultiReader(bytes.NewReader(body))), http.StatusUnprocessableEntity, "image-mismatch")
	}
}

func TestEnclaveCodes(t *testing.T) {
	for c, want := range map[code.Code]int{
		code.KMSDenied: http.StatusForbidden, code.AuthenticationFailed: http.StatusUnprocessableEntity,
		code.Internal: http.StatusBadGateway, code.KMSUnavailable: http.StatusServiceUnavailable, code.ReplayLimit: http.StatusUnprocessableEntity,
	} {
		r := start(t, setup{})
		r.enclave.Handle(enclavetest.Refuse(c))
		body := r.job(10)
		a := r.post(body)
		r.want(a, want, string(c))
		s := status(t, r.get(a.header.Get("Location")))
		if s.Status != "failed" || s.Code != c || s.Receipt == "" {
			t.Errorf("got %+v, want failed with %s and a failure leaf", s, c)
		}
		r.want(r.get(a.header.Get("Location")+"/result"), want, string(c))
		if got := r.get(s.Receipt); string(got.body) != "failure leaf" {
			t.Errorf("got %q, want the failure leaf", got.body)
		}
		// Posted again it runs again.
		r.enclave.Handle(enclavetest.Echo)
		if again := r.post(body); again.status != http.StatusOK {
			t.Errorf("got %d when posted again, want 200", again.status)
		}
	}
}

func TestFullSpool(t *testing.T) {
	r := start(t, setup{spool: spool.Options{MaxBytes: 30000, MaxQueued: 3}})
	kept := r.job(4000)
	r.post(kept)
	r.want(r.post(r.job(20000)), http.StatusInsufficientStorage, "spool-full")
	r.want(r.do(http.MethodPost, "/v1/jobs", clinic, io.MultiReader(bytes.NewReader(r.job(40000)))), http.StatusInsufficientStorage, "spool-full")
	if a := r.post(kept); a.status != http.StatusOK {
		t.Errorf("got %d for what was stored before, want 200", a.status)
	}
}

func TestQueueFull(t *testing.T) {
	r := start(t, setup{spool: spool.Options{MaxQueued: 1}})
	release := make(chan struct{})
	r.enclave.Handle(enclavetest.Block(release))
	defer close(release)
	body := r.job(10)
	first := r.post(body, "Prefer", "respond-async")
	a := r.post(r.job(10), "Prefer", "respond-async")
	r.want(a, http.StatusTooManyRequests, "queue-full")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if b := r.post(body, "Prefer", "respond-async"); b.status != http.StatusAccepted || b.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("got %d for a job that waits already, want 202", b.status)
	}
	if c := r.do(http.MethodPost, "/v1/jobs", other, bytes.NewReader(enclavetest.JobFile(t, "other", image, 10)), "Prefer", "respond-async"); c.status != http.StatusAccepted {
		t.Errorf("got %d for another tenant, want 202", c.status)
	}
}

// The client goes while it sends: nothing stays. It goes while it waits: the job runs on.
func TestClientDisconnects(t *testing.T) {
	r := start(t, setup{})
	body := r.job(1 << 20)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+clinic+"\r\nContent-Length: 1048576\r\n\r\n")
	conn.Write(body[:5000])
	partial := func() int { e, _ := os.ReadDir(filepath.Join(r.dir, "partial")); return len(e) }
	r.until("upload begun", func() bool { return partial() == 1 })
	conn.Close()
	r.until("upload removed", func() bool { return partial() == 0 && r.spool.Bytes() == 0 })

	release := make(chan struct{})
	r.enclave.Handle(enclavetest.Block(release))
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/v1/jobs", bytes.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+clinic)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}()
	r.until("job runs", func() bool { return r.enclave.Running.Load() == 1 })
	cancel()
	<-gone
	close(release)
	if a := r.post(body); a.status != http.StatusOK || r.enclave.Total.Load() != 1 {
		t.Errorf("got %d after %d runs, want the result of the one run", a.status, r.enclave.Total.Load())
	}
}

// The attack: a client that sends one byte now and then holds an upload for ever.
func TestSlowClient(t *testing.T) {
	r := start(t, setup{api: api.Options{IdleTime: 100 * time.Millisecond}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+clinic+"\r\nContent-Length: 1048576\r\n\r\nAHJOB")
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(b), `"truncated"`) {
		t.Errorf("got %q, %v, want truncated and the connection closed", b, err)
	}
}

// upload begins an upload that stays unfinished, and returns when the spool has room set aside for
// it.
func (r *rig) upload(tenant, token string) {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	head, before := enclavetest.JobFile(r.t, tenant, image, 10), r.spool.Bytes()
	fmt.Fprintf(conn, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1048576\r\n\r\n%s", token, head[:len(head)-1])
	r.until("the upload has its place", func() bool { return r.spool.Bytes() > before+1<<19 })
}

// One tenant's unfinished uploads take half of the places, and those of all tenants take no more
// than all.
func TestUnfinishedUploadsLeaveRoom(t *testing.T) {
	r := start(t, setup{api: api.Options{Uploads: 3}})
	post := func(tenant, token string) answer {
		return r.do(http.MethodPost, "/v1/jobs", token, bytes.NewReader(enclavetest.JobFile(t, tenant, image, 10)), "Prefer", "respond-async")
	}
	for range 2 {
		r.upload("clinic", clinic)
	}
	r.want(post("clinic", clinic), http.StatusServiceUnavailable, "busy")
	if a := post("other", other); a.status != http.StatusAccepted {
		t.Fatalf("got %d %s for another tenant, want 202", a.status, a.body)
	}
	r.upload("other", other)
	r.want(post("other", other), http.StatusServiceUnavailable, "busy")
}

// A client that asks and does not read the answer frees its connection.
func TestClientThatDoesNotRead(t *testing.T) {
	r := start(t, setup{absent: true, api: api.Options{IdleTime: 100 * time.Millisecond}})
	r.enclave.PolicyB = make([]byte, 12<<20) // more than kernels buffer
	r.enclave.Start(t)
	r.until("ready", func() bool { return r.get("/readyz").status == http.StatusOK })
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/policy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", clinic)
	r.until("its request ended", func() bool {
		return strings.Contains(string(r.get("/metrics").body), `http_requests_total{route="GET /v1/policy",status="200"} 1`)
	})
}

// The limit on a client's silence does not end a wait for the result, nor a connection that is used
// again later.
func TestLongWaitAndReusedConnection(t *testing.T) {
	r := start(t, setup{api: api.Options{IdleTime: 50 * time.Millisecond}})
	release := make(chan struct{})
	r.enclave.Handle(enclavetest.Block(release))
	time.AfterFunc(300*time.Millisecond, func() { close(release) })
	a := r.post(r.job(10))
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200 after a wait longer than the idle time", a.status, a.body)
	}
	time.Sleep(150 * time.Millisecond)
	if b := r.get(a.header.Get("Content-Location"), "If-None-Match", a.header.Get("ETag")); b.status != http.StatusNotModified {
		t.Errorf("got %d, want 304 on the same connection", b.status)
	}
	time.Sleep(150 * time.Millisecond)
	if c := r.post(r.job(10), "Expect", "100-continue"); c.status != http.StatusOK {
		t.Errorf("got %d, want 200 on the same connection", c.status)
	}
}

// Whatever is posted: no panic, a fixed code, and nothing left behind.
func FuzzSubmit(f *testing.F) {
	r := start(f, setup{absent: true, quiet: true, api: api.Options{JobBytes: 1 << 20}, spool: spool.Options{MaxQueued: 1 << 30, MaxBytes: 1 << 50}})
	good := r.job(100)
	f.Add(good[:len(good)-1], "respond-async")
	f.Add(good[:1300], "wait=0")
	f.Add([]byte("AHJOB1\r\n\x00\x20\x00\x00"), "wait=0, respond-async")
	f.Fuzz(func(t *testing.T, body []byte, prefer string) {
		req := httptest.NewRequest(http.MethodPost, "/v1/jobs", bytes.NewReader(body))
		req.Header["Prefer"] = []string{prefer, "wait=0"}
		req.Header.Set("Authorization", "Bearer "+clinic)
		w := httptest.NewRecorder()
		r.server.ServeHTTP(w, req)
		if w.Code == http.StatusAccepted {
			return
		}
		if a := (answer{body: w.Body.Bytes()}); w.Code >= http.StatusInternalServerError || a.code() == "" {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	})
}
