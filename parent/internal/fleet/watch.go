package fleet

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/message"
)

const (
	maxFails   = 2               // describes without an answer before an enclave is taken out
	logTime    = 2 * time.Second // for get-logs after one describe; more would delay the next
	longestGap = 10 * time.Minute
)

// watcher asks one enclave over a connection of its own how it is, and fetches its receipt log. One
// goroutine owns it.
type watcher struct {
	f        *Fleet
	e        *enclave
	conn     *message.Conn // nil when there is none
	fails    int
	behind   bool // the enclave has more batches than were fetched
	replacer replacer
}

// watch runs until ctx is done.
func (f *Fleet) watch(ctx context.Context, e *enclave) {
	w := &watcher{f: f, e: e, replacer: replacer{f: f, e: e}}
	defer w.close()
	defer w.replacer.wait()
	for {
		pause, begun := f.opts.ProbeEvery, time.Now()
		e.setLeave(e.stopAnnounced())
		err := w.probe(ctx, begun)
		e.setAsked(begun, err == nil)
		f.noteAsked()
		if err == nil {
			w.fails = 0
			if w.behind {
				// the enclave forgets the oldest batches when it has too many
				pause = w.f.opts.ProbeAgain
			}
		} else if ctx.Err() == nil {
			w.failed(ctx)
			if w.fails < maxFails {
				pause = f.opts.ProbeAgain
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-e.now:
		case <-time.After(pause):
		}
	}
}

// failed notes a describe without an answer. One may be an accident of the connection; two take the
// enclave out.
func (w *watcher) failed(ctx context.Context) {
	w.close()
	w.fails++
	w.f.opts.Metrics.EnclaveFailures.WithLabelValues(w.e.name, "probe").Inc()
	if w.fails < maxFails {
		return
	}
	if w.e.setDown() {
		w.f.opts.Log.Error("enclave does not answer and is taken out", "enclave", w.e.name)
	}
	w.replacer.run(ctx)
	w.f.kick()
}

func (w *watcher) probe(ctx context.Context, begun time.Time) error {
	if w.conn == nil {
		ctx, cancel := context.WithTimeout(ctx, w.f.opts.ProbeTime)
		defer cancel()
		nc, err := w.e.dial(ctx, w.e.address)
		if err != nil {
			return err
		}
		w.conn = message.NewConn(nc)
	}
	defer context.AfterFunc(ctx, w.closer())()
	d, err := w.describe()
	if err != nil {
		return err
	}
	if w.e.setUp(d, begun) {
		w.f.opts.Log.Info("enclave answers", "enclave", w.e.name, "image", d.PCR0.String(), "capacity", d.Capacity)
		w.replacer.reset()
	}
	w.f.kick()
	return w.fetchLog(d)
}

// closer returns what ends a wait on the present connection.
func (w *watcher) closer() func() {
	conn := w.conn
	return func() { conn.Close() }
}

func (w *watcher) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

func (w *watcher) describe() (message.Description, error) {
	if err := w.conn.SetDeadline(time.Now().Add(w.f.opts.ProbeTime)); err != nil {
		return message.Description{}, err
	}
	return describe(w.conn)
}

func describe(conn *message.Conn) (message.Description, error) {
	if err := conn.Send(message.Describe{}); err != nil {
		return message.Description{}, err
	}
	m, _, _, err := conn.Receive()
	if err != nil {
		return message.Description{}, err
	}
	d, ok := m.(message.Description)
	if !ok {
		return message.Description{}, errProtocol
	}
	return d, nil
}

// fetchLog stores the batches signed since the last time, or notes that there are more. The enclave
// keeps the last ones only, and in memory: what is not fetched in time is gone.
func (w *watcher) fetchLog(d message.Description) error {
	w.behind = false
	store, boot := w.f.opts.Spool, hex.EncodeToString(d.Boot[:])
	for end := time.Now().Add(logTime); ; {
		next, err := store.NextBatch(w.e.name, boot)
		if err != nil || next >= d.Batches {
			return nil // our own fault, if any, is no reason to take the enclave out
		}
		if w.behind = time.Now().After(end); w.behind {
			return nil
		}
		batches, err := w.getLog(next)
		if err != nil {
			return err
		}
		if len(batches) == 0 {
			return nil
		}
		missed, err := store.Append(w.e.name, boot, batches)
		switch {
		case errors.Is(err, spool.ErrGap):
			w.logFailed("gap")
			return nil
		case err != nil:
			w.logFailed("spool")
			return nil
		case missed > 0:
			w.logFailed("gap")
		}
		w.f.opts.Metrics.LogBatches.WithLabelValues(w.e.name).Add(float64(len(batches)))
	}
}

func (w *watcher) logFailed(reason string) {
	w.f.opts.Metrics.EnclaveFailures.WithLabelValues(w.e.name, "log").Inc()
	w.f.opts.Log.Error("receipt batches not stored", "enclave", w.e.name, "reason", reason)
}

func (w *watcher) getLog(from uint64) ([]spool.Batch, error) {
	if err := w.conn.SetDeadline(time.Now().Add(logTime)); err != nil {
		return nil, err
	}
	if err := w.conn.Send(message.GetLog{From: from}); err != nil {
		return nil, err
	}
	var batches []spool.Batch
	for {
		m, _, _, err := w.conn.Receive()
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case message.End:
			return batches, nil
		case message.Batch:
			if len(batches) == message.MaxBatches {
				return nil, errProtocol
			}
			b := spool.Batch{Number: m.Number, Document: m.Document}
			for _, leaf := range m.Leaves {
				b.Leaves = append(b.Leaves, leaf.String())
			}
			batches = append(batches, b)
		default:
			return nil, errProtocol
		}
	}
}
