// Package api is the parent's HTTP interface, described by /openapi.json: owners submit job files
// and fetch sealed results, reviewers fetch attestation documents and the receipt log, operators
// watch.
//
// A token says which tenant may use the service. It protects the service, not the records: those
// are sealed, and who holds a token, or this whole program, cannot read or forge them.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/parent/internal/telemetry"
)

// Options configures a Server.
type Options struct {
	Spool         *spool.Spool
	Fleet         *fleet.Fleet
	Metrics       *telemetry.Metrics
	Log           *slog.Logger
	Tokens        []Token       // of tenants
	MetricsTokens []Token       // of scrapers beyond loopback
	JobBytes      int64         // largest job file
	Uploads       int           // at once
	Wait          time.Duration // how long POST /v1/jobs waits
	// Bind counts the request's connection to the tenant who has authenticated on it, and reports
	// false when the tenant has too many; nil: no bound.
	Bind     func(ctx context.Context, tenant string) bool
	IdleTime time.Duration // silence of a client that is sending or fetching; 0: one minute
}

// Server is an http.Handler.
type Server struct {
	opts     Options
	handler  http.Handler
	uploads  *slots
	asks     chan struct{}            // attestation documents and policies being asked for
	askers   map[string]chan struct{} // of these, of one tenant; fixed
	cursors  cursors
	draining context.Context // done once Drain was called
	drain    context.CancelFunc
}

const (
	// the NSM makes one document at a time; more would only hold connections of the enclave
	maxAsks = 4
	// maxAsksEach keeps the queue for these short for others, however many requests of one tenant
	// wait.
	maxAsksEach = 2
	idleTime    = time.Minute
)

// New returns a Server.
func New(opts Options) *Server {
	if opts.IdleTime == 0 {
		opts.IdleTime = idleTime
	}
	s := &Server{opts: opts, asks: make(chan struct{}, maxAsks), cursors: cursors{opts.Spool.Secret()}}
	s.askers = map[string]chan struct{}{}
	for _, t := range opts.Tokens {
		s.askers[t.Tenant] = make(chan struct{}, maxAsksEach)
	}
	s.draining, s.drain = context.WithCancel(context.Background())
	s.uploads = newSlots(opts.Uploads, tenants(opts.Tokens))
	useProblems()
	s.handler = s.observe(s.routes())
	return s
}

func tenants(tokens []Token) int {
	names := map[string]bool{}
	for _, t := range tokens {
		names[t.Tenant] = true
	}
	return len(names)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Drain has the server take no more jobs, answer who waits for one with its URL, and say that it is
// not ready.
func (s *Server) Drain() { s.drain() }

func (s *Server) isDraining() bool { return s.draining.Err() != nil }

// route is one line of the interface.
type route struct {
	method, path string
	handler      http.Handler
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	inner, spec := s.operations()
	raw := func(f http.HandlerFunc) http.Handler { return s.auth(f) }
	allowed := map[string][]string{}
	for _, r := range []route{
		{http.MethodPost, "/v1/jobs", raw(s.submit)},
		{http.MethodGet, "/v1/jobs", s.auth(inner)},
		{http.MethodGet, "/v1/jobs/{id}", s.auth(inner)},
		{http.MethodGet, "/v1/jobs/{id}/result", raw(s.result)},
		{http.MethodGet, "/v1/jobs/{id}/crosswalk", raw(s.crosswalk)},
		{http.MethodGet, "/v1/jobs/{id}/receipt", raw(s.receipt)},
		{http.MethodGet, "/v1/attestation", raw(s.attestation)},
		{http.MethodGet, "/v1/policy", raw(s.policy)},
		{http.MethodGet, "/v1/log", s.auth(inner)},
		{http.MethodGet, "/healthz", inner},
		{http.MethodGet, "/readyz", inner},
		{http.MethodGet, "/metrics", s.scraper(s.opts.Metrics.Handler())},
		{http.MethodGet, "/openapi.json", document(spec)},
	} {
		mux.Handle(r.method+" "+r.path, r.handler)
		allowed[r.path] = append(allowed[r.path], r.method)
	}
	for path, methods := range allowed {
		mux.Handle(path, methodNotAllowed(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem(codeNotFound, "no such path; see /openapi.json").write(w)
	})
	return mux
}

func methodNotAllowed(methods []string) http.Handler {
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	allow := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		problem(codeMethodNotAllowed, "want "+allow).write(w)
	})
}

// document serves the description of the interface.
func document(spec *huma.OpenAPI) http.Handler {
	b, err := spec.MarshalJSON()
	if err != nil {
		panic(err) // unreachable: built from this program's types
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b) // the client may be gone
	})
}

// observe counts and times requests by route, and turns a panic into an answer.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		sw := &statusWriter{ResponseWriter: w, control: http.NewResponseController(w), idle: s.opts.IdleTime}
		// What the request before on this connection left would end this one.
		// not supported by test recorders only, as below
		_ = sw.control.SetWriteDeadline(time.Time{})
		w.Header().Set("X-Content-Type-Options", "nosniff")
		defer func() {
			if v := recover(); v != nil {
				if sw.status != 0 {
					panic(http.ErrAbortHandler) // half an answer must not look whole
				}
				s.opts.Log.Error("handler failed", "route", r.Pattern)
				problem("internal", "").write(sw)
			}
			// The pattern, not the path: paths are the client's text.
			s.opts.Metrics.Requests.WithLabelValues(r.Pattern, strconv.Itoa(sw.status)).Inc()
			s.opts.Metrics.RequestSeconds.WithLabelValues(r.Pattern).Observe(time.Since(begun).Seconds())
		}()
		next.ServeHTTP(sw, r)
	})
}

// statusWriter notes the status and gives each write a deadline, so that a client that reads
// nothing frees its connection.
type statusWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
	status  int
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(w.idle))
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(w.idle))
	return w.ResponseWriter.Write(p)
}

// slots bounds uploads, in all and for one tenant, so that one tenant's slow clients leave room for
// another's.
type slots struct {
	mu   sync.Mutex
	free int            // guarded by mu
	used map[string]int // by tenant; guarded by mu
	each int
}

func newSlots(all, tenants int) *slots {
	each := all
	if tenants > 1 {
		each = (all + 1) / 2
	}
	return &slots{free: all, used: map[string]int{}, each: each}
}

func (s *slots) take(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 || s.used[tenant] >= s.each {
		return false
	}
	s.free--
	s.used[tenant]++
	return true
}

func (s *slots) give(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	s.used[tenant]--
}

// withDrain returns a context that ends with r, after d, or when the server drains.
func (s *Server) withDrain(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	stop := context.AfterFunc(s.draining, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
