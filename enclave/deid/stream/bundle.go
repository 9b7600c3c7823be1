package stream

import (
	"bytes"
	"iter"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/code"
)

// A Bundle is taken entry by entry: each is a record, with the limits, the counts and the code of
// one. What the Bundle says beside its entries is its frame.

// BundleWorker is a Worker that knows what of a Bundle may stay. To others a Bundle is a resource
// as any, and one record.
type BundleWorker interface {
	Worker
	// Frame is Resource for a Bundle without its entries, or for a part of its members;
	// resourceType is always there. What is appended is an object that begins with bundleHead.
	Frame(dst, r []byte, s *Sink) ([]byte, Verdict)
	// Entry is Resource for one entry. The verdict's type is that of the resource in it.
	Entry(dst, r []byte, s *Sink) ([]byte, Verdict)
}

const (
	bundle     = "Bundle"
	bundleHead = `{"resourceType":"Bundle"`
)

// isBundle reports whether valid JSON is a Bundle.
func isBundle(b []byte) bool {
	if !bytes.Contains(b, []byte(`"`+bundle+`"`)) {
		// nearly always, and cheap. One that spells it with escapes is not read as a Bundle, and so
		// is rejected
		return false
	}
	d := jsontext.NewDecoder(bytes.NewReader(b))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return false
	}
	for {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return false
		}
		if name.String() != "resourceType" {
			if d.SkipValue() != nil {
				return false
			}
			continue
		}
		v, err := d.ReadToken()
		return err == nil && v.Kind() == '"' && v.String() == bundle
	}
}

// bundle rewrites a whole Bundle, which is valid JSON, on the line of that number. A rejected entry
// is left out; a rejected frame takes all with it.
func (b *block) bundle(d *desk, w BundleWorker, l []byte, line int64) {
	frame, entries, ends := parts(l, b.ends)
	b.ends = ends
	if v, place := b.piece(d, w.Frame, frame); v.Code != "" {
		b.count(line, v, place)
		return
	}
	b.out = b.out[:len(b.out)-1] // its closing bracket
	open := false
	i := int64(-1)
	for e := range entries {
		i++
		at := len(b.out)
		if open {
			b.out = append(b.out, ',')
		} else {
			b.out = append(b.out, `,"entry":[`...)
		}
		v, place := b.piece(d, w.Entry, e)
		b.count(line, v, b.entryPlace(v, i, place))
		if v.Code != "" {
			b.out = b.out[:at]
			continue
		}
		open = true
	}
	if open {
		b.out = append(b.out, ']')
	}
	b.out = append(b.out, "}\n"...)
}

// entryPlace returns where in the Bundle a place in an entry is, if the report will say it. Most
// rejected entries of a Bundle of a million are only counted.
func (b *block) entryPlace(v Verdict, entry int64, place string) string {
	if v.Code == "" || len(b.rejects) >= maxRejects {
		return ""
	}
	return "/entry/" + strconv.FormatInt(entry, 10) + place
}

// maxEnds is how many ends of entries are remembered. The entries after these are passed over
// twice: a list for 1,1,1,… would take many times the memory of the line.
const maxEnds = 4096

// parts splits a valid Bundle into its members except entry, as an object, and its entries. It uses
// the memory of ends.
func parts(l []byte, ends []int) (frame []byte, entries iter.Seq[[]byte], used []int) {
	p := pieces{buf: l, max: len(l)}
	p.take('{')
	frame = append(make([]byte, 0, 256), '{')
	first := len(l)
	for p.space() == '"' {
		text, name, _ := p.name(nil)
		if name == "entry" && p.space() == '[' {
			first = p.i
			ends = p.elements(ends[:0])
		} else {
			if len(frame) > 1 {
				frame = append(frame, ',')
			}
			frame = append(append(frame, text...), p.skip()...)
		}
		p.take(',')
	}
	entries = func(yield func([]byte) bool) {
		p := pieces{buf: l, i: first, max: len(l)}
		more := p.take('[')
		for n := 0; more && p.space() != ']'; n++ {
			if n < len(ends) {
				start := p.i
				p.i = ends[n]
				more = yield(l[start:p.i])
			} else {
				more = yield(p.skip())
			}
			p.take(',')
		}
	}
	return append(frame, '}'), entries, ends
}

// elements moves past an array and appends the ends of its first elements to ends, maxEnds at most.
func (p *pieces) elements(ends []int) []int {
	for more := p.take('['); more && p.space() != ']'; {
		p.skip()
		if len(ends) < maxEnds {
			ends = append(ends, p.i)
		}
		more = p.take(',')
	}
	p.take(']')
	return ends
}

// frame rewrites a part of the frame of a Bundle that comes piece by piece. One that is rejected
// ends the job: entries are out already, or will be.
func (b *block) frame(d *desk, w BundleWorker, o *Options) {
	c, _ := judge(b.in, o)
	if c == "" {
		v, _ := b.piece(d, w.Frame, b.in)
		c = v.Code
	}
	if c != "" {
		b.err = code.New(code.RecordRejected, nil)
		return
	}
	if b.part == tailPart {
		b.out = append(b.out[:0], b.out[len(bundleHead):]...)
		for i := range d.sink.patches {
			d.sink.patches[i].move(len(bundleHead))
		}
		b.out = append(b.out, '\n')
		return
	}
	b.out = b.out[:len(b.out)-1] // what follows belongs into it
}

// entries rewrites entries of a Bundle that comes piece by piece, each behind a comma.
func (b *block) entries(d *desk, w BundleWorker, o *Options) {
	start := 0
	for i, end := range b.ends {
		e := b.in[start:end]
		start = end
		at := len(b.out)
		b.out = append(b.out, ",\n"...)
		var v Verdict
		place := ""
		if len(e) == 0 {
			v = Verdict{Type: -1, Code: code.RecordTooLong}
		} else if v.Code, place = judge(e, o); v.Code != "" {
			v.Type = -1
		} else {
			v, place = b.piece(d, w.Entry, e)
		}
		if v.Code != "" {
			b.out = b.out[:at]
		}
		b.count(1, v, b.entryPlace(v, b.first+int64(i), place))
	}
}
