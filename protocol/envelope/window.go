package envelope

import "io"

const (
	firstWindow = 4 << 10 // a small message needs no more
	growth      = 4       // times what has come
	// fullWindow saves calls to the source when frames are small.
	fullWindow = 64 << 10
	// maxIdle is how many reads in a row may give nothing before the source is taken for broken.
	maxIdle = 100
)

// window buffers the source. It grows with the bytes that have come, never by a length that a frame
// or header declares.
type window struct {
	src        io.Reader
	buf        []byte
	start, end int // buf[start:end] is read and not dropped
	max        int // bytes that peek may be asked for
	err        error
}

func newWindow(src io.Reader, max int) *window {
	return &window{src: src, buf: make([]byte, min(max, firstWindow)), max: max}
}

// peek returns the next n bytes without dropping them, or fewer with the source's error. They are
// valid until the next peek, which may move them.
func (w *window) peek(n int) ([]byte, error) {
	for idle := 0; w.end-w.start < n && w.err == nil; idle++ {
		w.room(n)
		got, err := w.src.Read(w.buf[w.end:])
		w.end += got
		w.err = err
		if got > 0 {
			idle = 0
		} else if err == nil && idle == maxIdle {
			w.err = io.ErrNoProgress
		}
	}
	if w.end-w.start < n {
		return w.buf[w.start:w.end], w.err
	}
	return w.buf[w.start : w.start+n], nil
}

// drop gives up n bytes that peek has returned.
func (w *window) drop(n int) { w.start += n }

// room makes space for at least one more byte on the way to n.
func (w *window) room(n int) {
	if w.start == w.end {
		w.start, w.end = 0, 0
	}
	if w.start+n <= len(w.buf) {
		return
	}
	if w.start > 0 {
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	if w.end == len(w.buf) {
		grown := make([]byte, min(growth*len(w.buf), w.max))
		w.end = copy(grown, w.buf)
		w.buf = grown
	}
}
