package stream

import (
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// pieces takes a JSON text apart at its surface, as it arrives: members of the object at the top,
// elements of an array in it. It finds where a value ends by brackets and quotes alone. What lies
// between is judged by jsontext before anything is made of it, and up to the first fault all
// readers agree where a value ends, so that nobody can hide one in another.
type pieces struct {
	r    io.Reader // nil when buf is all there is
	buf  []byte
	i    int
	err  error // of r, once buf is used up
	idle int
	max  int // bytes that a piece may have
}

// fill gets more bytes, or returns false at the end.
func (p *pieces) fill() bool {
	for p.i >= len(p.buf) {
		if p.err != nil {
			return false
		}
		if p.r == nil {
			p.err = io.EOF
			return false
		}
		if p.buf == nil {
			p.buf = make([]byte, 64<<10)
		}
		n, err := p.r.Read(p.buf[:cap(p.buf)])
		p.buf, p.i, p.err = p.buf[:n], 0, err
		if p.idle++; n > 0 {
			p.idle = 0
		} else if p.idle > maxIdle && err == nil {
			p.err = io.ErrNoProgress
		}
	}
	return true
}

// space moves to the next byte that is no white space and returns it, or 0 at the end.
func (p *pieces) space() byte {
	for p.fill() {
		switch c := p.buf[p.i]; c {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return c
		}
	}
	return 0
}

// take moves behind c, which must be the next byte but for white space.
func (p *pieces) take(c byte) bool {
	if p.space() != c || c == 0 {
		return false
	}
	p.i++
	return true
}

// name appends the text of a member's name and the colon to dst and returns what it means. The
// value is next.
func (p *pieces) name(dst []byte) (text []byte, name string, ok bool) {
	start := len(dst)
	if p.space() != '"' {
		return dst, "", false
	}
	dst, fits, ok := p.value(dst)
	if !ok || !fits {
		return dst, "", false
	}
	b, err := jsontext.AppendUnquote(nil, dst[start:])
	if err != nil || !p.take(':') {
		return dst, "", false
	}
	p.space()
	return append(dst, ':'), string(b), true
}

// value appends the value at hand to dst, unless it has more than max bytes: then fits is false,
// the value is passed over, and dst is as before. ok is false when the text ends in it, or nothing
// stands there.
func (p *pieces) value(dst []byte) (_ []byte, fits, ok bool) {
	start := len(dst)
	fits = true
	var e ender
	for p.fill() {
		n, done := e.scan(p.buf[p.i:])
		if fits = fits && len(dst)-start+n <= p.max; fits {
			dst = append(dst, p.buf[p.i:p.i+n]...)
		}
		if p.i += n; !done {
			continue
		}
		if !fits {
			return dst[:start], false, true
		}
		return dst, true, len(dst) > start
	}
	return dst[:start], fits, false
}

// skip returns the value at hand, which is all in buf, and moves behind it.
func (p *pieces) skip() []byte {
	var e ender
	n, _ := e.scan(p.buf[p.i:])
	p.i += n
	return p.buf[p.i-n : p.i]
}

// ender finds the end of a value that comes in parts.
type ender struct {
	depth           int
	quoted, escaped bool
}

// scan returns how many bytes of b belong to the value, and whether it ends with them.
func (e *ender) scan(b []byte) (n int, done bool) {
	for n < len(b) {
		if e.quoted {
			if n = e.text(b, n); !e.quoted && e.depth == 0 {
				return n, true
			}
			continue
		}
		switch b[n] {
		case '"':
			e.quoted = true
		case '{', '[':
			e.depth++
		case '}', ']':
			if e.depth--; e.depth == 0 {
				return n + 1, true
			}
			if e.depth < 0 {
				return n, true // behind a number or literal
			}
		case ',', ' ', '\t', '\r', '\n':
			if e.depth == 0 {
				return n, true
			}
		}
		n++
	}
	return n, false
}

// text moves in a string from n, to its end at most.
func (e *ender) text(b []byte, n int) int {
	for ; n < len(b); n++ {
		switch {
		case e.escaped:
			e.escaped = false
		case b[n] == '\\':
			e.escaped = true
		case b[n] == '"':
			e.quoted = false
			return n + 1
		}
	}
	return n
}
