package fhirpath

import (
	"errors"
	"fmt"
)

// A Kind says what is wrong with an expression.
type Kind string

const (
	Syntax      Kind = "malformed"   // not FHIRPath
	Semantic    Kind = "invalid"     // FHIRPath that can't be meant: unknown element, wrong type
	Unsupported Kind = "unsupported" // FHIRPath that this package does not evaluate
	Limit       Kind = "too large"   // too long or too deep
)

// A CompileError is what Compile returns. It names the place in the expression.
type CompileError struct {
	Kind   Kind
	Offset int // bytes from the start of the expression
	Reason string
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s expression at byte %d: %s", e.Kind, e.Offset, e.Reason)
}

func failure(pos int, kind Kind, format string, args ...any) error {
	return &CompileError{Kind: kind, Offset: pos, Reason: fmt.Sprintf(format, args...)}
}

// An EvalError is what Evaluate returns: the function or operator, its place
// in the expression, and a reason of fixed words. It holds nothing of the
// resource. Reason is one of the errors below.
type EvalError struct {
	Name   string
	Offset int
	Reason error
}

func (e *EvalError) Error() string {
	return fmt.Sprintf("evaluation of %s at byte %d: %v", e.Name, e.Offset, e.Reason)
}

func (e *EvalError) Unwrap() error { return e.Reason }

// ErrBudget is the reason when an evaluation takes more steps, items or text
// than its limits allow.
var ErrBudget = errors.New("evaluation exceeds its budget")

var (
	errSingle   = errors.New("more than one item where one is expected")
	errBoolean  = errors.New("item is not a Boolean")
	errString   = errors.New("item is not a String")
	errInteger  = errors.New("item is not an Integer")
	errNumber   = errors.New("item is not a number")
	errOperands = errors.New("operands do not fit together")
	errValue    = errors.New("value is not of the type of its element")
	errUnit     = errors.New("unit is not known here")
	errQuantity = errors.New("quantity has a comparator or no code of UCUM")
	errDuration = errors.New("quantity is not a calendar duration")
	errPattern  = errors.New("regular expression is not supported")
	errCoding   = errors.New("text is not of that encoding")
	errFormat   = errors.New("format is not known")
	errElement  = errors.New("result is a value, not an element")
	errClock    = errors.New("no time was given")
	errSortKey  = errors.New("sort key is not a single value")
)
