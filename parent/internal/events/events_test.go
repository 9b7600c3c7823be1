package events_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/vsock"
	"go.uber.org/goleak"

	"anchorhold/parent/internal/events"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a Listener whose connections come from whom a test says.
type bench struct {
	metrics *telemetry.Metrics
	conns   chan net.Conn
	log     bytes.Buffer // read after stop
	stop    func()
}

func newBench(t *testing.T, enclaves map[string]string) *bench {
	t.Helper()
	zero := func() float64 { return 0 }
	b := &bench{metrics: telemetry.New(zero, zero), conns: make(chan net.Conn)}
	start := time.Unix(1000, 0)
	l := events.New(enclaves, b.metrics, slog.New(slog.NewTextHandler(&b.log, nil)), func() time.Time { return start })
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Serve(ctx, &listener{conns: b.conns, closed: ctx.Done()}); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	b.stop = func() { cancel(); running.Wait() }
	t.Cleanup(b.stop)
	return b
}

// listener hands out connections made by a test.
type listener struct {
	conns  chan net.Conn
	closed <-chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{} }

// from is a connection with a remote address of the hypervisor's making.
type from struct {
	net.Conn
	addr   net.Addr
	closed chan struct{}
	once   sync.Once
}

func (f *from) RemoteAddr() net.Addr { return f.addr }

func (f *from) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// send sends bytes as the enclave with a context id, 0 for a unix socket, and returns when the
// parent has closed.
func (b *bench) send(cid uint32, raw []byte) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	var addr net.Addr = &net.UnixAddr{}
	if cid != 0 {
		addr = &vsock.Addr{ContextID: cid, Port: 1024}
	}
	c := &from{Conn: theirs, addr: addr, closed: make(chan struct{})}
	b.conns <- c
	_, _ = ours.Write(raw) // the parent may have read enough before its end
	ours.Close()
	<-c.closed
}

func (b *bench) scrape() string {
	r := httptest.NewRecorder()
	b.metrics.Handler().ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
	var events []string
	for line := range strings.Lines(r.Body.String()) {
		if strings.HasPrefix(line, "anchorhold_enclave_events") {
			events = append(events, line)
		}
	}
	return strings.Join(events, "")
}

func TestEventsHaveTheEnclavesName(t *testing.T) {
	b := newBench(t, map[string]string{"one": "vsock://16:9101", "two": "vsock://17:9101"})
	b.send(16, event.Encode(event.Started))
	b.send(17, event.Encode(event.FilesDiffer))
	b.send(99, event.Encode(event.Serving)) // a stranger's enclave cannot speak for ours
	b.send(0, event.Encode(event.Serving))  // nor can a process on this machine, with two enclaves
	b.stop()
	got := b.scrape()
	for _, want := range []string{
		`anchorhold_enclave_events_total{enclave="one",event="started"} 1`,
		`anchorhold_enclave_events_total{enclave="two",event="files-differ"} 1`,
		`anchorhold_enclave_events_total{enclave="unknown",event="serving"} 2`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if log := b.log.String(); !strings.Contains(log, `level=ERROR msg="enclave ends" enclave=two event=files-differ`) ||
		!strings.Contains(log, `level=INFO msg="enclave starts" enclave=one event=started`) {
		t.Errorf("got log\n%s", log)
	}
}

func TestOnlyEnclaveOverUnix(t *testing.T) {
	b := newBench(t, map[string]string{"one": "unix:///run/one"})
	b.send(0, event.Encode(event.Killed))
	b.stop()
	if got := b.scrape(); !strings.Contains(got, `{enclave="one",event="killed"} 1`) {
		t.Errorf("got %s", got)
	}
}

// TestInvariant5_HostileEnclaveChoosesNoText: whatever an enclave sends, log and metric hold names
// of ours.
func TestInvariant5_HostileEnclaveChoosesNoText(t *testing.T) {
	b := newBench(t, map[string]string{"one": "vsock://16:9101"})
	b.send(16, []byte("MARKER\n"))
	b.send(16, append(event.Encode(event.Started), "MARKER"...))
	b.send(16, bytes.Repeat([]byte("MARKER"), 1<<16))
	b.send(16, []byte("AHEV\x00\x01\x7f\xff"))
	b.send(16, nil)
	b.stop()
	if got := b.scrape(); !strings.Contains(got, `{enclave="one",event="malformed"} 5`) || strings.Contains(got, "MARKER") {
		t.Errorf("got %s", got)
	}
	if strings.Contains(b.log.String(), "MARKER") || strings.Contains(b.log.String(), "0x7fff") {
		t.Errorf("got log %s", &b.log)
	}
}

// TestEventsInALoop: all are counted, few fill the log.
func TestEventsInALoop(t *testing.T) {
	b := newBench(t, map[string]string{"one": "vsock://16:9101"})
	for range 500 {
		b.send(16, event.Encode(event.Started))
	}
	b.stop()
	if got := b.scrape(); !strings.Contains(got, `{enclave="one",event="started"} 500`) {
		t.Errorf("got %s", got)
	}
	if n := strings.Count(b.log.String(), "\n"); n != 60 {
		t.Errorf("got %d lines, want 60 in a minute", n)
	}
}
