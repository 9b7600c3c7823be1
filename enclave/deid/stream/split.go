package stream

import (
	"bytes"
	"io"
)

// blockSize is what the reader tries to fill: large enough that handing it
// over costs nothing, small enough to stay, with what becomes of it, in the
// cache of one core.
const blockSize = 96 << 10

// firstBlock is what is set aside before anything has come.
const firstBlock = 4 << 10

// maxIdle is how many reads in a row may give nothing before the reader is
// taken for broken.
const maxIdle = 100

// splitter cuts a stream of lines into blocks of whole lines. Where it cuts
// depends on the bytes only, not on how the reader delivers them.
type splitter struct {
	r     io.Reader
	max   int    // longest line
	carry []byte // read, but not handed over: no line end in it
	line  int64  // number of the line that comes next, from 1
	// discard is set while the rest of a line that is too long passes by.
	discard bool
	eof     bool
}

// next fills buf with the next lines and returns it with the number of the
// first. Of a line that is too long it hands over just so much that it is seen
// to be too long. The error is io.EOF at the end, else the reader's; then no
// lines are returned, so that nothing is taken for a line that may have more.
func (s *splitter) next(buf []byte) ([]byte, int64, error) {
	buf = append(buf[:0], s.carry...)
	s.carry = s.carry[:0]
	want := blockSize
	for {
		var err error
		if buf, err = s.fill(buf, want); err != nil {
			return nil, 0, err
		}
		end := bytes.LastIndexByte(buf, '\n') + 1
		switch {
		case end > 0:
			s.carry = append(s.carry, buf[end:]...)
			return s.hand(buf[:end])
		case s.eof && len(buf) == 0:
			return nil, 0, io.EOF
		case s.eof:
			return s.hand(append(buf, '\n'))
		case len(buf) > s.max+1: // and a carriage return
			s.discard = true
			return s.hand(append(buf[:s.max+2], '\n'))
		}
		want = min(2*len(buf), s.max+2)
	}
}

// fill reads until buf has want bytes or the stream ends. While a line is
// discarded, what is left of it does not count.
func (s *splitter) fill(buf []byte, want int) ([]byte, error) {
	for idle := 0; len(buf) < want && !s.eof; idle++ {
		if idle > maxIdle {
			return nil, io.ErrNoProgress
		}
		if len(buf) == cap(buf) {
			// Grown with what has come: most jobs are far smaller than a block.
			buf = append(make([]byte, 0, min(want, max(2*cap(buf), firstBlock))), buf...)
		}
		n, err := s.r.Read(buf[len(buf):min(want, cap(buf))])
		if n > 0 {
			idle = 0
		}
		fresh := buf[len(buf) : len(buf)+n]
		if s.discard {
			end := bytes.IndexByte(fresh, '\n') + 1
			if s.discard = end == 0; s.discard {
				end = n
			}
			n = copy(fresh, fresh[end:])
		}
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			s.eof = true
		} else if err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (s *splitter) hand(lines []byte) ([]byte, int64, error) {
	first := s.line
	s.line += int64(bytes.Count(lines, []byte{'\n'}))
	return lines, first, nil
}
