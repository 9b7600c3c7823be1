package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"anchorhold/protocol/code"
)

// ErrAudit says that an act was refused because its audit entry could not be made durable.
var ErrAudit = errors.New("audit entry not written")

// entry is one line of the audit log. It is written before the act it names.
type entry struct {
	Time    time.Time `json:"time"`
	Act     string    `json:"act"` // accept, start, requeue, done, fail, read, expire
	ID      string    `json:"job"`
	Tenant  string    `json:"tenant"`
	Enclave string    `json:"enclave,omitempty"`
	Code    code.Code `json:"code,omitempty"`
	Part    string    `json:"part,omitempty"`
	Image   string    `json:"image,omitempty"`
	Header  string    `json:"header,omitempty"`
	Input   string    `json:"input_sha256,omitempty"`
	Receipt string    `json:"receipt_sha256,omitempty"` // which has the digest of the result
	Bytes   int64     `json:"bytes,omitempty"`
	Job     *Job      `json:"-"` // whose fields fill the rest
}

// audit appends JSON lines to one file per UTC day. Files of past days are not opened again and may
// be archived.
type audit struct {
	dir           string
	now           func() time.Time
	before, after func(step string) error // of faults

	mu  sync.Mutex
	day string   // of f; guarded by mu
	f   *os.File // guarded by mu
}

func newAudit(dir string, now func() time.Time, before, after func(string) error) *audit {
	return &audit{dir: dir, now: now, before: before, after: after}
}

const stepAudit = "audit"

// writeAll makes the entries of a group durable with one sync, answers those acts that fail or have
// nothing further to do, and returns the others. The error that an act gets is ErrAudit: it must
// not be done.
func (a *audit) writeAll(group []*act) (further []*act) {
	var lines []byte
	var written []*act
	now := a.now().UTC()
	for _, x := range group {
		if x.entry == nil {
			further = append(further, x)
			continue
		}
		line, err := x.entry.line(now)
		if err == nil {
			err = a.before(stepAudit)
		}
		if !x.refused(auditError(err)) {
			lines, written = append(lines, line...), append(written, x)
		}
	}
	err := a.write(now, lines)
	for _, x := range written {
		failed := err
		if err == nil {
			failed = a.after(stepAudit)
		}
		switch {
		case x.refused(auditError(failed)):
		case x.f == nil:
			x.done <- nil
		default:
			further = append(further, x)
		}
	}
	return further
}

func auditError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrAudit, full(err))
}

// write appends whole lines and syncs them.
func (a *audit) write(now time.Time, lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.open(now.Format(time.DateOnly))
	if err == nil {
		_, err = a.f.Write(lines)
	}
	if err == nil {
		err = a.f.Sync()
	}
	if err != nil {
		// What stands in the file may now be half a line: opening it again ends that line.
		a.drop()
	}
	return err
}

// line is the entry as it stands in the file.
func (e *entry) line(now time.Time) ([]byte, error) {
	e.Time = now
	e.fill()
	b, err := json.Marshal(e)
	return append(b, '\n'), err
}

func (e *entry) fill() {
	j := e.Job
	if j == nil {
		return
	}
	e.ID, e.Tenant = j.ID, j.Tenant
	switch e.Act {
	case "accept":
		e.Image, e.Header, e.Input, e.Bytes = j.Image.String(), j.Header.String(), j.Input.String(), j.InputBytes
	case "done":
		e.Enclave, e.Receipt, e.Bytes = j.Enclave, j.Receipt, j.OutputBytes
	case "fail":
		e.Enclave, e.Code, e.Receipt = j.Enclave, j.Code, j.Receipt
	default:
		e.Enclave, e.Code = j.Enclave, j.Code
	}
}

// open makes a.f the file of the day. mu is held.
func (a *audit) open(day string) error {
	if a.f != nil && a.day == day {
		return nil
	}
	a.drop()
	f, err := os.OpenFile(filepath.Join(a.dir, day+".jsonl"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := endLine(f); err != nil {
		return errors.Join(err, f.Close())
	}
	a.f, a.day = f, day
	return syncDir(a.dir)
}

// endLine ends a line that a crash cut off, so that it spoils only itself.
func endLine(f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte("\n"))
	return err
}

// drop closes the file. mu is held.
func (a *audit) drop() {
	if a.f != nil {
		a.f.Close() // synced after each entry
		a.f = nil
	}
}

func (a *audit) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop()
	return nil
}
