package stream

import (
	"fmt"
	"io"

	"anchorhold/protocol/code"
)

// finisher ends blocks in the order of the input: it numbers surrogates,
// writes records and counts. It belongs to one goroutine.
type finisher struct {
	names   []string // of the types
	options *Options
	out     io.Writer
	table   *table
	total   Report
	types   []TypeCounts
}

func newFinisher(names []string, o *Options, out io.Writer) *finisher {
	return &finisher{
		names: names, options: o, out: out,
		table: newTable(&o.SurrogateKey, o.MaxIdentifiers),
		types: make([]TypeCounts, len(names)),
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
	r.RecordsRejected += b.rejected
	r.RecordsOut += b.records - b.rejected
	room := min(len(b.rejects), maxRejects-len(r.Rejects))
	r.Rejects = append(r.Rejects, b.rejects[:room]...)
	r.RejectsOmitted += b.rejected - int64(room)
	for i, c := range b.types {
		f.types[i].In += c.In
		f.types[i].Out += c.Out
	}
	for _, p := range b.patches {
		if err := f.table.write(b.out[p.at:p.at+SurrogateLen], p.id); err != nil {
			return err
		}
	}
	if len(b.out) == 0 {
		return nil
	}
	if _, err := f.out.Write(b.out); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

func (f *finisher) report() *Report {
	r := f.total
	r.ReferenceDate = f.options.ReferenceDate
	r.ByType = map[string]TypeCounts{}
	for i, c := range f.types {
		if c != (TypeCounts{}) {
			r.ByType[f.names[i]] = c
		}
	}
	if r.Rejects == nil {
		r.Rejects = []Reject{} // SPEC 5.1: an array, not null
	}
	return &r
}
