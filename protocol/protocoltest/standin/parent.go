package standin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"anchorhold/protocol/code"
)

// Parent is a handler of the parent's API as far as an owner uses it.
func (w *World) Parent() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", w.submit)
	mux.HandleFunc("GET /v1/jobs/{id}", func(rw http.ResponseWriter, r *http.Request) {
		if w.job(r) == nil {
			problem(rw, http.StatusNotFound, "not-found")
			return
		}
		io.WriteString(rw, `{"status":"done"}`)
	})
	serve := func(pick func(*outcome) []byte) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			o := w.job(r)
			if o == nil {
				problem(rw, http.StatusNotFound, "not-found")
				return
			}
			b := pick(o)
			if w.getMode() == Slow && r.Header.Get("Range") == "" && strings.HasSuffix(r.URL.Path, "/result") {
				rw.Header().Set("Content-Length", fmt.Sprint(len(b)))
				rw.Write(b[:len(b)/2])
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(b))
		}
	}
	mux.HandleFunc("GET /v1/jobs/{id}/result", serve(func(o *outcome) []byte { return o.result }))
	mux.HandleFunc("GET /v1/jobs/{id}/receipt", serve(func(o *outcome) []byte { return o.receipt }))
	mux.HandleFunc("GET /v1/jobs/{id}/crosswalk", serve(func(o *outcome) []byte { return o.crosswalk }))
	return mux
}

func (w *World) submit(rw http.ResponseWriter, r *http.Request) {
	mode := w.getMode()
	file, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return
	case mode == Refuse:
		problem(rw, http.StatusForbidden, string(code.TenantUnknown))
		return
	}
	o, err := w.process(file)
	if err != nil {
		problem(rw, http.StatusUnprocessableEntity, string(code.Of(err)))
		return
	}
	w.mu.Lock()
	id := fmt.Sprintf("job-%d", len(w.jobs))
	w.jobs[id] = o
	w.mu.Unlock()
	rw.Header().Set("Location", "/v1/jobs/"+id)
	if mode == Slow {
		rw.WriteHeader(http.StatusAccepted)
		return
	}
	rw.Write(o.result)
}

func (w *World) job(r *http.Request) *outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[r.PathValue("id")]
}

func problem(rw http.ResponseWriter, status int, c string) {
	rw.Header().Set("Content-Type", "application/problem+json")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, `{"status":%d,"title":"refused","code":%q}`, status, c)
}
