package fhirpath

import "math/big"

// What the work of an evaluation is counted in: an operation is a step, and so is each item that it
// looks at, each comparison, and so many bytes of text. What an operation gives is paid for by
// whoever makes it, before the next one reads it: $total can be long, and costs nothing to name.
const (
	bytesPerStep    = 64   // of text that is read or made
	comparedPerStep = 1024 // of text that is compared
)

// result counts what an operation has given: its items, and the text that it has computed. Text of
// the resource is there anyway.
func (ev *evaluator) result(e *expr, out []Item) error {
	if len(out) > maxItems {
		return ev.fail(e, ErrBudget)
	}
	if len(out) == 1 {
		if err := ev.weigh(e, out[0]); err != nil {
			return err
		}
	}
	made := 0
	if len(out) > 0 && (e.op == opCall || e.op == opBinary) {
		if _, ok := out[0].(String); ok && makesText[e.name] {
			for _, i := range out {
				s, _ := i.(String)
				made += len(s)
			}
		}
	}
	// Strings that grow by one item each time come to no more than maxText, and all that they were
	// before to its square.
	if ev.room -= made; ev.room < 0 {
		return ev.fail(e, ErrBudget)
	}
	return ev.spend(e, len(out)/8+made/bytesPerStep)
}

// weigh counts what it takes to read a value: of a Quantity all members are looked at, and those
// that R4 does not define can be many.
func (ev *evaluator) weigh(e *expr, i Item) error {
	if n, ok := i.(*Node); ok && len(n.fields) > 8 {
		return ev.spend(e, len(n.fields)/8)
	}
	return nil
}

const (
	stepsPerUnitByte = 8  // of units that are computed: powers of prefixes have thousands of digits
	bitsPerStep      = 16 // of exact numbers
)

// measured counts what it takes to compute with two values.
func (ev *evaluator) measured(e *expr, x, y Item) error { return ev.spend(e, measuring(x, y)) }

// measuring is the steps of an operation on two values, when they are quantities in different units
// or with exact numbers.
func measuring(x, y Item) int {
	p, ok := x.(Quantity)
	q, ok2 := y.(Quantity)
	if !ok && !ok2 {
		return 0
	}
	n := 0
	if !sameUnit(p, q) {
		n = stepsPerUnitByte * (min(len(p.unit), maxUnit) + min(len(q.unit), maxUnit))
	}
	for _, r := range []*big.Rat{p.exact, q.exact} {
		if r != nil {
			n += (r.Num().BitLen() + r.Denom().BitLen()) / bitsPerStep
		}
	}
	return n
}

// makesText are the functions and operators that give strings which were not there before.
var makesText = map[string]bool{
	"&": true, "+": true, "encode": true, "decode": true, "escape": true, "unescape": true, "toString": true, "substring": true,
	"upper": true, "lower": true, "trim": true, "replace": true, "replaceMatches": true, "join": true, "toChars": true, "split": true,
}

// compared counts the bytes of two values that are compared.
func (ev *evaluator) compared(e *expr, x, y Item) error {
	n := 0
	if s, ok := x.(String); ok {
		if t, ok := y.(String); ok {
			n = min(len(s), len(t))
		}
	}
	return ev.spend(e, n/comparedPerStep)
}
