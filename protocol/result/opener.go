package result

import (
	"bufio"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Opener opens one sealed stream. It is used by one goroutine at a time.
type Opener struct {
	src       *bufio.Reader
	stream    Stream
	recipient *hpke.Recipient
	sealed    [SealedChunkSize]byte
	aad       []byte
	index     uint64
	// rest is what Next has not returned of the current chunk, and last says whether that chunk is
	// the last.
	rest     []byte
	last     bool
	reported bool
	// err is the first failure, or io.EOF. It stays.
	err error
}

// NewOpener reads the head of stream s and returns an Opener for the rest. The error is
// ErrMalformed, ErrTruncated, ErrAuthentication or that of r. A wrong key or binding shows only at
// the first chunk.
func NewOpener(r io.Reader, s Stream, key *PrivateKey, b Binding) (*Opener, error) {
	magic, label, ok := s.names()
	if !ok {
		return nil, fmt.Errorf("stream %d is unknown", s)
	}
	src := bufio.NewReaderSize(r, 2*SealedChunkSize)
	var head [HeadSize]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return nil, early(err)
	}
	if string(head[:magicSize]) != magic {
		return nil, fmt.Errorf("%w: no magic", ErrMalformed)
	}
	recipient, err := hpke.NewRecipient(head[magicSize:], key.key, kdf(), aead(), b.info(label))
	if err != nil {
		return nil, fmt.Errorf("%w: encapsulated key: %w", ErrAuthentication, err)
	}
	return &Opener{src: src, stream: s, recipient: recipient}, nil
}

// Next returns the type and the bytes of the next segment, valid until the next call. The error is
// io.EOF only after the last chunk was authenticated and the stream ended with it; before that
// nothing proves that the result is whole, and the caller must treat what it has as provisional.
// Otherwise it is ErrMalformed, ErrTruncated, ErrAuthentication or that of the source.
func (o *Opener) Next() (SegmentType, []byte, error) {
	if o.err != nil {
		return 0, nil, o.err
	}
	t, p, err := o.next()
	if err != nil {
		o.err = err
		o.rest = nil
		return 0, nil, err
	}
	return t, p, nil
}

func (o *Opener) next() (SegmentType, []byte, error) {
	for {
		if t, p, err := o.segment(); err != nil || p != nil {
			return t, p, err
		}
		if o.last {
			return 0, nil, io.EOF
		}
		if err := o.open(); err != nil {
			return 0, nil, err
		}
	}
}

// open reads and opens the next chunk.
func (o *Opener) open() error {
	if _, err := io.ReadFull(o.src, o.sealed[:]); err != nil {
		return early(err)
	}
	_, err := o.src.Peek(1)
	if err != nil && err != io.EOF {
		return err
	}
	// Where the stream ends decides which flag the chunk must carry.
	o.last = err == io.EOF
	plain, err := o.try(o.last)
	if err == nil {
		o.rest = plain
		o.index++
		return nil
	}
	// Refused either way; the other flag only tells a cut or a longer stream from a forged chunk.
	if _, err := o.try(!o.last); err != nil {
		return fmt.Errorf("%w: chunk %d", ErrAuthentication, o.index)
	}
	if o.last {
		return fmt.Errorf("%w after chunk %d", ErrTruncated, o.index)
	}
	return fmt.Errorf("%w: bytes after the last chunk", ErrMalformed)
}

func (o *Opener) try(last bool) ([]byte, error) {
	o.aad = chunkAAD(o.aad[:0], o.index, last)
	return o.recipient.Open(o.aad, o.sealed[:])
}

// segment takes the next segment off the current chunk, or nil when the chunk is used up.
func (o *Opener) segment() (SegmentType, []byte, error) {
	if len(o.rest) == 0 {
		return 0, nil, nil
	}
	t := SegmentType(o.rest[0])
	if t == padding {
		return 0, nil, o.checkPadding()
	}
	if !o.stream.allows(t) {
		return 0, nil, fmt.Errorf("%w: segment type %d does not belong here", ErrMalformed, t)
	}
	if t == Records && o.reported {
		return 0, nil, fmt.Errorf("%w: records after the report", ErrMalformed)
	}
	if len(o.rest) < minSegment {
		return 0, nil, fmt.Errorf("%w: segment runs past its chunk", ErrMalformed)
	}
	n := int(binary.BigEndian.Uint16(o.rest[1:]))
	if n == 0 || n > len(o.rest)-segmentHead {
		return 0, nil, fmt.Errorf("%w: segment of %d bytes with %d left", ErrMalformed, n, len(o.rest)-segmentHead)
	}
	o.reported = o.reported || t == Report
	p := o.rest[segmentHead : segmentHead+n]
	o.rest = o.rest[segmentHead+n:]
	return t, p, nil
}

// checkPadding holds the rest of the chunk to zeros, which leave no room for hidden bytes, and to
// at most three of them in a chunk that is not the last.
func (o *Opener) checkPadding() error {
	for _, b := range o.rest {
		if b != 0 {
			return fmt.Errorf("%w: padding is not zero", ErrMalformed)
		}
	}
	if !o.last && len(o.rest) >= minSegment {
		return fmt.Errorf("%w: chunk %d is neither full nor last", ErrMalformed, o.index-1)
	}
	o.rest = nil
	return nil
}

func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}
