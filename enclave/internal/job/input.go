package job

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
)

// policyFrame and jobFrame are one kind on the wire (SPEC 2).
const (
	policyFrame = frame.Data
	jobFrame    = frame.Data
)

// input reads a job file out of data frames up to the message end. It holds one frame: what the job
// has not taken yet stays in the kernel's buffers, and the parent waits.
type input struct {
	ctx   context.Context
	conn  *message.Conn
	limit uint64 // SPEC 8 job-bytes

	mu    sync.Mutex // one reader at a time, also when a pipeline breaks its contract
	rest  []byte     // guarded by mu: of the frame that was read last
	left  uint64     // guarded by mu: bytes that may still come
	ended bool       // guarded by mu: the message end has come
	err   error      // guarded by mu: the first failure, coded; it stays
}

func newInput(ctx context.Context, conn *message.Conn, limit uint64) *input {
	return &input{ctx: ctx, conn: conn, limit: limit, left: limit}
}

// Read returns io.EOF after the message end and coded errors otherwise.
func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.rest) == 0 {
		if in.err == nil && in.ctx.Err() != nil {
			in.err = coded(in.ctx.Err())
		}
		if in.err != nil {
			return 0, in.err
		}
		if in.ended {
			return 0, io.EOF
		}
		in.err = in.next(in.ctx)
	}
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}

// next receives one frame. mu is held.
func (in *input) next(ctx context.Context) error {
	if err := in.conn.SetReadDeadline(frameDeadline(ctx)); err != nil {
		return code.New(code.Canceled, err)
	}
	m, kind, body, err := in.conn.Receive()
	switch {
	case err != nil:
		return received(err)
	case m == nil && kind == jobFrame:
		if uint64(len(body)) > in.left {
			return code.New(code.TooLarge, nil)
		}
		in.left -= uint64(len(body))
		in.rest = body
		return nil
	case m == message.Message(message.End{}):
		in.ended = true
		return nil
	default:
		return code.New(code.JobMalformed, errUnexpected)
	}
}

// frameDeadline is when one frame must have passed: the job's own end comes first.
func frameDeadline(ctx context.Context) time.Time {
	deadline := time.Now().Add(frameTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		return d
	}
	return deadline
}

// received maps a failure of the connection to the code of its job.
func received(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return code.New(code.Timeout, err)
	case errors.Is(err, frame.ErrMalformed), errors.Is(err, message.ErrMalformed):
		return code.New(code.JobMalformed, err)
	default:
		return code.New(code.Canceled, err)
	}
}

// failure returns the first failure of the input, or nil.
func (in *input) failure() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// atEnd reports whether everything up to the message end was read.
func (in *input) atEnd() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ended && len(in.rest) == 0
}

// discard reads up to the message end after a job has failed, so that the connection can carry the
// next exchange (SPEC 2.2). An error means that it cannot.
func (in *input) discard(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	// A refused job leaves the frames in order; a failure of the connection itself does not.
	switch code.Of(in.err) {
	case "", code.Timeout, code.TooLarge:
	default:
		return in.err
	}
	in.left = in.limit // a budget of its own: a job that was too large ends in order as well
	for !in.ended {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := in.next(ctx); err != nil {
			return err
		}
	}
	in.rest = nil
	return nil
}
