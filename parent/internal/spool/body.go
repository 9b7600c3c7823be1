package spool

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"go.etcd.io/bbolt"
)

// Folders of the spool.
const (
	bodies   = "bodies"  // id.kind, each named by a job record
	partial  = "partial" // being written; emptied by Open
	auditDir = "audit"
)

// Kinds of bodies, as in their file names.
const (
	kindInput     = "input"
	kindOutput    = "output"
	kindCrosswalk = "crosswalk"
)

// grain is by how much a reservation grows, so that accounting does not lock at each write.
const grain = 1 << 20

// flushGrain is how much is left for the sync at the end, in which the client waits for the disk.
const flushGrain = 8 << 20

// piece is how much is written to a file at once. In the frames of an enclave, 16 KiB each, the
// same bytes take the kernel three times as long.
const piece = 256 << 10

// pieces hold sealed bytes only.
var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// body is being written: in memory while it may lie in the database, else to a file. One goroutine
// owns it.
type body struct {
	s        *Spool
	usage    share
	mem      []byte       // what is in no file yet: all of it, while f is nil
	buffer   *[piece]byte // beneath mem, when there is a file
	f        *os.File     // nil until it is too large for the database
	size     int64
	written  int64 // bytes of f
	flushed  int64 // of these, the kernel was told to write
	reserved int64
	slack    int64 // further bytes that somebody reserved for this body beforehand
	err      error // first failure; later writes repeat it
}

// newBody starts a body of the tenant for which reserve bytes are taken at once. slack bytes more
// are already reserved elsewhere.
func (s *Spool) newBody(tenant string, reserve, slack int64) (*body, error) {
	usage := s.usage.of(tenant)
	if err := usage.take(reserve); err != nil {
		return nil, err
	}
	b := &body{s: s, usage: usage, reserved: reserve, slack: slack}
	if s.opts.Inline > 0 && reserve <= s.opts.Inline {
		b.mem = make([]byte, 0, reserve)
		return b, nil
	}
	if err := b.create(); err != nil {
		b.abort()
		return nil, err
	}
	return b, nil
}

// create goes on in a file.
func (b *body) create() error {
	err := b.s.fault("create", func() (err error) {
		b.f, err = os.CreateTemp(b.s.path(partial), "body-")
		return err
	})
	if err != nil {
		return err
	}
	mem := b.mem
	b.buffer = pieces.Get().(*[piece]byte)
	b.mem = b.buffer[:0]
	return b.gather(mem)
}

// gather writes to the file in whole pieces.
func (b *body) gather(p []byte) error {
	for len(p) > 0 {
		if len(b.mem) == 0 && len(p) >= piece {
			return b.put(p)
		}
		n := copy(b.mem[len(b.mem):piece], p)
		b.mem, p = b.mem[:len(b.mem)+n], p[n:]
		if len(b.mem) == piece {
			if err := b.drain(); err != nil {
				return err
			}
		}
	}
	return nil
}

// drain writes what has been gathered.
func (b *body) drain() error {
	if len(b.mem) == 0 {
		return nil
	}
	err := b.put(b.mem)
	b.mem = b.buffer[:0]
	return err
}

func (b *body) put(p []byte) error {
	err := b.s.fault("write", func() error {
		_, err := b.f.Write(p)
		return err
	})
	if err != nil {
		return err
	}
	b.written += int64(len(p))
	if b.written-b.flushed >= flushGrain {
		flushRange(b.f, b.flushed, b.written)
		b.flushed = b.written
	}
	return nil
}

func (b *body) append(p []byte) error {
	if b.f == nil && b.size+int64(len(p)) > b.s.opts.Inline {
		if err := b.create(); err != nil {
			return err
		}
	}
	if b.f == nil {
		b.mem = append(b.mem, p...)
		return nil
	}
	return b.gather(p)
}

// Write appends p. After an error the body is of no use.
func (b *body) Write(p []byte) (int, error) {
	if b.err == nil {
		b.err = b.write(p)
	}
	if b.err != nil {
		return 0, b.err
	}
	return len(p), nil
}

func (b *body) write(p []byte) error {
	if need := b.size + int64(len(p)) - b.reserved - b.slack; need > 0 {
		more := need
		if b.usage.take(max(need, grain)) == nil {
			more = max(need, grain)
		} else if err := b.usage.take(need); err != nil {
			return err
		}
		b.reserved += more
	}
	if err := b.append(p); err != nil {
		return err
	}
	b.size += int64(len(p))
	return nil
}

// place makes a file durable under its final name. The caller then names the body in the database,
// in the transaction in which it also calls keep, and calls settle, or abort.
func (b *body) place(id, kind string) error {
	if b.err != nil || b.f == nil {
		return b.err
	}
	if err := b.drain(); err != nil {
		return err
	}
	if err := b.s.fault("sync", b.f.Sync); err != nil {
		return err
	}
	return b.s.fault("rename", func() error {
		// Renamed before the record is written: a record without a body would be a lost job, a body
		// without a record is removed by Open.
		to := b.s.path(bodies, id+"."+kind)
		if err := os.Rename(b.f.Name(), to); err != nil {
			return err
		}
		return syncDir(b.s.path(bodies))
	})
}

// keep stores a body that is no file.
func (b *body) keep(tx *bbolt.Tx, id, kind string) error {
	if b.f != nil {
		return nil
	}
	return tx.Bucket(bucketBodies).Put([]byte(id+"."+kind), b.mem)
}

// settle leaves exactly the body's size reserved, less what others have reserved for it, and closes
// the file.
func (b *body) settle() {
	own := max(b.size-b.slack, 0)
	b.usage.give(b.reserved - own)
	b.reserved = own
	b.close()
}

// abort gives back the reservation and removes what was written under the temporary name.
func (b *body) abort() {
	b.usage.give(b.reserved)
	b.reserved = 0
	if b.f != nil {
		os.Remove(b.f.Name())
	}
	b.close()
}

func (b *body) close() {
	if b.f != nil {
		b.f.Close() // synced before, or not wanted
		b.f = nil
	}
	if b.buffer != nil {
		pieces.Put(b.buffer)
		b.buffer, b.mem = nil, nil
	}
}

// take removes a body from the database in the transaction in which no record needs it any more,
// and reports whether it was there.
func take(tx *bbolt.Tx, id, kind string) (bool, error) {
	bodies, key := tx.Bucket(bucketBodies), []byte(id+"."+kind)
	if bodies.Get(key) == nil {
		return false, nil
	}
	return true, bodies.Delete(key)
}

// remove deletes a file that no record needs. That it is absent already is fine: a crash may have
// come between.
func (s *Spool) remove(id, kind string) {
	err := s.fault("remove", func() error { return os.Remove(s.path(bodies, id+"."+kind)) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Open tries again.
		s.opts.Log.Error("spool body not removed", "job", id, "kind", kind)
	}
}
