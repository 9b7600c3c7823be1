package job

import (
	"context"
	"errors"
	"hash"
	"io"
	"os"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
	"anchorhold/protocol/result"
)

// output sends a sealed stream as frames and takes its digest. It is written by one goroutine at a
// time.
type output struct {
	ctx  context.Context
	conn *message.Conn
	kind frame.Kind
	hash hash.Hash
	size uint64
	err  error // the first failure, coded; it stays
}

func newOutput(ctx context.Context, conn *message.Conn, kind frame.Kind) *output {
	return &output{ctx: ctx, conn: conn, kind: kind, hash: digest.NewStream()}
}

// Write sends p at once: the sealer calls it with whole chunks only (SPEC 5).
func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	err := o.conn.SetWriteDeadline(frameDeadline(o.ctx))
	if err == nil {
		err = o.conn.SendData(o.kind, p)
	}
	if err != nil {
		// A parent that does not read must not hold the job for ever.
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.err = code.New(code.Timeout, err)
		} else {
			o.err = code.New(code.Canceled, err)
		}
		return 0, o.err
	}
	o.hash.Write(p)
	o.size += uint64(len(p))
	return len(p), nil
}

func (o *output) digest() digest.Stream { return digest.Stream(o.hash.Sum(nil)) }

// sealed is the writer of one sealed stream of the job.
type sealed struct {
	*output
	stream result.Stream
	sealer *result.Sealer
}

var _ io.Writer = (*sealed)(nil)

// sealed starts a stream to the key that the job file names for it.
func (r *run) sealed(ctx context.Context, s result.Stream) (*sealed, error) {
	kind, key := frame.Result, r.file.ReplyKey
	if s == result.Crosswalk {
		kind, key = frame.Crosswalk, r.file.CrosswalkKey
	}
	out := newOutput(ctx, r.conn, kind)
	sealer, err := result.NewSealer(out, s, key, result.Binding{Header: r.fileSum, Nonce: r.file.Nonce, Policy: r.s.digest})
	if err != nil {
		return nil, first(out.err, err)
	}
	return &sealed{out, s, sealer}, nil
}

// Write seals records, or lines of the crosswalk.
func (s *sealed) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	write := s.sealer.Records
	if s.stream == result.Crosswalk {
		write = s.sealer.CrosswalkEntries
	}
	if err := write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// failure returns why the stream could not be sent, or nil. A stream that is not wanted is nil.
func (s *sealed) failure() error {
	if s == nil {
		return nil
	}
	return s.err
}

// report ends a result with its report.
func (s *sealed) report(encoded []byte) error {
	if err := s.sealer.Report(encoded); err != nil {
		return first(s.err, err)
	}
	return s.close()
}

func (s *sealed) close() error {
	if s == nil {
		return nil
	}
	if err := s.sealer.Close(); err != nil {
		return first(s.err, err)
	}
	return nil
}

// watched remembers why a reader failed: a pipeline may wrap or replace the error, and the code
// must not change by that.
type watched struct {
	r   io.Reader
	err error // not io.EOF
	eof bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	switch {
	case err == io.EOF:
		w.eof = true
	case err != nil && w.err == nil:
		w.err = err
	}
	return n, err
}
