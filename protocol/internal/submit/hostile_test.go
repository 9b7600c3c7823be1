package submit_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/protocol/internal/submit"
)

// A parent that is overtaken, or hostile, must not lead the token elsewhere.
func TestTokenStaysWithTheParent(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { leaked.Store(true) }))
	t.Cleanup(other.Close)
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/v1/jobs", http.StatusTemporaryRedirect)
		},
		"location elsewhere": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL+"/v1/jobs/7")
			w.WriteHeader(http.StatusAccepted)
		},
		"location outside the jobs": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/v1/jobs/../../steal")
			w.WriteHeader(http.StatusAccepted)
		},
		"redirect of a question": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/v1/jobs/7")
			w.WriteHeader(http.StatusAccepted)
		},
		"no location": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) },
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("POST /v1/jobs", answer)
			if name == "redirect of a question" {
				mux.Handle("GET /v1/jobs/7", http.RedirectHandler(other.URL+"/v1/jobs/7", http.StatusFound))
			}
			mux.HandleFunc("/steal", func(http.ResponseWriter, *http.Request) { leaked.Store(true) })
			if _, _, err := fetch(t, client(t, mux)); err == nil {
				t.Fatal("got no error, want one")
			}
			if leaked.Load() {
				t.Fatal("another host, or what is no job, was asked")
			}
		})
	}
}

// A parent that begins the whole file again and then says nothing must not hold us for ever.
func TestSilentResumptionEnds(t *testing.T) {
	mux := accepted()
	var first atomic.Bool
	mux.HandleFunc("GET /v1/jobs/7/result", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(sealed)))
		if first.CompareAndSwap(false, true) {
			w.Write(sealed[:200_000])
			panic(http.ErrAbortHandler)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	done := make(chan error, 1)
	go func() {
		_, _, err := fetch(t, client(t, mux))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("got no error, want one")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the download still waits")
	}
}

func TestParentAddress(t *testing.T) {
	for _, tt := range []struct {
		url, token string
		ok         bool
	}{
		{"https://parent.example", "t", true},
		{"https://parent.example/anchorhold/", "t", true},
		{"http://parent.example", "", true},
		{"http://127.0.0.1:8080", "t", true},
		{"http://[::1]:8080", "t", true},
		{"http://localhost:8080", "t", true},
		{"http://parent.example", "t", false}, // the token would be readable on the way
		{"http://127.0.0.1.example", "t", false},
		{"parent.example", "", false},
		{"ftp://parent.example", "", false},
		{"https://user:pw@parent.example", "", false},
		{"https://parent.example/?x=1", "", false},
		{"", "", false},
	} {
		if _, err := submit.New(tt.url, tt.token); (err == nil) != tt.ok {
			t.Errorf("New(%q): got %v, want ok %v", tt.url, err, tt.ok)
		}
	}
}

// A parent behind a reverse proxy: its Location lacks the proxy's prefix, and the job is still
// found.
func TestPathPrefixIsKept(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/anchorhold/", http.StripPrefix("/anchorhold", accepted()))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	c, err := submit.New(srv.URL+"/anchorhold/", "")
	if err != nil {
		t.Fatal(err)
	}
	job, err := post(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := job.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A parent that takes the head of a job and then nothing, or refuses a byte at a time, is left as
// well.
func TestStallingParentIsLeft(t *testing.T) {
	stop := make(chan struct{})
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"code":`)
		w.(http.Flusher).Flush()
		<-stop
	}))
	t.Cleanup(func() { close(stop) })
	c.Idle = 20 * time.Millisecond
	var refused *submit.Refusal
	if _, err := post(t, c); !errors.As(err, &refused) || refused.Code != "" {
		t.Errorf("refused slowly: got %v, want a refusal without a code", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		io.ReadFull(conn, make([]byte, 16))
		io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		held <- conn
	}()
	c, err = submit.New("http://"+l.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.HTTP.CloseIdleConnections()
	c.Idle = 20 * time.Millisecond
	const size = 256 << 20 // more than kernels buffer
	_, err = c.Post(t.Context(), size, func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeros{}, size)), nil })
	if err == nil || !strings.Contains(err.Error(), "takes no more") {
		t.Errorf("read nothing: got %v, want that it takes no more", err)
	}
	(<-held).Close()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
