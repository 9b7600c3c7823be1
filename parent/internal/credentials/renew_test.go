package credentials_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/parent/internal/credentials"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
	"anchorhold/protocol/transport"
)

func renew(t *testing.T, c *message.Conn, refused message.Credentials) message.Message {
	t.Helper()
	if err := c.Send(message.RenewCredentials{Refused: refused.Digest()}); err != nil {
		t.Fatal(err)
	}
	m, _, _, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func isRefused(m message.Message) bool {
	f, ok := m.(message.Failed)
	return ok && f.Code == code.CredentialsRefused
}

var (
	first  = message.Credentials{AccessKeyID: "A1", SecretAccessKey: "s1"} // they do not expire
	second = message.Credentials{AccessKeyID: "A1", SecretAccessKey: "s2"} // the id is the same
)

// The file has been replaced, or the role session revoked, long before the credentials expire: the
// report of a refusal has the source read again.
func TestRefusedCredentialsAreReadAgain(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var clock atomic.Int64
	has := first
	f := &fake{give: func() (message.Credentials, error) { return has, nil }}
	c := start(t, f, slog.New(slog.DiscardHandler), func() time.Time { return begun.Add(time.Duration(clock.Load())) })
	ask(t, c)
	// The source has no others: the old ones are kept, since the report may be false.
	if got := renew(t, c, first); !isRefused(got) {
		t.Errorf("got %v, want %s from a source that has not changed", got, code.CredentialsRefused)
	}
	if got := ask(t, c); got != message.Message(first) {
		t.Error("want the credentials to be kept when the source gives the same")
	}
	has = second
	clock.Add(int64(10 * time.Second))
	if got := renew(t, c, first); got != message.Message(second) {
		t.Errorf("got %v, want the source's new credentials", got)
	}
	// An enclave that still holds the first ones is answered from what is there.
	before := f.calls.Load()
	if got := renew(t, c, first); got != message.Message(second) || f.calls.Load() != before {
		t.Errorf("got %v after %d reads, want the new credentials without a read", got, f.calls.Load()-before)
	}
	// A source that fails takes nothing away.
	f.give = func() (message.Credentials, error) { return message.Credentials{}, errors.New("detail") }
	clock.Add(int64(10 * time.Second))
	if got := renew(t, c, second); !isRefused(got) {
		t.Errorf("got %v, want %s from a source that fails", got, code.CredentialsRefused)
	}
	if got := ask(t, c); got != message.Message(second) {
		t.Error("want the credentials to be kept when the source fails")
	}
}

// Attack: an enclave reports refusals in a loop. The source is read once in renewPause, with one
// line in the log each time, whether it fails or not.
func TestFalseReportsDoNotFloodTheSource(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var clock atomic.Int64
	f := &fake{give: func() (message.Credentials, error) { return first, nil }}
	var log bytes.Buffer
	c := start(t, f, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return begun.Add(time.Duration(clock.Load())) })
	ask(t, c)
	for i := range 1000 {
		if i == 500 {
			f.give = func() (message.Credentials, error) { return message.Credentials{}, errors.New("detail") }
		}
		if got := renew(t, c, first); !isRefused(got) {
			t.Fatalf("got %v, want %s", got, code.CredentialsRefused)
		}
		clock.Add(int64(10 * time.Millisecond)) // 10 s in all
	}
	if got := f.calls.Load(); got > 1+2 {
		t.Errorf("got %d reads of the source in 10 s, want at most 3", got)
	}
	// Two reads, one of which fails and says so once more.
	if got := strings.Count(log.String(), "\n"); got < 2 || got > 3 {
		t.Errorf("got %d lines in the log for 1000 reports, want 3", got)
	}
	// Digests that are not those of the credentials never have the source read.
	before := f.calls.Load()
	for i := range 100 {
		clock.Add(int64(10 * time.Second))
		if got := renew(t, c, message.Credentials{AccessKeyID: strconv.Itoa(i)}); got != message.Message(first) {
			t.Fatalf("got %v for a made-up digest, want the credentials that are there", got)
		}
	}
	if got := f.calls.Load(); got != before {
		t.Errorf("got %d reads for made-up digests, want none", got-before)
	}
}

// Attack: many enclaves report at once while the source hangs. One read is under way at a time, and
// they share its result.
func TestReportsAtOnceShareOneRead(t *testing.T) {
	var inside, most, calls atomic.Int32
	source := sourceFunc(func(context.Context) (message.Credentials, error) {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		if calls.Add(1) == 1 {
			return first, nil
		}
		return second, nil
	})
	addr := "unix://" + filepath.Join(t.TempDir(), "c")
	l, err := transport.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	zero := func() float64 { return 0 }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- credentials.New(source, telemetry.New(zero, zero), slog.New(slog.DiscardHandler), nil).Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-done })
	var conns []*message.Conn
	for range 8 {
		nc, err := transport.Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		conns = append(conns, message.NewConn(nc))
	}
	ask(t, conns[0])
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() {
			if got := renew(t, c, first); got != message.Message(second) {
				t.Errorf("got %v, want the new credentials", got)
			}
		})
	}
	all.Wait()
	if calls.Load() != 2 || most.Load() != 1 {
		t.Errorf("got %d reads, %d at once, want 2 and 1", calls.Load(), most.Load())
	}
}

type sourceFunc func(context.Context) (message.Credentials, error)

func (f sourceFunc) Fetch(ctx context.Context) (message.Credentials, error) { return f(ctx) }
