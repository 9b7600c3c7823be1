// Package enclavetest is an enclave for the parent's tests: it speaks SPEC 2.2 over a unix socket,
// seals nothing and fails on request in the ways that real ones may. Tests only.
package enclavetest

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
	"anchorhold/protocol/transport"
)

// Job is one job exchange as a handler sees it.
type Job struct {
	Conn  *message.Conn
	Input io.Reader       // the job file, io.EOF at its end
	Stop  <-chan struct{} // closed when the enclave is killed
}

// Handler answers one job. Its error closes the connection.
type Handler func(*Job) error

// Enclave is a fake enclave. Its fields are set before Start.
type Enclave struct {
	Address  string
	Image    digest.Digest
	Capacity uint64
	PolicyB  []byte
	Policy   digest.Digest // described; Sum(PolicyB) unless set

	// OnAttest, when set, is called before a nonce is answered.
	OnAttest func(nonce []byte)

	Running, Most, Total atomic.Int64 // jobs now, at once, ever
	Describes            atomic.Int64

	mu       sync.Mutex
	listener net.Listener // guarded by mu, as all below
	conns    map[net.Conn]struct{}
	handler  Handler
	wedged   chan struct{} // not nil: describe is not answered until it is closed
	boot     byte
	batches  []message.Batch
	gone     uint64 // batches that it has forgotten, of the oldest
	stop     chan struct{}
	wait     sync.WaitGroup
}

// New returns an enclave that echoes, with room for two jobs. It is not started.
func New(t testing.TB, image digest.Digest) *Enclave {
	t.Helper()
	e := &Enclave{
		Address: "unix://" + filepath.Join(t.TempDir(), "e.sock"), Image: image, Capacity: 2, PolicyB: []byte("policy"),
		conns: map[net.Conn]struct{}{}, handler: Echo,
	}
	t.Cleanup(e.Kill)
	return e
}

// Start listens.
func (e *Enclave) Start(t testing.TB) *Enclave {
	t.Helper()
	l, err := transport.Listen(e.Address)
	if err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listener, e.stop = l, make(chan struct{})
	e.boot++
	stop := e.stop
	e.wait.Go(func() { e.serve(l, stop) })
	return e
}

// Kill ends the enclave as a crash does: every connection breaks.
func (e *Enclave) Kill() {
	e.mu.Lock()
	if e.listener != nil {
		e.listener.Close()
		close(e.stop)
		e.listener = nil
	}
	for c := range e.conns {
		c.Close()
	}
	if e.wedged != nil {
		close(e.wedged)
		e.wedged = nil
	}
	e.batches, e.gone = nil, 0
	e.mu.Unlock()
	e.wait.Wait()
}

// Handle sets what is done with jobs from now on.
func (e *Enclave) Handle(h Handler) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handler = h
}

// Wedge has the enclave accept connections and answer nothing, until Unwedge.
func (e *Enclave) Wedge() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wedged = make(chan struct{})
}

// Unwedge ends Wedge.
func (e *Enclave) Unwedge() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.wedged)
	e.wedged = nil
}

// Sign adds a batch of one leaf to the receipt log.
func (e *Enclave) Sign() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sign()
}

// sign is Sign. mu is held.
func (e *Enclave) sign() {
	n := uint64(len(e.batches))
	e.batches = append(e.batches, message.Batch{Number: n, Document: []byte{byte(n), e.boot}, Leaves: []digest.Digest{{byte(n)}}})
}

// SignForgetting adds n batches at once, of which the enclave gives out the last ones only, as real
// ones do when they have many.
func (e *Enclave) SignForgetting(n, last int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for range n {
		e.sign()
	}
	e.gone = uint64(len(e.batches) - last)
}

func (e *Enclave) serve(l net.Listener, stop chan struct{}) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		e.conns[c] = struct{}{}
		e.mu.Unlock()
		e.wait.Go(func() {
			defer func() {
				c.Close()
				e.mu.Lock()
				delete(e.conns, c)
				e.mu.Unlock()
			}()
			e.converse(message.NewConn(c), stop)
		})
	}
}

// converse answers question after question until the connection fails.
func (e *Enclave) converse(conn *message.Conn, stop chan struct{}) {
	for {
		m, _, _, err := conn.Receive()
		if err != nil {
			return
		}
		e.mu.Lock()
		wedged, handler, boot, gone := e.wedged, e.handler, e.boot, e.gone
		batches := append([]message.Batch(nil), e.batches...)
		e.mu.Unlock()
		if wedged != nil {
			<-wedged
		}
		switch m := m.(type) {
		case message.Describe:
			e.Describes.Add(1)
			err = conn.Send(e.describe(boot, len(batches)))
		case message.GetPolicy:
			err = errors.Join(conn.SendData(frame.Data, e.PolicyB), conn.Send(message.End{}))
		case message.Attest:
			if e.OnAttest != nil {
				e.OnAttest(m.Nonce)
			}
			err = conn.Send(message.Attestation{Document: append([]byte("document over "), m.Nonce...)})
		case message.GetLog:
			batches = batches[min(max(m.From, gone), uint64(len(batches))):]
			for _, b := range batches[:min(len(batches), message.MaxBatches)] {
				err = errors.Join(err, conn.Send(b))
			}
			err = errors.Join(err, conn.Send(message.End{}))
		case message.Job:
			err = e.job(conn, handler, stop)
		default:
			err = errors.New("unexpected " + m.Op())
		}
		if err != nil {
			return
		}
	}
}

func (e *Enclave) describe(boot byte, batches int) message.Description {
	d := message.Description{
		Version: "test", Boot: [16]byte{boot}, PCR0: e.Image, Policy: e.Policy, Jobs: uint64(e.Running.Load()),
		Capacity: e.Capacity, Batches: uint64(batches),
	}
	if d.Policy.IsZero() {
		d.Policy = digest.Sum(e.PolicyB)
	}
	return d
}

func (e *Enclave) job(conn *message.Conn, handler Handler, stop chan struct{}) error {
	e.Total.Add(1)
	now := e.Running.Add(1)
	defer e.Running.Add(-1)
	for most := e.Most.Load(); now > most && !e.Most.CompareAndSwap(most, now); most = e.Most.Load() {
	}
	in := &input{conn: conn}
	if err := handler(&Job{Conn: conn, Input: in, Stop: stop}); err != nil {
		return err
	}
	// SPEC 2.2: what still arrives is discarded until end.
	_, err := io.Copy(io.Discard, in)
	return err
}

// input reads the data frames of a job.
type input struct {
	conn *message.Conn
	rest []byte
	done bool
}

func (r *input) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.done {
			return 0, io.EOF
		}
		m, kind, data, err := r.conn.Receive()
		if err != nil {
			return 0, err
		}
		if _, r.done = m.(message.End); r.done {
			continue
		}
		if m != nil || kind != frame.Data {
			return 0, errors.New("unexpected frame in a job")
		}
		r.rest = data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Receipt is what Echo answers with.
var Receipt = []byte("receipt")

// Echo sends each byte of the job file back, inverted, while it reads, then a crosswalk of one byte
// and the receipt.
func Echo(j *Job) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := j.Input.Read(buf)
		for i := range buf[:n] {
			buf[i] ^= 0xff
		}
		if sent := j.Conn.SendData(frame.Result, buf[:n]); sent != nil {
			return sent
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := j.Conn.SendData(frame.Crosswalk, []byte{1}); err != nil {
		return err
	}
	return j.Conn.Send(message.Done{Receipt: Receipt})
}

// Refuse answers with a code before it has read anything.
func Refuse(c code.Code) Handler {
	return func(j *Job) error { return j.Conn.Send(message.Failed{Code: c, Receipt: []byte("failure leaf")}) }
}

// Die breaks the connection: before any result, or after some of it.
func Die(partial bool) Handler {
	return func(j *Job) error {
		if partial {
			if err := j.Conn.SendData(frame.Result, []byte("half a result")); err != nil {
				return err
			}
		}
		return errors.New("died")
	}
}

// DieAfter does the whole job and dies before it says so: failed, but happened.
func DieAfter(j *Job) error {
	_, err := io.Copy(io.Discard, j.Input)
	return errors.Join(err, j.Conn.SendData(frame.Result, []byte("a result")), errors.New("died"))
}

// Block does nothing until release is closed, then echoes.
func Block(release <-chan struct{}) Handler {
	return func(j *Job) error {
		select {
		case <-release:
			return Echo(j)
		case <-j.Stop:
			return errors.New("killed")
		}
	}
}
