package deid

import "anchorhold/protocol/code"

// Work on a record is linear in its length: everything in it is read once by the rules, and a few
// more times where one part tells what may stay of another. The budget is a guard for what nobody
// has thought of: a shape of input that would have a part read again and again is rejected after a
// bounded time, not worked on for hours.
const (
	// bytesPerStep is how many bytes that are only passed over count as one step. An element, a
	// member or a byte that is hashed is one too.
	bytesPerStep = 64

	startSteps   = 1 << 16
	stepsPerByte = 16 // ordinary records take below 1, the costliest shapes that tests know below 8
)

// stepBudget is how many steps a record of n bytes has.
func stepBudget(n int) int { return startSteps + stepsPerByte*n }

// stopped reports whether the record at hand is too deep or has taken all its steps, and rejects
// it: then nothing more is done.
func (t *transformer) stopped() bool {
	switch {
	case t.deep:
		t.reject(code.JSONTooDeep)
		t.at = t.deepAt
	case t.steps.Err() != nil:
		t.reject(code.RecordTooCostly)
	default:
		return false
	}
	return true
}

// again returns a scanner that reads the record at hand once more.
func (t *transformer) again() scanner {
	return scanner{b: t.b, i: t.root, max: t.max, steps: t.steps}
}

// answers are what told says of the rules for computed extensions, once for each object: an array
// of a million extensions must not ask a million times.
type answers map[*node]bool

func (a *answers) of(t *transformer, n *node) bool {
	said, ok := (*a)[n]
	if !ok {
		if *a == nil {
			*a = answers{}
		}
		said = t.told(n)
		(*a)[n] = said
	}
	return said
}
