// Package receipts has the hypervisor sign the leaves that jobs leave behind: whenever the NSM is
// free, all leaves that wait become the next batch of a chain (SPEC 6 and 7), under one attestation
// document.
//
// The main call is [Signer.Sign]. There is no signing key. The package keeps the last batches for
// readers of the log; it does not promise that a reader sees all of them.
package receipts

import (
	"context"
	"errors"
	"sync"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/receipt"
)

const (
	// kept is how many batches GetLog can still answer: a document has about 5 KiB and a batch up
	// to 256 leaf hashes.
	kept = 1024
	// maxWaiting bounds the queue. A job that finds it full waits in Sign.
	maxWaiting = 2 * receipt.MaxBatch
	// signTimeout bounds one batch; the NSM client has a shorter limit of its own.
	signTimeout = 10 * time.Second
)

var errClosed = errors.New("receipts are closed")

// Leaf returns the canonical bytes of a leaf with this sequence number.
type Leaf func(sequence uint64) ([]byte, error)

// Config says who signs and what stands in each document. All fields are required.
type Config struct {
	Attest func(ctx context.Context, userData []byte) (document []byte, err error)
	Boot   [16]byte
	Policy digest.Digest
}

// Batch is a signed batch.
type Batch struct {
	Number   uint64
	Document []byte
	Leaves   []digest.Digest
}

// Signer signs leaves in batches. It is safe for concurrent use. Close it.
type Signer struct {
	config  Config
	waiting chan *waiter
	done    chan struct{}
	worker  sync.WaitGroup
	closing sync.Once

	// next, sequence and previous belong to the worker.
	next     uint64        // number of the next batch
	sequence uint64        // of the next leaf
	previous digest.Digest // head of the batch before

	mu   sync.Mutex
	log  []Batch // guarded by mu: the last batches, consecutive
	past uint64  // guarded by mu: batches signed since boot
}

// waiter is a leaf on its way. answer has room for one: the worker never waits for a job.
type waiter struct {
	leaf   Leaf
	answer chan answer
}

type answer struct {
	file []byte
	err  error
}

// New returns a signer and starts its worker.
func New(c Config) *Signer {
	s := &Signer{config: c, waiting: make(chan *waiter, maxWaiting), done: make(chan struct{})}
	s.worker.Go(s.run)
	return s
}

// Close ends the worker and waits for it. Leaves that still wait fail.
func (s *Signer) Close() error {
	s.closing.Do(func() { close(s.done) })
	s.worker.Wait()
	return nil
}

// Sign returns the receipt file (SPEC 7.3) of a leaf once the NSM has signed its batch. The error
// has the code nsm-failed, or timeout when ctx ended first: the leaf may then be signed all the
// same.
func (s *Signer) Sign(ctx context.Context, leaf Leaf) ([]byte, error) {
	w := &waiter{leaf: leaf, answer: make(chan answer, 1)}
	select {
	case s.waiting <- w:
	case <-s.done:
		return nil, code.New(code.NSMFailed, errClosed)
	case <-ctx.Done():
		return nil, code.New(code.Timeout, ctx.Err())
	}
	select {
	case a := <-w.answer:
		return a.file, a.err
	case <-s.done:
		return nil, code.New(code.NSMFailed, errClosed)
	case <-ctx.Done():
		return nil, code.New(code.Timeout, ctx.Err())
	}
}

// Batches returns the number of batches signed since boot.
func (s *Signer) Batches() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.past
}

// Log returns up to max batches with numbers from the given one on, of those that are still kept.
// The caller must not change them.
func (s *Signer) Log(from uint64, max int) []Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) == 0 {
		return nil
	}
	if oldest := s.log[0].Number; from < oldest {
		from = oldest
	}
	if from >= s.past {
		return nil
	}
	tail := s.log[from-s.log[0].Number:]
	return append([]Batch(nil), tail[:min(max, len(tail))]...)
}
