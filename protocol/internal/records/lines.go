package records

import (
	"bytes"
	"errors"
)

// ErrLineTooLong says that a line is over the splitter's limit.
var ErrLineTooLong = errors.New("a line is too long")

// Splitter cuts a stream that arrives in pieces into lines. It holds at most one line.
type Splitter struct {
	Max int // bytes of one line, without its end
	// gets each line without its end, blank ones included; valid until it returns
	Line func([]byte) error
	part []byte
}

// Write takes the next piece and hands on the lines that it completes.
func (s *Splitter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		line := p[:i]
		if len(s.part) > 0 {
			s.part = append(s.part, line...)
			line = s.part
		}
		if len(line) > s.Max {
			return 0, ErrLineTooLong
		}
		if err := s.Line(line); err != nil {
			return 0, err
		}
		s.part = s.part[:0]
		p = p[i+1:]
	}
	if len(s.part)+len(p) > s.Max {
		return 0, ErrLineTooLong
	}
	s.part = append(s.part, p...)
	return n, nil
}

// Close hands on the last line when the stream lacks its end.
func (s *Splitter) Close() error {
	if len(s.part) == 0 {
		return nil
	}
	line := s.part
	s.part = nil
	return s.Line(line)
}
