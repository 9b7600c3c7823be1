package frame

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Writer writes frames. It is used by one goroutine at a time.
type Writer struct {
	dst io.Writer
	buf [MaxFrame]byte
	// err is the first failure. It stays, because half a frame may have left.
	err error
}

// NewWriter returns a Writer that writes to dst.
func NewWriter(dst io.Writer) *Writer { return &Writer{dst: dst} }

// Write sends one frame with one call of the destination's Write, and adds the CRC of a control
// frame. It refuses what a Reader refuses, without sending anything.
func (w *Writer) Write(k Kind, body []byte) error {
	if w.err != nil {
		return w.err
	}
	limit := MaxBody
	if k == Control {
		limit = MaxControl
	}
	if !k.valid() || len(body) == 0 || len(body) > limit {
		return fmt.Errorf("%w: kind %#02x with %d bytes, want 1 to %d", ErrMalformed, uint8(k), len(body), limit)
	}
	w.buf[4] = byte(k)
	n := HeaderSize + copy(w.buf[HeaderSize:], body)
	if k == Control {
		binary.BigEndian.PutUint32(w.buf[n:], checksum(body))
		n += crcSize
	}
	binary.BigEndian.PutUint32(w.buf[:], uint32(n-HeaderSize))
	got, err := w.dst.Write(w.buf[:n])
	if err == nil && got != n {
		err = io.ErrShortWrite
	}
	w.err = err
	return err
}
