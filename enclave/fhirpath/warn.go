package fhirpath

import (
	"fmt"
	"slices"
)

// A Warning is about an expression that compiles.
type Warning struct {
	Offset int // bytes from the start of the expression
	Text   string
}

// Warnings name the comparisons that are empty for some quantities because of their unit: then a
// condition doesn't hold and a rule that depends on it leaves the element alone, without an error.
func (x *Expression) Warnings() []Warning { return x.warnings }

// warnOfUnits adds the warning for a comparison, if it needs one.
func (r *resolver) warnOfUnits(e *expr, a, b static) {
	x, isLiteral := literalQuantity(e.args[0])
	y, isLiteral2 := literalQuantity(e.args[1])
	what := ""
	switch known, known2 := a.isQuantity(), b.isQuantity(); {
	case isLiteral && isLiteral2:
		if _, _, fit, err := scales(x, y, false); fit || err != nil {
			return
		}
		what = fmt.Sprintf("is always empty: %s and %s do not compare", x.unitText(), y.unitText())
	case isLiteral && b.may([]*Type{quantityType}):
		what = fitsNot(x)
	case isLiteral2 && a.may([]*Type{quantityType}):
		what = fitsNot(y)
	case known && known2:
		what = "is empty where the units of the two quantities measure different things"
	case known && b.may(numbersOnly), known2 && a.may(numbersOnly):
		what = "is empty for a quantity with a unit, where the other side is a number or has a unit of another kind"
	default:
		return
	}
	*r.warnings = append(*r.warnings, Warning{e.pos, fmt.Sprintf("comparison %s %s", e.name, what)})
}

func fitsNot(q Quantity) string {
	return fmt.Sprintf("is empty for a quantity in a unit that does not convert to %s", q.unitText())
}

func (q Quantity) unitText() string {
	if q.calendar {
		return q.unit
	}
	return quote(q.unit)
}

// isQuantity reports whether items can be quantities, as far as the expression says. Of an open set
// nothing is known.
func (s static) isQuantity() bool {
	return slices.ContainsFunc(s.types, func(t *Type) bool { return t.value() == quantityType })
}

// literalQuantity returns the quantity that is written at e.
func literalQuantity(e *expr) (Quantity, bool) {
	if e.op == opUnary {
		e = e.args[0]
	}
	q, ok := e.literal.(Quantity)
	return q, ok && e.op == opLiteral
}
