package stream

import (
	"bytes"
	"io"

	"anchorhold/protocol/code"
)

// part says what a block holds.
type part uint8

const (
	linesPart  part = iota // NDJSON
	singlePart             // a message that is one resource
	// of a Bundle that comes piece by piece: its members before the entries,
	headPart
	entriesPart // some of its entries,
	tailPart    // and the members behind them
)

// maxMembers is how many members of a Bundle are remembered while it comes piece by piece. FHIR has
// a dozen; one that has more is taken as a whole, or ends the job when they stand behind its
// entries.
const maxMembers = 1 << 10

// errFrame says that a Bundle is no JSON after some of its entries have left.
var errFrame = code.New(code.RecordRejected, nil)

// readMessage reads one resource or one Bundle (application/fhir+json). A Bundle whose resourceType
// stands before its entries comes piece by piece, in memory that its entries bound; anything else
// is one record. All of in is read, whatever it holds: it authenticates itself at its end.
func (p *pipeline) readMessage(in io.Reader) {
	s := &surface{pieces: pieces{r: in, max: p.options.MaxRecord}, seen: map[string]bool{}}
	if _, ok := p.desks[0].worker.(BundleWorker); !ok || !s.head() {
		p.err = p.single(s)
		return
	}
	if p.err = p.pass(headPart, 0, append(s.raw, '}'), nil); p.err != nil {
		return
	}
	if p.err = p.passEntries(s); p.err != nil {
		return
	}
	tail, ok := s.tail()
	if !ok {
		p.err = s.broken()
		return
	}
	p.err = p.pass(tailPart, 0, tail, nil)
}

// pass hands a block on, in its place.
func (p *pipeline) pass(kind part, first int64, in []byte, ends []int) error {
	b := p.take()
	if b == nil {
		return nil // the job has ended
	}
	b.reset(append(b.in[:0], in...), first)
	b.part, b.ends = kind, append(b.ends[:0], ends...)
	p.hand(b)
	return nil
}

// single hands on what the message holds, as one record.
func (p *pipeline) single(s *surface) error {
	whole, err := s.rest()
	if err != nil {
		return err
	}
	if whole == nil {
		return nil // nothing but white space: no record
	}
	return p.pass(singlePart, 1, whole, nil)
}

// passEntries hands on the entries up to the end of their array.
func (p *pipeline) passEntries(s *surface) error {
	for first, more := int64(0), true; more; {
		b := p.take()
		if b == nil {
			return nil
		}
		in, ends := b.in[:0], b.ends[:0]
		for more && len(in) < blockSize && len(ends) < blockSize/8 {
			if s.space() == ']' && first == 0 && len(ends) == 0 {
				more = false // no entry at all
				break
			}
			s.space()
			var ok bool
			if in, _, ok = s.value(in); !ok {
				p.free <- b
				return s.broken()
			}
			ends = append(ends, len(in))
			switch s.space() {
			case ',':
				s.i++
			case ']':
				more = false
			default:
				p.free <- b
				return s.broken()
			}
		}
		b.reset(in, first)
		b.part, b.ends = entriesPart, ends
		first += int64(len(ends))
		p.hand(b)
	}
	return nil
}

// surface reads the members at the top of a message.
type surface struct {
	pieces
	// what was read before a Bundle's entries, without the white space between
	raw    []byte
	seen   map[string]bool // names of members
	bundle bool            // resourceType says so
	long   bool            // one member has more bytes than a record may have
}

// head reads up to the first entry of a Bundle and reports whether it came so far. raw is an object
// then but for its end; otherwise all that was read, which with what follows is as good or bad JSON
// as the message.
func (s *surface) head() bool {
	if !s.take('{') {
		return false
	}
	s.raw = append(s.raw, '{')
	for s.space() == '"' && len(s.raw) <= s.max && len(s.seen) < maxMembers {
		before := len(s.raw)
		var name string
		var fits, ok bool
		if s.raw, name, ok = s.name(s.raw); !ok {
			return false
		}
		if name == "entry" && s.bundle && s.take('[') {
			s.raw = s.raw[:before-1] // and the comma
			s.seen[name] = true
			return true
		}
		at := len(s.raw)
		if s.raw, fits, ok = s.value(s.raw); !ok || !fits {
			s.long = !fits
			return false
		}
		s.seen[name] = true
		s.bundle = s.bundle || name == "resourceType" && string(s.raw[at:]) == `"`+bundle+`"`
		if !s.take(',') {
			return false
		}
		s.raw = append(s.raw, ',')
	}
	return false
}

// rest returns the whole message, as far as a record may go and a byte more, after reading all of
// it; nil for an empty one.
func (s *surface) rest() ([]byte, error) {
	if len(s.raw) > 0 {
		s.raw = append(s.raw, ' ') // what white space has parted must not grow together
	}
	for s.fill() {
		room := max(s.max+1-len(s.raw), 0)
		s.raw = append(s.raw, s.buf[s.i:][:min(room, len(s.buf)-s.i)]...)
		s.i = len(s.buf)
	}
	if s.err != io.EOF {
		return nil, s.err
	}
	if s.long {
		s.raw = append(s.raw, make([]byte, s.max)...)
	}
	if len(bytes.Trim(s.raw, " \t\r\n")) == 0 {
		return nil, nil
	}
	return s.raw, nil
}

// tail reads behind the last entry to the end of the message, and returns the members there as an
// object.
func (s *surface) tail() ([]byte, bool) {
	out := []byte(bundleHead)
	if !s.take(']') {
		return nil, false
	}
	for s.take(',') && len(out) <= s.max && len(s.seen) < maxMembers {
		var name string
		var fits, ok bool
		out = append(out, ',')
		if out, name, ok = s.name(out); !ok || s.seen[name] {
			return nil, false // twice: two readers, two Bundles
		}
		s.seen[name] = true
		if out, fits, ok = s.value(out); !ok || !fits {
			return nil, false
		}
	}
	if !s.take('}') || s.space() != 0 || s.err != io.EOF {
		return nil, false
	}
	return append(out, '}'), true
}

// broken is why a Bundle cannot be read on.
func (s *surface) broken() error {
	if s.err != nil && s.err != io.EOF {
		return s.err
	}
	return errFrame
}
