package spool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t *testing.T, o spool.Options) *spool.Spool {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "spool")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.MaxQueued == 0 {
		o.MaxQueued = 100
	}
	if o.Retention == 0 {
		o.Retention = time.Hour
	}
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func meta(tenant string, n byte) spool.Meta {
	return spool.Meta{Tenant: tenant, Pipeline: "deid", Image: digest.Digest{1}, MessageID: [32]byte{n}, Header: digest.Digest{n}, Input: digest.Stream{n}}
}

func add(s *spool.Spool, m spool.Meta, body string) (spool.Job, bool, error) {
	u, err := s.NewUpload(m.Tenant, int64(len(body)))
	if err != nil {
		return spool.Job{}, false, err
	}
	defer u.Abort()
	if _, err := io.WriteString(u, body); err != nil {
		return spool.Job{}, false, err
	}
	return u.Commit(m)
}

func mustAdd(t *testing.T, s *spool.Spool, m spool.Meta, body string) spool.Job {
	t.Helper()
	j, created, err := add(s, m, body)
	if err != nil || !created {
		t.Fatalf("got %v, %v, want a new job", created, err)
	}
	return j
}

func finish(s *spool.Spool, id, output string) error {
	if _, err := s.Start(id, "e1"); err != nil {
		return err
	}
	r, err := s.NewResult(id)
	if err != nil {
		return err
	}
	defer r.Abort()
	if _, err := io.WriteString(r, output); err != nil {
		return err
	}
	return r.Commit([]byte("receipt of " + id))
}

func content(t *testing.T, s *spool.Spool, id string) string {
	t.Helper()
	f, err := s.OpenResult(id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLifeOfAJob(t *testing.T) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Now: c.now})
	j := mustAdd(t, s, meta("clinic", 1), "a job file")
	if got, want := s.Bytes(), int64(2*len("a job file")); got != want {
		t.Errorf("got %d bytes held, want %d: the job and room for its result", got, want)
	}
	if err := finish(s, j.ID, "sealed"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Bytes(), int64(len("sealed")); got != want {
		t.Errorf("got %d bytes held, want %d", got, want)
	}
	if got := content(t, s, j.ID); got != "sealed" {
		t.Errorf("got result %q", got)
	}
	if b, err := s.Receipt(j.ID); err != nil || string(b) != "receipt of "+j.ID {
		t.Errorf("got receipt %q, %v", b, err)
	}
	if _, err := s.Input(j.ID); !errors.Is(err, spool.ErrState) {
		t.Errorf("got %v for the input, want it gone", err)
	}
	if files := list(t, dir, "bodies"); len(files) != 1 {
		t.Errorf("got bodies %v, want the result only", files)
	}
	c.t = c.t.Add(2 * time.Hour)
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(j.ID); !errors.Is(err, spool.ErrNotFound) {
		t.Errorf("got %v, want expired", err)
	}
	if got := s.Bytes(); got != 0 || len(list(t, dir, "bodies")) != 0 {
		t.Errorf("got %d bytes and %v after expiry, want none", got, list(t, dir, "bodies"))
	}
	audit := auditLog(t, dir)
	for _, act := range []string{"accept", "start", "done", "read", "expire"} {
		if !strings.Contains(audit, `"act":"`+act+`"`) {
			t.Errorf("no %q in the audit log:\n%s", act, audit)
		}
	}
	// The entry leads to the receipt, and by it to the result, when the spool has forgotten both.
	if want := digest.SumStream([]byte("receipt of " + j.ID)).String(); !strings.Contains(audit, `"receipt_sha256":"`+want+`"`) {
		t.Errorf("no receipt %s in the audit log:\n%s", want, audit)
	}
}

func list(t *testing.T, names ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(names...))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func auditLog(t *testing.T, dir string) string {
	t.Helper()
	var b bytes.Buffer
	for _, name := range list(t, dir, "audit") {
		part, err := os.ReadFile(filepath.Join(dir, "audit", name))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(part)
	}
	return b.String()
}

func TestSameJobConcurrently(t *testing.T) {
	s := open(t, spool.Options{})
	const n = 16
	ids, created := make([]string, n), make([]bool, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			j, c, err := add(s, meta("clinic", 1), "body")
			if err != nil {
				t.Error(err)
			}
			ids[i], created[i] = j.ID, c
		})
	}
	all.Wait()
	first := 0
	for i := range n {
		if ids[i] != ids[0] {
			t.Errorf("got job %s, want %s: one job", ids[i], ids[0])
		}
		if created[i] {
			first++
		}
	}
	if first != 1 {
		t.Errorf("got %d created, want 1", first)
	}
	if got := s.Bytes(); got != 8 {
		t.Errorf("got %d bytes held, want 8: duplicates hold none", got)
	}
}

func TestIdentity(t *testing.T) {
	s := open(t, spool.Options{})
	j := mustAdd(t, s, meta("clinic", 1), "body")
	other := meta("other", 1)
	if k := mustAdd(t, s, other, "body"); k.ID == j.ID {
		t.Error("two tenants share a job")
	}
	again := meta("clinic", 1)
	again.Header = digest.Digest{9}
	if k := mustAdd(t, s, again, "body"); k.ID == j.ID {
		t.Error("a job file with another nonce gets the result sealed under the first")
	}
	// A job that failed is run anew; the first one's record stays as it is.
	if err := s.Fail(j.ID, code.KMSDenied, nil); err != nil {
		t.Fatal(err)
	}
	k := mustAdd(t, s, meta("clinic", 1), "body")
	if old, err := s.Get(j.ID); err != nil || old.Code != code.KMSDenied || k.ID == j.ID {
		t.Errorf("got %+v, %v, want the failed job beside the new one", old, err)
	}
}

func TestBounds(t *testing.T) {
	s := open(t, spool.Options{MaxBytes: 100, MaxQueued: 2})
	if _, _, err := add(s, meta("a", 1), strings.Repeat("x", 51)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v, want full: no room for a result", err)
	}
	u, err := s.NewUpload("a", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(make([]byte, 101)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v for a body of unknown size, want full", err)
	}
	u.Abort()
	j := mustAdd(t, s, meta("a", 1), "0123456789")
	mustAdd(t, s, meta("a", 2), "x")
	if _, _, err := add(s, meta("a", 3), "x"); !errors.Is(err, spool.ErrTooMany) {
		t.Errorf("got %v, want too many", err)
	}
	mustAdd(t, s, meta("b", 3), "x")
	// A result may be larger than the job, as far as there is room, and fails cleanly beyond.
	if err := finish(s, j.ID, strings.Repeat("y", 200)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v, want full", err)
	}
	if got, want := s.Bytes(), int64(24); got != want {
		t.Errorf("got %d bytes held, want %d", got, want)
	}
	if err := finish(s, j.ID, strings.Repeat("y", 50)); err != nil {
		t.Errorf("got %v for a result that fits", err)
	}
	if got, want := s.Bytes(), int64(54); got != want {
		t.Errorf("got %d bytes held, want %d", got, want)
	}
}

// A tenant takes its share of the spool and no more, by lengths that it declares, bodies of unknown
// length, jobs and results.
func TestTenantsHaveShares(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, MaxBytes: 1000, EachBytes: 500, MaxQueued: 100})
	if _, err := s.NewUpload("loud", 251); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v for a job that could never be stored with its result, want full", err)
	}
	var declared []*spool.Upload
	for range 2 { // declared, and nothing sent
		u, err := s.NewUpload("loud", 250)
		if err != nil {
			t.Fatal(err)
		}
		declared = append(declared, u)
	}
	u, err := s.NewUpload("loud", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write([]byte("x")); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v beyond the share, want full", err)
	}
	j := mustAdd(t, s, meta("quiet", 1), strings.Repeat("q", 100))
	for _, u := range append(declared, u) {
		u.Abort()
	}
	// Every byte is given back to whom it was taken from, also across a restart.
	for round := range byte(3) {
		loud := mustAdd(t, s, meta("loud", 10+round), strings.Repeat("l", 250))
		if _, _, err := add(s, meta("loud", 20+round), "l"); !errors.Is(err, spool.ErrFull) {
			t.Errorf("round %d: got %v beyond the share, want full", round, err)
		}
		if err := s.Fail(loud.ID, code.Internal, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := finish(s, j.ID, strings.Repeat("r", 400)); err != nil {
		t.Errorf("got %v for a result within the share", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, spool.Options{Dir: dir, MaxBytes: 1000, EachBytes: 500, MaxQueued: 100})
	if _, _, err := add(s, meta("quiet", 2), strings.Repeat("q", 51)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v beyond what results leave of the share, want full", err)
	}
	mustAdd(t, s, meta("loud", 30), strings.Repeat("l", 250))
}

func TestWait(t *testing.T) {
	s := open(t, spool.Options{})
	j := mustAdd(t, s, meta("a", 1), "x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got, err := s.Wait(ctx, j.ID); !errors.Is(err, context.DeadlineExceeded) || got.State != spool.Queued {
		t.Errorf("got %v, %v, want queued and a deadline", got.State, err)
	}
	done := make(chan spool.Job)
	go func() {
		j, _ := s.Wait(t.Context(), j.ID)
		done <- j
	}()
	if err := finish(s, j.ID, "sealed"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.State != spool.Done {
		t.Errorf("got %v, want done", got.State)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, spool.Options{Dir: dir})
	if s, err := spool.Open(spool.Options{Dir: dir}); err == nil {
		s.Close()
		t.Error("got a second spool on the same directory")
	}
}

// A crash in the middle of an audit entry spoils that line only.
func TestTornAuditLine(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir})
	mustAdd(t, s, meta("a", 1), "x")
	s.Close()
	name := filepath.Join(dir, "audit", list(t, dir, "audit")[0])
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, `{"time":"torn`)
	f.Close()
	mustAdd(t, open(t, spool.Options{Dir: dir}), meta("a", 2), "x")
	lines := strings.Split(strings.TrimSpace(auditLog(t, dir)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], `"act":"accept"`) {
		t.Errorf("got %q, want the torn line alone and then the new entry", lines)
	}
}

func TestIDsOutsideTheSpool(t *testing.T) {
	s := open(t, spool.Options{})
	for _, id := range []string{"", "..", "../state.db", strings.Repeat("a", 32), strings.Repeat("/", 32)} {
		if _, err := s.Get(id); !errors.Is(err, spool.ErrNotFound) {
			t.Errorf("%q: got %v, want not found", id, err)
		}
		if _, err := s.OpenResult(id); !errors.Is(err, spool.ErrNotFound) {
			t.Errorf("%q: got %v, want not found", id, err)
		}
	}
}

func TestDiskFullIsErrFull(t *testing.T) {
	full := false
	s := open(t, spool.Options{Fault: func(step string, done bool) error {
		if full && step == "write" && !done {
			return &os.PathError{Op: "write", Err: syscall.ENOSPC}
		}
		return nil
	}})
	j := mustAdd(t, s, meta("a", 1), "kept")
	full = true
	if _, _, err := add(s, meta("a", 2), "x"); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v, want full", err)
	}
	full = false
	if err := finish(s, j.ID, "sealed"); err != nil {
		t.Errorf("got %v for the job stored before", err)
	}
}
