package report_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"anchorhold/enclave/internal/report"
	"anchorhold/protocol/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) (net.Listener, report.Dial) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

func TestEventsArriveInOrder(t *testing.T) {
	l, dial := listen(t)
	r := report.New(dial)
	codes := []event.Code{event.Started, event.Composed, event.Answered, event.FilesDiffer}
	for _, c := range codes {
		r.Send(c)
	}
	for _, want := range codes {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := event.Read(conn); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		conn.Close()
	}
	r.Close()
}

// TestCloseWaitsForTheLastWord: what was sent before a reboot has arrived before it.
func TestCloseWaitsForTheLastWord(t *testing.T) {
	l, dial := listen(t)
	var arrived atomic.Bool
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if c, err := event.Read(conn); err == nil && c == event.Panicked {
			arrived.Store(true)
		}
	}()
	r := report.New(dial)
	r.Send(event.Panicked)
	r.Close()
	if !arrived.Load() {
		t.Error("Close returned before the event had arrived")
	}
}

// TestParentCannotHoldTheEnclave: whatever the event port does, Send returns at once and Close
// soon.
func TestParentCannotHoldTheEnclave(t *testing.T) {
	for name, dial := range map[string]report.Dial{
		"closed": func(context.Context) (net.Conn, error) { return nil, errors.New("refused") },
		"dial hangs": func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"never reads": func(context.Context) (net.Conn, error) {
			ours, _ := net.Pipe() // a write blocks until somebody reads
			return ours, nil
		},
		"reads and never closes": func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs) //nolint:errcheck // ends with the other end
			return ours, nil
		},
		"closes at once": func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			return ours, theirs.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report.New(dial)
			started := time.Now()
			// far more than the queue holds; waiting for each would take a quarter of an hour
			for range 1000 {
				r.Send(event.Serving)
			}
			r.Close()
			// A hang is what is looked for, not speed.
			if d := time.Since(started); d > time.Minute {
				t.Errorf("the parent held the enclave for %v", d)
			}
		})
	}
}

// TestHungEventIsGivenUp: a parent that hangs on one event delays the next by a second, and that
// one arrives.
func TestHungEventIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, got := 0, make(chan []byte, 1)
		r := report.New(func(ctx context.Context) (net.Conn, error) {
			if calls++; calls == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			ours, theirs := net.Pipe()
			go func() {
				b := make([]byte, len(event.Encode(event.Serving)))
				_, _ = io.ReadFull(theirs, b)
				theirs.Close()
				got <- b
			}()
			return ours, nil
		})
		started := time.Now()
		r.Send(event.Started)
		r.Send(event.Serving)
		b := <-got
		if d := time.Since(started); d != time.Second || !bytes.Equal(b, event.Encode(event.Serving)) {
			t.Errorf("got %x after %v, want %x after 1s", b, d, event.Encode(event.Serving))
		}
		r.Close()
	})
}
