package stream

import (
	"fmt"
	"io"

	"anchorhold/protocol/code"
)

// finisher ends blocks in the order of the input: it numbers surrogates,
// writes records and counts. It belongs to one goroutine.
type finisher struct {
	engine  Engine
	options *Options
	out     io.Writer
	table   *table
	total   Report
	types   []TypeCounts
	rules   []int64
	dropped dropped
	pairs   []byte // lines of the crosswalk
	open    bool   // an entry of a Bundle is written
}

func newFinisher(e Engine, o *Options, out io.Writer) *finisher {
	return &finisher{
		engine: e, options: o, out: out,
		table:   newTable(&o.SurrogateKey, o.MaxIdentifiers),
		types:   make([]TypeCounts, len(e.Types())),
		rules:   make([]int64, 2*len(e.Rules())),
		dropped: dropped{counts: map[member]int64{}},
	}
}

func (f *finisher) finish(b *block) error {
	defer b.trim()
	if b.err != nil {
		return b.err
	}
	r := &f.total
	if r.RecordsIn += b.records; r.RecordsIn > f.options.MaxRecords {
		return code.New(code.TooManyRecords, nil)
	}
	if b.rejected > 0 && f.options.Raise {
		return code.New(code.RecordRejected, nil)
	}
	f.count(b)
	if err := f.number(b); err != nil {
		return err
	}
	return f.write(b.part, b.out)
}

// write writes what became of a block. Of a Bundle that comes piece by piece the array is written
// here, where it is known whether any entry stays: FHIR knows no empty one.
func (f *finisher) write(kind part, out []byte) error {
	before := ""
	switch {
	case kind == entriesPart && !f.open && len(out) > 0:
		before, out, f.open = `,"entry":[`, out[1:], true // the comma of the first
	case kind == tailPart && f.open:
		before = "\n]"
	}
	for _, part := range [][]byte{[]byte(before), out} {
		if len(part) == 0 {
			continue
		}
		if _, err := f.out.Write(part); err != nil {
			return fmt.Errorf("write records: %w", err)
		}
	}
	return nil
}

// number fills in the surrogates of a block, and writes the lines of those that are new.
func (f *finisher) number(b *block) error {
	f.pairs = f.pairs[:0]
	for i, p := range b.patches {
		at, there := p.place()
		dst := b.out[at : at+SurrogateLen]
		number := f.table.write
		if there {
			number = f.table.note
		}
		fresh, err := number(dst, p.id)
		if err != nil {
			return err
		}
		if fresh && f.options.Crosswalk != nil {
			o := b.behind.list[i]
			f.pairs = appendLine(f.pairs, o.kind, b.behind.text[o.start:o.mid], b.behind.text[o.mid:o.stop], dst)
		}
	}
	if len(f.pairs) == 0 {
		return nil
	}
	if _, err := f.options.Crosswalk.Write(f.pairs); err != nil {
		return fmt.Errorf("write crosswalk: %w", err)
	}
	if cap(f.pairs) > 4*blockSize {
		f.pairs = nil
	}
	return nil
}

// count adds a block to the report.
func (f *finisher) count(b *block) {
	r := &f.total
	r.RecordsRejected += b.rejected
	r.RecordsOut += b.records - b.rejected
	for c, n := range b.codes {
		r.addCode(c, n)
	}
	room := min(len(b.rejects), maxRejects-len(r.Rejects))
	r.Rejects = append(r.Rejects, b.rejects[:room]...)
	r.RejectsOmitted += b.rejected - int64(room)
	for i, c := range b.types {
		f.types[i].In += c.In
		f.types[i].Out += c.Out
	}
	for i, n := range b.rules {
		f.rules[i] += n
	}
	f.dropped.add(&b.unknown)
}

func (f *finisher) report() *Report {
	r := f.total
	r.ReferenceDate = f.options.ReferenceDate
	r.NotProven = NotProven
	if e, ok := f.engine.(interface{ Requires() string }); ok {
		r.Requires = e.Requires()
	}
	r.ByType = map[string]TypeCounts{}
	for i, name := range f.engine.Types() {
		if c := f.types[i]; c != (TypeCounts{}) {
			r.ByType[name] = c
		}
	}
	rules := f.engine.Rules()
	r.ByRule = []RuleCounts{} // SPEC 5.1: arrays and maps, not null
	for i, rule := range rules {
		if n := f.rules[2*i]; n > 0 {
			r.ByRule = append(r.ByRule, RuleCounts{rule.Letters, rule.Path, rule.Method, n, f.rules[2*i+1]})
		}
	}
	r.Unknown, r.UnknownOmitted = f.dropped.list(rules), f.dropped.omitted
	if r.Rejects == nil {
		r.Rejects = []Reject{}
	}
	if r.RejectCodes == nil {
		r.RejectCodes = map[string]int64{}
	}
	return &r
}
