package admit_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/parent/internal/admit"
	"anchorhold/parent/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	strangers = 4
	each      = 3
)

// rig is a server whose handler authenticates by the header Tenant.
type rig struct {
	t       *testing.T
	addr    string
	metrics *telemetry.Metrics
	client  *http.Client
	url     string
	idle    atomic.Int64 // connections that have become idle so far
}

func start(t *testing.T, withTLS bool) *rig {
	t.Helper()
	zero := func() float64 { return 0 }
	r := &rig{t: t, metrics: telemetry.New(zero, zero)}
	pool := admit.New(admit.Options{Strangers: strangers, Each: each, Metrics: r.metrics})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if tenant := req.Header.Get("Tenant"); tenant != "" && !pool.Bind(req.Context(), tenant) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		switch req.URL.Path {
		case "/upload":
			io.Copy(io.Discard, req.Body)
		case "/large":
			for i := 0; i < 4096; i++ {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}
	}))
	srv.Listener.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Listener = pool.Listen(l)
	srv.Config.ConnContext, srv.Config.ConnState = pool.ConnContext, func(c net.Conn, s http.ConnState) {
		pool.ConnState(c, s)
		if s == http.StateIdle {
			r.idle.Add(1)
		}
	}
	if withTLS {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	r.addr, r.url, r.client = l.Addr().String(), srv.URL, srv.Client()
	// A handler that waits for a client's bytes ends with its connection.
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return r
}

// dial connects and sends text.
func (r *rig) dial(from, text string) net.Conn {
	r.t.Helper()
	d := net.Dialer{}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", r.addr)
	if err != nil {
		r.t.Skipf("cannot connect from %q, which systems other than Linux do not let us: %v", from, err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, text)
	return c
}

// ask sends one request on c and returns the status, 0 when the connection was closed.
func ask(c net.Conn, path, tenant string) int {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\nTenant: %s\r\n\r\n", path, tenant)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode
}

// served fails unless a new connection of the tenant is served. It returns when the connection is
// idle for the server too, which is a moment after the client has the answer.
func (r *rig) served(tenant string) net.Conn {
	r.t.Helper()
	c, before := r.dial("", ""), r.idle.Load()
	if got := ask(c, "/", tenant); got != http.StatusOK {
		r.t.Fatalf("got %d for %q, want to be served", got, tenant)
	}
	r.until("the connection is idle", func() bool { return r.idle.Load() > before })
	return c
}

// value returns a metric as the scraper sees it, 0 when it is not there.
func (r *rig) value(series string) float64 {
	r.t.Helper()
	rec := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "anchorhold_http_connections"+series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

func (r *rig) open(tenant string) int { return int(r.value(`{tenant="` + tenant + `"}`)) }

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

// Attack: clients without a token open connections and send a header byte by byte, or nothing. They
// take each other's places only.
func TestSlowHeadersBeforeAuthentication(t *testing.T) {
	r := start(t, false)
	tenants := []net.Conn{r.served("a"), r.served("b")}
	var slow []net.Conn
	for i := range 10 * strangers {
		slow = append(slow, r.dial("", []string{"", "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "}[i%2]))
	}
	r.served("a")
	r.served("c")
	if got := r.open(""); got > strangers {
		t.Errorf("got %d connections of strangers, want at most %d", got, strangers)
	}
	// Those of tenants are not closed for strangers.
	for _, c := range tenants {
		if got := ask(c, "/", "a"); got != http.StatusOK {
			t.Errorf("got %d on a tenant's connection from before the attack, want 200", got)
		}
	}
	if _, err := slow[0].Read(make([]byte, 1)); err == nil {
		t.Error("the oldest slow connection is open still")
	}
}

// Attack: one address connects again and again, faster than a client of another address gets its
// header out. It loses its own connections.
func TestFloodOfOneAddressIsItsOwnLoss(t *testing.T) {
	r := start(t, false)
	slow := r.dial("127.0.0.1", "GET / HTTP/1.1\r\nHost: h\r\n")
	r.until("the slow client is there", func() bool { return r.open("") == 1 })
	for range 20 * strangers {
		r.dial("127.0.0.2", "")
	}
	r.until("the flood was accepted", func() bool {
		return r.value(`_closed_total{reason="unauthenticated"}`) >= 19*strangers
	})
	io.WriteString(slow, "Tenant: a\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v, want the slow client to be served in the end", err)
	}
	res.Body.Close()
}

// Attack: a tenant opens connections and leaves them idle. It keeps its share of them, the newest.
func TestIdleConnectionsOfOneTenant(t *testing.T) {
	for _, withTLS := range []bool{false, true} {
		r := start(t, withTLS)
		if withTLS {
			// Each request on a connection of its own, which stays.
			for range 3 * each {
				tr := r.client.Transport.(*http.Transport).Clone()
				t.Cleanup(tr.CloseIdleConnections)
				req, _ := http.NewRequest(http.MethodGet, r.url, nil)
				req.Header.Set("Tenant", "a")
				before := r.idle.Load()
				res, err := (&http.Client{Transport: tr}).Do(req)
				if err != nil || res.StatusCode != http.StatusOK {
					t.Fatalf("got %v, want to be served", err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				r.until("the connection is idle", func() bool { return r.idle.Load() > before })
			}
		} else {
			var all []net.Conn
			for range 3 * each {
				all = append(all, r.served("a"))
			}
			for i, c := range all {
				want := http.StatusOK
				if i < len(all)-each {
					want = 0
				}
				if got := ask(c, "/", "a"); got != want {
					t.Errorf("connection %d: got %d, want %d", i, got, want)
				}
			}
			r.served("b")
		}
		if got := r.open("a"); got > each {
			t.Errorf("TLS %v: got %d connections of the tenant, want at most %d", withTLS, got, each)
		}
	}
}

// Attack: a tenant sends bodies, or reads answers, so slowly that its connections are never idle.
// Its next request is refused; another tenant is served.
func TestBusyConnectionsOfOneTenant(t *testing.T) {
	for name, request := range map[string]string{
		"slow uploads": "POST /upload HTTP/1.1\r\nHost: h\r\nTenant: a\r\nContent-Length: 1000000\r\n\r\nx",
		"slow readers": "GET /large HTTP/1.1\r\nHost: h\r\nTenant: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, false)
			var busy []net.Conn
			for range each {
				busy = append(busy, r.dial("", request))
			}
			r.until("all of the share is in use", func() bool { return r.open("a") == each })
			if got := ask(r.dial("", ""), "/", "a"); got != http.StatusTooManyRequests {
				t.Errorf("got %d beyond the share, want %d", got, http.StatusTooManyRequests)
			}
			r.served("b")
			if got := r.value(`_refused_total{tenant="a"}`); got != 1 {
				t.Errorf("got %v refusals counted, want 1", got)
			}
			busy[0].Close()
			r.until("the place is free", func() bool { return r.open("a") < each })
			r.served("a")
		})
	}
}

// Attack: strangers ask for what needs no token, over and over, on connections that they keep.
func TestFloodOfOpenPages(t *testing.T) {
	r := start(t, false)
	stop := make(chan struct{})
	var asked atomic.Int64
	done := make(chan struct{})
	for range 2 * strangers {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					continue
				}
				for range 5 {
					if ask(c, "/", "") == 0 {
						break
					}
					asked.Add(1)
				}
				c.Close()
			}
		}()
	}
	r.until("a flood", func() bool { return asked.Load() > 50 })
	// A tenant's connection is outside of the strangers' pool from its first request on; until then
	// it may lose its place, and tries again.
	var c net.Conn
	r.until("the tenant is served", func() bool { c = r.dial("", ""); return ask(c, "/", "a") == http.StatusOK })
	for i := range 50 {
		if got := ask(c, "/", "a"); got != http.StatusOK {
			t.Fatalf("request %d: got %d on the tenant's connection, want 200", i, got)
		}
	}
	close(stop)
	for range 2 * strangers {
		<-done
	}
}

// A proxy sends requests of several tenants over one connection: it counts for whoever used it
// last.
func TestConnectionOfAProxy(t *testing.T) {
	r := start(t, false)
	c := r.dial("", "")
	for _, tenant := range strings.Split("a b a c", " ") {
		if got := ask(c, "/", tenant); got != http.StatusOK {
			t.Fatalf("got %d for %s, want 200", got, tenant)
		}
	}
	if ask(c, "/", "") != http.StatusOK || r.open("a") != 0 || r.open("b") != 0 || r.open("c") != 1 || r.open("") != 0 {
		t.Errorf("got %d, %d, %d and %d connections of a, b, c and strangers, want one of c", r.open("a"), r.open("b"), r.open("c"), r.open(""))
	}
	c.Close()
	r.until("it is not counted any more", func() bool { return r.open("c") == 0 })
}
