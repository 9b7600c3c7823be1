package stream

// Touch is what a rule made of a value, for a person who looks at records of their own.
type Touch struct {
	Rule int  // place in Rules, -1 where no rule is for the value
	In   Span // of the record
	Out  Span // of what was appended; empty when nothing stays
	// Parts: what lies in the value has touches of its own. Where nothing of the value stays,
	// theirs don't count.
	Parts bool
	// Reason says why the record is rejected, in fixed words and those of the rule. Then Rule is
	// the one that failed, or -1.
	Reason string
	// Pointer is the place of the Reason, as a JSON pointer: content of the record.
	Pointer string
}

// Span is a part of a record, from Start up to End.
type Span struct{ Start, End int }

// Tracer is a Worker that can tell. The enclave never asks: what it tells is content.
type Tracer interface {
	Worker
	// Trace has f called for the values of every record from now on, in no particular order.
	Trace(f func(Touch))
}
