package frame

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Reader reads frames. It is used by one goroutine at a time.
type Reader struct {
	src io.Reader
	buf [MaxFrame]byte
	// buf[start:end] is read and not yet returned.
	start, end int
	// err is the first failure. It stays, because the stream has lost its frame boundaries.
	err error
}

// NewReader returns a Reader that reads from src, at times beyond the frame that it returns: see
// Buffered.
func NewReader(src io.Reader) *Reader { return &Reader{src: src} }

// Next returns the kind and the body of the next frame, the body of a control frame without its
// CRC, which has been checked. The body is valid until the next call. The error is io.EOF between
// two frames only, io.ErrUnexpectedEOF within one, ErrMalformed, or that of the source; it is the
// same from then on.
func (r *Reader) Next() (Kind, []byte, error) {
	if r.err != nil {
		return 0, nil, r.err
	}
	k, body, err := r.next()
	if err != nil {
		r.err = err
		return 0, nil, err
	}
	return k, body, nil
}

func (r *Reader) next() (Kind, []byte, error) {
	if err := r.fill(HeaderSize); err != nil {
		return 0, nil, err
	}
	head := r.buf[r.start : r.start+HeaderSize]
	// Judged before a byte of the body is waited for, and in 32 bits, so that it cannot wrap.
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > MaxBody {
		return 0, nil, fmt.Errorf("%w: length is %d, want 1 to %d", ErrMalformed, n, MaxBody)
	}
	k := Kind(head[4])
	if !k.valid() {
		return 0, nil, fmt.Errorf("%w: kind is %#02x", ErrMalformed, uint8(k))
	}
	if k == Control && n <= crcSize {
		return 0, nil, fmt.Errorf("%w: empty control frame", ErrMalformed)
	}
	if err := r.fill(HeaderSize + int(n)); err != nil {
		return 0, nil, err
	}
	body := r.buf[r.start+HeaderSize : r.start+HeaderSize+int(n)]
	r.start += HeaderSize + int(n)
	if k != Control {
		return k, body, nil
	}
	body, sum := body[:n-crcSize], binary.BigEndian.Uint32(body[n-crcSize:])
	if got := checksum(body); got != sum {
		return 0, nil, fmt.Errorf("%w: crc is %08x, want %08x", ErrMalformed, sum, got)
	}
	return k, body, nil
}

// fill reads until n bytes, at most a frame, are buffered.
func (r *Reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.start+n > len(r.buf) {
		r.end = copy(r.buf[:], r.buf[r.start:r.end])
		r.start = 0
	}
	got, err := io.ReadAtLeast(r.src, r.buf[r.end:], n-(r.end-r.start))
	r.end += got
	if err == nil {
		return nil
	}
	if err == io.EOF && r.end > r.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Buffered returns the bytes that were read past the last frame, and gives them up. A caller that
// goes on with raw bytes after a frame must consume these first.
func (r *Reader) Buffered() []byte {
	b := r.buf[r.start:r.end]
	r.start = r.end
	return b
}
