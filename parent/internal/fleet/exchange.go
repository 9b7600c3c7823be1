package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
)

const (
	sendSize = 8 * frame.MaxBody // per read of the job file
	// lastTime is for what the sender still has to say once the enclave has answered.
	lastTime = 10 * time.Second
)

// sendBuffers would else be most of what a small job leaves to the collector.
var sendBuffers = sync.Pool{New: func() any { return new([sendSize]byte) }}

// How an exchange ended, when the enclave gave no answer.
var (
	errProtocol = errors.New("enclave broke the protocol")
	errSpool    = errors.New("spool failed")
)

// answer is what the enclave said: the result is stored when code is empty.
type answer struct {
	code    code.Code
	receipt []byte
}

// exchange runs one job over one connection. Everything the enclave sends is drained into the spool
// while the job file is sent, so that full buffers cannot stop both sides.
type exchange struct {
	conn   *message.Conn
	idle   time.Duration
	result *spool.Result
	input  io.Reader
	halt   atomic.Bool // asks the sender to end early
	heard  atomic.Bool // the enclave has sent something
}

// run returns the enclave's answer; clean says that the connection can carry another exchange.
// Without an answer the error says why: errSpool when it was our side, spool.ErrFull inside.
func (x *exchange) run() (a answer, clean bool, err error) {
	x.touch()
	sent := make(chan error, 1)
	go func() { sent <- x.send() }()
	a, err = x.receive()
	if err != nil {
		// Ends the sender, wherever it waits.
		x.conn.Close()
		if failed := <-sent; errors.Is(failed, errSpool) {
			err = failed
		}
		return answer{}, false, err
	}
	x.halt.Store(a.code != "")
	x.conn.SetDeadline(time.Now().Add(lastTime)) // an error shows in the sender
	if err := <-sent; err != nil {
		if a.code != "" {
			return a, false, nil // the answer stands; only the connection is lost
		}
		// Success before the whole job was read cannot be.
		return answer{}, false, fmt.Errorf("%w: done before the end of the job", errProtocol)
	}
	return a, true, nil
}

func (x *exchange) send() error {
	if err := x.conn.Send(message.Job{}); err != nil {
		return err
	}
	pooled := sendBuffers.Get().(*[sendSize]byte)
	defer sendBuffers.Put(pooled)
	buf := pooled[:]
	for !x.halt.Load() {
		n, err := io.ReadFull(x.input, buf)
		if n > 0 {
			if err := x.conn.SendData(frame.Data, buf[:n]); err != nil {
				return err
			}
			x.touch()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			x.conn.Close() // ends receive
			return fmt.Errorf("%w: %w", errSpool, err)
		}
	}
	return x.conn.Send(message.End{})
}

func (x *exchange) receive() (answer, error) {
	for {
		m, kind, data, err := x.conn.Receive()
		if err != nil {
			return answer{}, err
		}
		x.heard.Store(true)
		if !x.halt.Load() {
			x.touch()
		}
		switch m := m.(type) {
		case nil:
			if err := x.store(kind, data); err != nil {
				return answer{}, err
			}
		case message.Done:
			if x.result.Size() == 0 {
				return answer{}, fmt.Errorf("%w: done without a result", errProtocol)
			}
			return answer{receipt: m.Receipt}, nil
		case message.Failed:
			return answer{code: m.Code, receipt: m.Receipt}, nil
		default:
			return answer{}, fmt.Errorf("%w: unexpected %s", errProtocol, m.Op())
		}
	}
}

func (x *exchange) store(kind frame.Kind, data []byte) error {
	var err error
	switch kind {
	case frame.Result:
		_, err = x.result.Write(data)
	case frame.Crosswalk:
		_, err = x.result.WriteCrosswalk(data)
	default:
		return fmt.Errorf("%w: unexpected frame", errProtocol)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	return nil
}

// touch moves the deadline: silence in both directions, not slowness, ends an exchange.
func (x *exchange) touch() {
	x.conn.SetDeadline(time.Now().Add(x.idle)) // an error shows in the next Send or Receive
}

// trial is what is known of one try of a job that brought no answer.
type trial struct {
	link  *link // nil: no connection, so that nothing was sent
	heard bool  // the enclave had sent something
	begun time.Time
	ended time.Time
}

// attempt runs the job on the enclave, over a pooled connection if there is one. A pooled
// connection that turns out dead before the enclave has said anything is no fault of the enclave if
// it lives still: a fresh one is tried at once. A job that must run alone gets a fresh one: it must
// not be charged with a death that went before it.
func (f *Fleet) attempt(ctx context.Context, e *enclave, job spool.Job) (answer, trial, error) {
	a, t, err := f.once(ctx, e, job.ID, job.Suspect())
	if err != nil && t.link != nil && t.link.pooled && !t.heard && ctx.Err() == nil && !errors.Is(err, errSpool) && f.fateOf(ctx, e, t) == alive {
		return f.once(ctx, e, job.ID, true)
	}
	return a, t, err
}

func (f *Fleet) once(ctx context.Context, e *enclave, id string, fresh bool) (a answer, t trial, err error) {
	input, err := f.opts.Spool.Input(id)
	if err != nil {
		return answer{}, trial{}, fmt.Errorf("%w: %w", errSpool, err)
	}
	defer input.Close()
	result, err := f.opts.Spool.NewResult(id)
	if err != nil {
		return answer{}, trial{}, fmt.Errorf("%w: %w", errSpool, err)
	}
	defer result.Abort()
	l, err := e.lease(ctx, fresh)
	if err != nil {
		return answer{}, trial{}, err
	}
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	x := &exchange{conn: l.conn, idle: f.opts.IdleTime, result: result, input: input}
	begun := time.Now()
	a, clean, err := x.run()
	if err != nil && e.stopAnnounced() {
		e.setLeave(true) // the file may be gone before the watcher looks
	}
	t = trial{link: l, heard: x.heard.Load(), begun: begun, ended: time.Now()}
	if stop() && clean {
		e.keep(l)
	} else {
		e.drop(l)
	}
	if err == nil && a.code == "" {
		if err = result.Commit(a.receipt); err != nil {
			err = fmt.Errorf("%w: %w", errSpool, err)
		}
	}
	if err != nil {
		return answer{}, t, err
	}
	return a, t, nil
}
