package submit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/internal/submit"
)

var jobBytes = bytes.Repeat([]byte("job"), 1000)

// sealed is longer than the client's buffer, so that it can break in the middle.
var sealed = bytes.Repeat([]byte("0123456789abcdef"), 40_000)

func client(t *testing.T, h http.Handler) *submit.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := submit.New(srv.URL, "secret-token")
	if err != nil {
		t.Fatal(err)
	}
	c.Pause, c.Idle = time.Millisecond, 300*time.Millisecond
	return c
}

func post(t *testing.T, c *submit.Client) (*submit.Job, error) {
	t.Helper()
	return c.Post(t.Context(), int64(len(jobBytes)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(jobBytes)), nil
	})
}

// fetch runs a job to its result and receipt.
func fetch(t *testing.T, c *submit.Client) (result, receipt []byte, err error) {
	t.Helper()
	job, err := post(t, c)
	if err != nil {
		return nil, nil, err
	}
	if err := job.Wait(t.Context()); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if err := job.Result(t.Context(), &b); err != nil {
		return nil, nil, err
	}
	receipt, err = job.Receipt(t.Context())
	return b.Bytes(), receipt, err
}

func wantSame(t *testing.T, result, receipt []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(result, sealed) || string(receipt) != "receipt" {
		t.Fatalf("got %d bytes and receipt %q, want %d bytes and %q", len(result), receipt, len(sealed), "receipt")
	}
}

func serveFile(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

func problem(w http.ResponseWriter, status int, c string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"code": c, "detail": "all is well"})
}

func TestAnswerAtOnce(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret-token" {
			t.Errorf("Authorization: got %q, want the token", got)
		}
		if got, _ := io.ReadAll(r.Body); !bytes.Equal(got, jobBytes) {
			t.Errorf("body: got %d bytes, want the job file", len(got))
		}
		w.Header().Set("Location", "/v1/jobs/7")
		w.Write(sealed)
	})
	mux.HandleFunc("GET /v1/jobs/7/receipt", serveFile([]byte("receipt")))
	result, receipt, err := fetch(t, client(t, mux))
	wantSame(t, result, receipt, err)
}

func TestAcceptedThenPolled(t *testing.T) {
	var asked atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "/v1/jobs/7")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /v1/jobs/7", func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			io.WriteString(w, `{"status":"queued","id":"7"}`)
		case 2:
			// a fault on the way is not the end of the job
			problem(w, http.StatusBadGateway, "busy")
		case 3:
			io.WriteString(w, `{"status":"running"}`)
		default:
			io.WriteString(w, `{"status":"done"}`)
		}
	})
	mux.HandleFunc("GET /v1/jobs/7/result", serveFile(sealed))
	mux.HandleFunc("GET /v1/jobs/7/receipt", func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 7 {
			problem(w, http.StatusConflict, "") // not signed yet
			return
		}
		io.WriteString(w, "receipt")
	})
	result, receipt, err := fetch(t, client(t, mux))
	wantSame(t, result, receipt, err)
}

// breaking serves a file, but cuts the connection after some bytes of each answer.
func breaking(t *testing.T, ranges *[]string, ignoreRange bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*ranges = append(*ranges, r.Header.Get("Range"))
		from := 0
		if r.Header.Get("Range") != "" && !ignoreRange {
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(sealed)-1, len(sealed)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(sealed)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		part := sealed[from:]
		if len(*ranges) < 3 {
			w.Write(part[:len(part)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.Write(part)
	}
}

func TestBrokenDownloadIsResumed(t *testing.T) {
	for _, ignoreRange := range []bool{false, true} {
		var ranges []string
		mux := http.NewServeMux()
		mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/v1/jobs/7")
			breaking(t, &ranges, ignoreRange)(w, r)
		})
		mux.HandleFunc("GET /v1/jobs/7/result", breaking(t, &ranges, ignoreRange))
		mux.HandleFunc("GET /v1/jobs/7/receipt", serveFile([]byte("receipt")))
		result, receipt, err := fetch(t, client(t, mux))
		wantSame(t, result, receipt, err)
		if len(ranges) < 3 || ranges[0] != "" || !strings.HasPrefix(ranges[1], "bytes=") {
			t.Errorf("ranges: got %q, want the first without and the next with one", ranges)
		}
	}
}

// The parent may lie about ranges; bytes must not be glued together at the wrong place.
func TestWrongRangeIsRefused(t *testing.T) {
	mux := accepted()
	first := true
	mux.HandleFunc("GET /v1/jobs/7/result", func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			w.Header().Set("Content-Length", fmt.Sprint(len(sealed)))
			w.Write(sealed[:200_000])
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(sealed)-1, len(sealed)))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(sealed[5:])
	})
	var refused *submit.Refusal
	if _, _, err := fetch(t, client(t, mux)); !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
}

// accepted answers the post with 202 and every question with done.
func accepted() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "/v1/jobs/7")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /v1/jobs/7", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"status":"done"}`) })
	return mux
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		code   string
		want   code.Code
		text   string
	}{
		{"code of ours", 422, "tenant-unknown", code.TenantUnknown, "no such tenant"},
		{"no code", 401, "", "", "401 Unauthorized"},
		{"the parent's own: token", 401, "unauthorized", "unauthorized", "does not know the token: check --token-file"},
		{"the parent's own: queue", 429, "queue-full", "queue-full", "too many of your jobs wait"},
		{"the adversary's prose", 400, "\x1b[2Jall is well", "", "400 Bad Request"},
		{"busy without Retry-After", 503, "busy", code.Busy, "no enclave has room"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) { problem(w, tt.status, tt.code) })
			_, err := post(t, client(t, mux))
			var refused *submit.Refusal
			if !errors.As(err, &refused) || refused.Code != tt.want || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("got %v, want code %q and text %q", err, tt.want, tt.text)
			}
			if strings.Contains(err.Error(), "all is well") {
				t.Fatalf("error holds the peer's text: %q", err)
			}
		})
	}
}

func TestFailedJobGivesItsCode(t *testing.T) {
	for said, want := range map[string]code.Code{"kms-denied": code.KMSDenied, "all is well: open it": ""} {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/v1/jobs/7")
			w.WriteHeader(http.StatusAccepted)
		})
		mux.HandleFunc("GET /v1/jobs/7", func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{"status": "failed", "code": said})
		})
		_, _, err := fetch(t, client(t, mux))
		var refused *submit.Refusal
		if !errors.As(err, &refused) || refused.Code != want || strings.Contains(err.Error(), "well") {
			t.Errorf("%q: got %v, want code %q", said, err, want)
		}
	}
}

func TestBusyParentIsAskedAgain(t *testing.T) {
	var posts atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		if posts.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			problem(w, http.StatusServiceUnavailable, "busy")
			return
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "/v1/jobs/7")
		w.Write(sealed)
	})
	mux.HandleFunc("GET /v1/jobs/7/receipt", serveFile([]byte("receipt")))
	c := client(t, mux)
	var told []string
	c.Busy = func(why *submit.Refusal) { told = append(told, why.Error()) }
	result, receipt, err := fetch(t, c)
	wantSame(t, result, receipt, err)
	if len(told) != 2 || !strings.HasPrefix(told[0], "busy: ") {
		t.Errorf("reasons to wait: got %q, want busy twice", told)
	}
}

func TestEndlessResultIsCutOff(t *testing.T) {
	mux := accepted()
	mux.HandleFunc("GET /v1/jobs/7/result", func(w http.ResponseWriter, r *http.Request) {
		for block := make([]byte, 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	job, err := post(t, client(t, mux))
	if err != nil {
		t.Fatal(err)
	}
	var n countWriter
	if err := job.Result(t.Context(), &n); err == nil || n > 70<<20 {
		t.Fatalf("got %v after %d bytes, want an error before 70 MiB", err, n)
	}
}

type countWriter int64

func (c *countWriter) Write(p []byte) (int, error) {
	*c += countWriter(len(p))
	return len(p), nil
}

func TestSilentParentIsLeft(t *testing.T) {
	mux := accepted()
	stop := make(chan struct{})
	mux.HandleFunc("GET /v1/jobs/7/result", func(w http.ResponseWriter, r *http.Request) {
		w.Write(sealed[:10])
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	})
	c := client(t, mux)
	t.Cleanup(func() { close(stop) })
	c.Idle = 20 * time.Millisecond
	// that it returns is the point: the parent stays silent for good
	if _, _, err := fetch(t, c); err == nil {
		t.Fatal("got no error, want one")
	}
}

// A full disk of ours is no reason to download again.
func TestLocalFaultEndsTheDownload(t *testing.T) {
	var asked atomic.Int32
	mux := accepted()
	mux.HandleFunc("GET /v1/jobs/7/result", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Write(sealed)
	})
	job, err := post(t, client(t, mux))
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space")
	if err := job.Result(t.Context(), failWriter{full}); !errors.Is(err, full) || asked.Load() != 1 {
		t.Fatalf("got %v after %d requests, want %v after 1", err, asked.Load(), full)
	}
}

type failWriter struct{ err error }

func (f failWriter) Write([]byte) (int, error) { return 0, f.err }

func TestHugeReceiptIsRefused(t *testing.T) {
	mux := accepted()
	mux.HandleFunc("GET /v1/jobs/7/result", serveFile(sealed))
	mux.HandleFunc("GET /v1/jobs/7/receipt", serveFile(make([]byte, 1<<20)))
	if _, _, err := fetch(t, client(t, mux)); err == nil || !strings.Contains(err.Error(), "receipt is over") {
		t.Fatalf("got %v, want the bound", err)
	}
}

func TestCanceled(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/v1/jobs/7")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /v1/jobs/7", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"status":"running"}`) })
	job, err := post(t, client(t, mux))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := job.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want %v", err, context.DeadlineExceeded)
	}
}
