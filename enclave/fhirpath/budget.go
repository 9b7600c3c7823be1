package fhirpath

// What the work of an evaluation is counted in: an operation is a step, and so is each item that it looks at, each comparison, and
// so many bytes of text. What an operation gives is paid for by whoever makes it, before the next one reads it: $total can be long, and
// costs nothing to name.
const (
	bytesPerStep    = 64   // of text that is read or made
	comparedPerStep = 1024 // of text that is compared
)

// result counts what an operation has given: its items, and the text that it has computed. Text of the resource is there anyway.
func (ev *evaluator) result(e *expr, out []Item) error {
	if len(out) > maxItems {
		return ev.fail(e, ErrBudget)
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
	// Strings that grow by one item each time come to no more than maxText, and all that they were before to its square.
	if ev.room -= made; ev.room < 0 {
		return ev.fail(e, ErrBudget)
	}
	return ev.spend(e, len(out)/8+made/bytesPerStep)
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
