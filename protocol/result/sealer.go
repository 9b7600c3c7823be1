package result

import (
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errClosed = errors.New("sealer is closed")

// Sealer seals one stream. It is used by one goroutine at a time. A Sealer that is dropped without
// Close leaves a stream that no Opener accepts, which is how a job that fails half-way must end.
// Plaintext is zeroed when its chunk is sealed; the keys that crypto/hpke holds cannot be, and go
// with the garbage.
type Sealer struct {
	dst    io.Writer
	stream Stream
	sender *hpke.Sender
	// chunk[:used] is the plaintext of the chunk that is being filled; all behind it is zero.
	chunk [ChunkSize]byte
	used  int
	// open is where the last segment of the chunk begins, or -1. It grows while the type stays the
	// same: how the sender cut its writes shows nowhere, so the same records always give the same
	// plaintext.
	open  int
	index uint64
	aad   []byte
	// err is the first failure, or errClosed. It stays, because a chunk may have been sent in part.
	err      error
	reported bool
}

// NewSealer writes the head of stream s, sealed to publicKey for the job that b names, and returns
// a Sealer for the rest. It calls Write of w once for the head and once for each chunk.
func NewSealer(w io.Writer, s Stream, publicKey []byte, b Binding) (*Sealer, error) {
	magic, label, ok := s.names()
	if !ok {
		return nil, fmt.Errorf("stream %d is unknown", s)
	}
	pk, err := kem().NewPublicKey(publicKey)
	if err != nil {
		return nil, fmt.Errorf("malformed public key: %w", err)
	}
	enc, sender, err := hpke.NewSender(pk, kdf(), aead(), b.info(label))
	if err != nil {
		return nil, fmt.Errorf("encapsulate: %w", err)
	}
	if _, err := w.Write(append([]byte(magic), enc...)); err != nil {
		return nil, err
	}
	return &Sealer{dst: w, stream: s, sender: sender, open: -1}, nil
}

// Records appends bytes of NDJSON, cut wherever the caller likes. It fails after the first Report.
func (s *Sealer) Records(p []byte) error {
	if s.reported {
		return errors.New("records after the report") // SPEC 5
	}
	return s.write(Records, p)
}

// Report appends bytes of the report.
func (s *Sealer) Report(p []byte) error {
	s.reported = true
	return s.write(Report, p)
}

// CrosswalkEntries appends bytes to a crosswalk stream.
func (s *Sealer) CrosswalkEntries(p []byte) error { return s.write(CrosswalkEntries, p) }

// Close seals the last chunk. Only then is the stream whole. It does not close the writer.
func (s *Sealer) Close() error {
	if s.err != nil {
		return s.err
	}
	if err := s.flush(true); err != nil {
		return err
	}
	s.err = errClosed
	return nil
}

func (s *Sealer) write(t SegmentType, p []byte) error {
	if s.err != nil {
		return s.err
	}
	if !s.stream.allows(t) {
		return fmt.Errorf("segment type %d does not belong in stream %d", t, s.stream)
	}
	for len(p) > 0 {
		if s.open < 0 || SegmentType(s.chunk[s.open]) != t {
			// No room for a segment of one byte: the rest of the chunk is padding.
			if len(s.chunk)-s.used < minSegment {
				if err := s.flush(false); err != nil {
					return err
				}
			}
			s.open = s.used
			s.chunk[s.open] = byte(t)
			s.used += segmentHead
		}
		n := copy(s.chunk[s.used:], p)
		s.used += n
		p = p[n:]
		binary.BigEndian.PutUint16(s.chunk[s.open+1:], uint16(s.used-s.open-segmentHead))
		if s.used == len(s.chunk) {
			if err := s.flush(false); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush seals the chunk and sends it.
func (s *Sealer) flush(last bool) error {
	s.aad = chunkAAD(s.aad[:0], s.index, last)
	sealed, err := s.sender.Seal(s.aad, s.chunk[:])
	if err == nil {
		_, err = s.dst.Write(sealed)
	}
	// Zeroed, so that padding is zero and no record outlives its chunk.
	clear(s.chunk[:])
	s.used, s.open = 0, -1
	s.index++
	s.err = err
	return err
}
