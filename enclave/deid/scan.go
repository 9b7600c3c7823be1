package deid

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/steps"
)

// scanner walks one JSON value that jsontext has found valid: it may rely on
// the grammar, never on what the value means. Two readers cannot disagree
// about a record, because this one never decides what is JSON.
type scanner struct {
	b     []byte
	i     int
	depth int
	max   int
	// steps count all that is read, however often. Copies share them.
	steps *steps.Budget
	// deep is set when an object or array lies deeper than max.
	deep   bool
	deepAt int // the first
	// scratch holds unescaped strings; earlier ones stay valid as it grows.
	scratch []byte
}

func (s *scanner) tooDeep() {
	if !s.deep {
		s.deep, s.deepAt = true, s.i
	}
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// enter moves into the object or array at hand and reports whether it has a
// first member; an empty one is left again.
func (s *scanner) enter() bool {
	s.steps.Spend(1)
	if s.depth++; s.depth > s.max {
		s.tooDeep()
	}
	s.i++
	s.space()
	if s.b[s.i] == '}' || s.b[s.i] == ']' {
		s.i++
		s.depth--
		return false
	}
	return true
}

// more moves from the end of a member to the next, or out of the object or array.
func (s *scanner) more() bool {
	s.steps.Spend(1)
	s.space()
	c := s.b[s.i]
	s.i++
	if c == ',' {
		s.space()
		return true
	}
	s.depth--
	return false
}

// name returns the member name at hand and moves to its value.
func (s *scanner) name() []byte {
	n := s.str()
	s.space()
	s.i++ // the colon
	s.space()
	return n
}

// str returns the unescaped content of the string at hand and moves behind it.
func (s *scanner) str() []byte {
	start := s.i
	escaped := s.skipString()
	if !escaped {
		return s.b[start+1 : s.i-1]
	}
	n := len(s.scratch)
	s.scratch, _ = jsontext.AppendUnquote(s.scratch, s.b[start:s.i]) // valid: no error
	return s.scratch[n:len(s.scratch):len(s.scratch)]
}

// skipString moves behind the string at hand and reports whether it has escapes.
func (s *scanner) skipString() bool {
	start := s.i + 1
	i := start
	for ; i+8 <= len(s.b) && i-start < 64; i += 8 {
		w := binary.LittleEndian.Uint64(s.b[i:])
		if found := hasByte(w, '"') | hasByte(w, '\\'); found != 0 {
			i += bits.TrailingZeros64(found) / 8
			if s.b[i] == '"' {
				s.i = i + 1
				return false
			}
			break
		}
	}
	return s.skipLong(start)
}

// hasByte sets the high bit of the lowest byte of w that is c; above it, bits
// may be set too.
func hasByte(w uint64, c byte) uint64 {
	const ones = 0x0101010101010101
	w ^= ones * uint64(c)
	return (w - ones) & ^w & (ones << 7)
}

func (s *scanner) skipLong(start int) bool {
	i := start
	for {
		i += bytes.IndexByte(s.b[i:], '"')
		n := 0 // backslashes before the quote: an odd number escapes it
		for i-n > start && s.b[i-n-1] == '\\' {
			n++
		}
		if i++; n%2 == 0 {
			s.i = i
			s.steps.Spend((i - start) / bytesPerStep)
			return bytes.IndexByte(s.b[start:i], '\\') >= 0
		}
	}
}

// scalar returns the text of the number or literal at hand and moves behind it.
func (s *scanner) scalar() []byte {
	start := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return s.b[start:s.i]
		}
		s.i++
	}
	return s.b[start:s.i]
}

// skip moves behind the value at hand, whatever it is.
func (s *scanner) skip() {
	switch s.b[s.i] {
	case '"':
		s.skipString()
	case '{', '[':
		s.skipNested()
	default:
		s.scalar()
	}
}

func (s *scanner) skipNested() {
	outside, start := s.depth, s.i
	for {
		switch s.b[s.i] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			if s.depth++; s.depth > s.max {
				s.tooDeep()
			}
		case '}', ']':
			if s.depth--; s.depth == outside {
				s.i++
				s.steps.Spend(1 + (s.i-start)/bytesPerStep)
				return
			}
		}
		s.i++
	}
}

// find returns the scanner moved to the value of that member of the object at
// hand, or false. It leaves s where it is.
func (s *scanner) find(member string) (scanner, bool) {
	f := *s
	passed := f.i
	f.scratch = nil // a copy must not write into the scratch of the original
	if f.b[f.i] != '{' {
		return f, false
	}
	for more := f.enter(); more && f.steps.Err() == nil; more = f.more() {
		if string(f.name()) == member {
			return f, true
		}
		f.skip()
		// Whatever was passed over: numbers and white space can be long too, and searches repeat.
		if n := f.i - passed; n >= bytesPerStep {
			f.steps.Spend(n / bytesPerStep)
			passed = f.i
		}
	}
	return f, false
}

// findText returns the string value of that member of the object at hand.
func (s *scanner) findText(member string) ([]byte, bool) {
	f, ok := s.find(member)
	if !ok || f.b[f.i] != '"' {
		return nil, false
	}
	return f.str(), true
}
