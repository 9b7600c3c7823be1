package devkms

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBody holds the largest legal request: an attestation document of 262,144 bytes and a
	// ciphertext of 6,144, in base64, with the longest encryption context.
	maxBody        = 1 << 20
	requestTimeout = 30 * time.Second
	closeTimeout   = 5 * time.Second
)

// An Answer is the body of a response, before it becomes JSON; []byte becomes base64.
type Answer map[string]any

// An Intercept stands around each authenticated operation, for tests of callers: it may answer with
// an error instead of calling next, change next's answer, or wait. What it returns is recorded in
// the event and sent.
type Intercept func(op string, next func() (Answer, error)) (Answer, error)

// Config says what a server is. Users and Roots are required.
type Config struct {
	Users *Users
	// Trusted: whoever holds a key below these can attest any measurement
	Roots *x509.CertPool
	Now   func() time.Time // nil: time.Now
	// gets one JSON line per request, before the answer is sent; nil: none
	Events    io.Writer
	State     string           // file that keeps keys, policies and aliases; empty: memory only
	Form      Form             // of CiphertextForRecipient
	Stores    map[string]Store // custom key stores by id; nil in anchorhold-dev
	Intercept Intercept        // nil in anchorhold-dev
	Log       *log.Logger      // for the HTTP server's complaints; nil: discarded
}

// A Server is one local KMS. It is safe for concurrent use.
type Server struct {
	users     *Users
	roots     *x509.CertPool
	now       func() time.Time
	form      Form
	stores    map[string]Store
	imports   *imports
	intercept Intercept
	log       *log.Logger
	store     *store
	answers   atomic.Uint64 // CMS answers given, for the alternate form

	eventsMu sync.Mutex
	events   io.Writer // guarded by eventsMu
}

// New makes a server and loads its state.
func New(c Config) (*Server, error) {
	if c.Users == nil || c.Roots == nil {
		return nil, errors.New("users and attestation roots are required")
	}
	st, err := openStore(c.State)
	if err != nil {
		return nil, err
	}
	s := &Server{
		users: c.Users, roots: c.Roots, now: c.Now, form: c.Form, stores: c.Stores, imports: newImports(), intercept: c.Intercept, log: c.Log,
		store: st, events: c.Events,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = log.New(io.Discard, "", 0)
	}
	return s, nil
}

// Serve answers requests on l over TLS until ctx ends, then lets running requests finish. It closes
// l.
func (s *Server) Serve(ctx context.Context, l net.Listener, cert tls.Certificate) error {
	srv := &http.Server{
		Handler:           s,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          s.log,
		// KMS speaks HTTP/1.1 only
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.ServeTLS(l, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := errors.Join(srv.Shutdown(closing), srv.Close())
	<-failed // http.ErrServerClosed
	return err
}
