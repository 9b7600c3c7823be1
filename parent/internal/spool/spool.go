// Package spool keeps jobs, sealed results, receipts and the receipt log on disk. What a call has
// accepted when it returns survives a crash at any later point; what it refuses leaves no trace but
// an audit entry.
//
// State is a bbolt database, bodies are files beside it, but for small ones. A file is written
// aside, synced, renamed into place and its folder synced before the database names it; Open
// removes what no record names and queues what was running again. Changes that come together share
// one sync of the audit log and one transaction (commit.go). The spool sees sealed bytes only and
// proves nothing about them.
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Errors that callers tell apart.
var (
	ErrFull     = errors.New("spool is full")
	ErrNotFound = errors.New("no such job")
	ErrTooMany  = errors.New("too many queued jobs")
	ErrState    = errors.New("job is not in that state")
)

const lockWait = 2 * time.Second // for the process before us to end

// Buckets of the database.
var (
	bucketJobs     = []byte("jobs")     // id: Job
	bucketIdentity = []byte("identity") // Meta.identity: id
	bucketReceipts = []byte("receipts") // id: receipt file
	bucketLog      = []byte("log")      // sequence: Batch
	bucketNext     = []byte("next")     // enclave and boot: number of the next batch
	bucketBodies   = []byte("bodies")   // id.kind: a body that is no file
	// openKey: nothing; the jobs that have not ended, by tenant and age
	bucketOpen     = []byte("open")
	bucketSettings = []byte("settings") // secretKey: the secret
)

// Options configures a Spool.
type Options struct {
	Dir       string           // Created with mode 0700; one process at a time.
	MaxBytes  int64            // Bytes of all bodies together.
	EachBytes int64            // Of these, of one tenant. 0: MaxBytes.
	MaxQueued int              // Jobs of one tenant that wait or run.
	Retention time.Duration    // How long ended jobs are kept.
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: none
	// Inline is the size up to which a body lies in the database and is synced with the record that
	// names it, which saves small jobs most of their syncs. Zero: every body is a file. It may
	// change from one start to the next.
	Inline int64
	// Fault, when set, is called around each side effect, named by step, with done false before and
	// true after it; an error it returns is taken for the effect's own. For tests: "failed" and
	// "failed but happened".
	Fault func(step string, done bool) error
}

// Spool is safe for concurrent use.
type Spool struct {
	opts  Options
	db    *bbolt.DB
	audit *audit
	usage *usage

	secret [secretBytes]byte // written by Open only

	recent   recent
	acts     chan *act     // to be audited
	audited  chan []*act   // to be committed
	closing  chan struct{} // closed by Close
	stopped  chan struct{} // closed when no act is under way any more
	stopOnce sync.Once

	mu      sync.Mutex
	waiting map[string]*waiting // by job; guarded by mu
	active  map[string]int      // jobs of a tenant that wait or run; guarded by mu
}

// Open opens or creates the spool in opts.Dir and repairs what a crash left. It fails when another
// process has it open.
func Open(opts Options) (*Spool, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Spool{opts: opts, recent: recent{jobs: map[string]Job{}}, waiting: map[string]*waiting{}, active: map[string]int{}, usage: newUsage(opts.MaxBytes, opts.EachBytes)}
	for _, dir := range []string{opts.Dir, s.path(bodies), s.path(partial), s.path(auditDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("create spool: %w", err)
		}
	}
	db, err := bbolt.Open(s.path("state.db"), 0o600, &bbolt.Options{Timeout: lockWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("spool %s is in use by another process", opts.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open spool state: %w", err)
	}
	s.db = db
	s.audit = newAudit(s.path(auditDir), opts.Now, s.before, s.after)
	s.start()
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("recover spool: %w", err), s.Close())
	}
	return s, nil
}

// Close closes the files. Calls that still run may fail.
func (s *Spool) Close() error {
	s.stop()
	return errors.Join(s.audit.close(), s.db.Close())
}

// Bytes returns the bytes that bodies take or have reserved.
func (s *Spool) Bytes() int64 { return s.usage.used() }

func (s *Spool) path(names ...string) string {
	return filepath.Join(append([]string{s.opts.Dir}, names...)...)
}

// fault gives the test hook its say about step and turns a full disk into ErrFull.
func (s *Spool) fault(step string, act func() error) error {
	if err := s.before(step); err != nil {
		return err
	}
	if err := act(); err != nil {
		return full(err)
	}
	return s.after(step)
}

func (s *Spool) before(step string) error { return s.hook(step, false) }

func (s *Spool) after(step string) error { return s.hook(step, true) }

func (s *Spool) hook(step string, done bool) error {
	if s.opts.Fault == nil {
		return nil
	}
	return full(s.opts.Fault(step, done))
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
