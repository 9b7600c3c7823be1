package anonymizer

import (
	"errors"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
)

var _ stream.Tracer = (*worker)(nil)

// Trace has f told what becomes of values; see stream.Tracer.
func (w *worker) Trace(f func(stream.Touch)) { w.trace = f }

// trace is what one record tells.
type trace struct {
	values []*fhirpath.Node // primitives with a value, as the record was read
	spans  []stream.Span    // theirs
	rules  map[*fhirpath.Node]int
}

// begin remembers the values of a record before rules change them.
func (t *trace) begin(n *fhirpath.Node) {
	if n.HasValue() {
		v := n.Value()
		t.values = append(t.values, n)
		t.spans = append(t.spans, stream.Span{Start: v.Start, End: v.End})
	}
	for c := range n.All() {
		t.begin(c)
	}
}

// end tells of all values.
func (t *trace) end(tell func(stream.Touch), at map[*fhirpath.Node]stream.Span, start int) {
	for i, n := range t.values {
		touch := stream.Touch{Rule: t.rules[n] - 1, In: t.spans[i]}
		if out, ok := at[n]; ok {
			touch.Out = stream.Span{Start: out.Start - start, End: out.End - start}
		}
		tell(touch)
	}
}

// tellWhy tells why a record is rejected, and where.
func (w *worker) tellWhy(err error) {
	if w.trace == nil || err == nil {
		return
	}
	touch := stream.Touch{Rule: -1, Reason: err.Error()}
	if e, ok := errors.AsType[*ruleError](err); ok {
		touch.Rule = e.rule.number - 1
	}
	if e, ok := errors.AsType[*placeError](err); ok {
		touch.Pointer = e.node.Pointer()
	}
	switch {
	case errors.Is(err, errMalformed):
	case isCase(err) && w.engine.settings.skip:
		return // an empty resource takes its place
	case isCase(err):
		touch.Reason += "\nprocessingErrors is raise: the job fails with the record"
	default:
		touch.Reason += "\nthe job fails with the record"
	}
	w.trace(touch)
}

// tellFault is tellWhy for a record that can't be read.
func (w *worker) tellFault() {
	if w.trace != nil {
		pointer, reason := w.reader.Fault()
		w.trace(stream.Touch{Rule: -1, Reason: reason, Pointer: pointer})
	}
}

// mark says that a rule, by its number, has processed an element. The first to do so counts.
func (r *record) mark(n *fhirpath.Node, number int) {
	n.Mark |= visited
	r.tell(n, number)
}

// tell is mark without the element being processed.
func (r *record) tell(n *fhirpath.Node, number int) {
	if r.told != nil && r.told.rules[n] == 0 {
		r.told.rules[n] = number
	}
}
