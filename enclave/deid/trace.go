package deid

import "anchorhold/enclave/deid/stream"

var _ stream.Tracer = (*transformer)(nil)

// Trace has f told what becomes of values; see stream.Tracer.
func (t *transformer) Trace(f func(stream.Touch)) { t.trace = f }

// applied counts a value that the rule of n was applied to, and tells of it. in and out are where
// it began, in the record and in the output.
func (t *transformer) applied(n *node, in, out int, kept bool) bool {
	t.sink.Applied(n.row, kept)
	if kept {
		t.facts.done |= deeds[n.method]
	} else {
		t.facts.done |= removed
	}
	if t.trace != nil {
		touch := stream.Touch{Rule: n.row, In: stream.Span{Start: in, End: t.i}, Parts: n.method == group || n.method == contained}
		if kept {
			touch.Out = stream.Span{Start: out - t.start, End: len(t.out) - t.start}
		}
		t.trace(touch)
	}
	return kept
}

// why says why the record is rejected, where its code says less.
func (t *transformer) why(reason string) {
	if t.trace != nil {
		t.trace(stream.Touch{Rule: -1, Reason: reason})
	}
}
