package receipts

import (
	"context"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/receipt"
)

// pace is the least time from one batch to the next, for an NSM that is faster: with small jobs
// each leaf would be a batch of its own, and documents most of what the enclave makes. A leaf that
// comes after a pause does not wait.
const pace = time.Millisecond

// run makes one batch after the other of whatever waits.
func (s *Signer) run() {
	var last time.Time
	for {
		select {
		case <-s.done:
			return
		case first := <-s.waiting:
			time.Sleep(pace - time.Since(last))
			last = time.Now()
			s.sign(s.collect(first))
		}
	}
}

// collect takes what waits now, up to a full batch. While the NSM signs, the next batch gathers.
func (s *Signer) collect(first *waiter) []*waiter {
	batch := []*waiter{first}
	for len(batch) < receipt.MaxBatch {
		select {
		case w := <-s.waiting:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// sign signs one batch and answers everybody in it.
func (s *Signer) sign(batch []*waiter) {
	batch, leaves := s.encode(batch)
	if len(batch) == 0 {
		return
	}
	hashes := make([]digest.Digest, len(leaves))
	for i, leaf := range leaves {
		hashes[i] = receipt.LeafHash(leaf)
	}
	document, head, err := s.attest(hashes)
	if err != nil {
		// Numbers and head stay as they are. A document that was made but did not arrive has left
		// the NSM for nowhere, so the next batch of this number forks nothing that anybody can
		// show.
		for _, w := range batch {
			w.answer <- answer{err: code.New(code.NSMFailed, err)}
		}
		return
	}
	s.keep(Batch{Number: s.next, Document: document, Leaves: hashes})
	s.next, s.sequence, s.previous = s.next+1, s.sequence+uint64(len(leaves)), head
	for i, w := range batch {
		f := receipt.File{Leaf: leaves[i], Index: uint64(i), Path: receipt.Path(hashes, i), Document: document}
		file, err := f.Encode()
		if err != nil {
			err = code.New(code.Internal, err)
		}
		w.answer <- answer{file, err}
	}
}

// encode numbers the leaves. One that cannot be encoded fails its own job only.
func (s *Signer) encode(batch []*waiter) (good []*waiter, leaves [][]byte) {
	for _, w := range batch {
		b, err := w.leaf(s.sequence + uint64(len(leaves)))
		if err != nil {
			w.answer <- answer{err: code.New(code.Internal, err)}
			continue
		}
		good, leaves = append(good, w), append(leaves, b)
	}
	return good, leaves
}

// attest has the NSM sign the tree over hashes, and returns the document and the head of the batch.
func (s *Signer) attest(hashes []digest.Digest) (document []byte, head digest.Digest, err error) {
	data := receipt.UserData{
		Purpose: receipt.PurposeReceipts, Boot: s.config.Boot, Policy: s.config.Policy,
		Batch: &receipt.Batch{
			Number: s.next, First: s.sequence, Size: uint64(len(hashes)),
			Root: receipt.Root(hashes), Previous: s.previous,
		},
	}
	encoded, err := data.Encode()
	if err != nil {
		return nil, digest.Digest{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	if document, err = s.config.Attest(ctx, encoded); err != nil {
		return nil, digest.Digest{}, err
	}
	return document, receipt.Head(encoded), nil
}

// keep adds a batch to the log.
func (s *Signer) keep(b Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) >= 2*kept { // moved in blocks, so that adding stays cheap
		s.log = append([]Batch(nil), s.log[len(s.log)-kept:]...)
	}
	s.log = append(s.log, b)
	s.past++
}
