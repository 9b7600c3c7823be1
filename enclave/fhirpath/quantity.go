package fhirpath

import (
	"math/big"
	"strings"
)

// A Quantity is a number with a unit: a unit of UCUM, or a calendar duration ("3 months").
type Quantity struct {
	value    Decimal
	unit     string
	calendar bool

	// mapped: the quantity was read from a FHIR Quantity in a UCUM unit of time. FHIR maps those to
	// calendar durations (R4, 2.9.1.3), so it counts as one where the other operand is one, and as
	// its UCUM unit among UCUM units.
	mapped bool

	// exact is the number itself where value had to be rounded, else nil.
	exact *big.Rat
}

const ucumSystem = "http://unitsofmeasure.org"

// maxExact bounds, in bits, the terms of a number that is kept exact: sums of sums in units with
// odd factors grow.
const maxExact = 4096

// String prints a literal: 5 'mg', 3 months.
func (q Quantity) String() string {
	if q.calendar {
		return q.value.String() + " " + q.unit
	}
	return q.value.String() + " " + quote(q.unit)
}

// parseQuantity reads a string as toQuantity() does.
func parseQuantity(s string) (Quantity, bool) {
	end := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("+-.0123456789", r) })
	if end < 0 {
		end = len(s)
	}
	d, ok := parseDecimal(s[:end])
	if !ok {
		return Quantity{}, false
	}
	unit := strings.TrimLeft(s[end:], " \t\r\n")
	switch {
	case unit == "":
		return Quantity{value: d, unit: "1"}, true
	case len(unit) > 2 && unit[0] == '\'' && unit[len(unit)-1] == '\'' && strings.Count(unit, "'") == 2:
		return Quantity{value: d, unit: unit[1 : len(unit)-1]}, true
	case calendarWord(unit) != "":
		return Quantity{value: d, unit: unit, calendar: true}, true
	}
	return Quantity{}, false
}

// nodeQuantity reads value and code of a FHIR Quantity. It's false for one that FHIR does not map
// to a Quantity of FHIRPath (R4, 2.9.1.3): one with a comparator is no number, and a code of
// another system, or the text of unit alone, is no unit of UCUM.
func nodeQuantity(n *Node) (Quantity, bool) {
	var q Quantity
	var system string
	found := false
	for i := range n.fields {
		f := &n.fields[i]
		if len(f.nodes) != 1 || !f.nodes[0].HasValue() {
			continue
		}
		switch text := f.nodes[0].text; f.name {
		case "value":
			q.value, found = parseDecimal(text)
		case "comparator":
			return q, false
		case "system":
			system = text
		case "code":
			q.unit = text
		}
	}
	q.mapped = ucumDurations[q.unit] != ""
	return q, found && system == ucumSystem && q.unit != ""
}

// unmapped reports whether i is a FHIR Quantity that nodeQuantity doesn't read.
func unmapped(i Item) bool {
	n, ok := i.(*Node)
	return ok && n.typ.Is("Quantity")
}

// alike turns a quantity that was read from FHIR into a calendar duration where the other one is
// such, or was read, too.
func alike(a, b Quantity) (x, y Quantity) {
	x, y = a, b
	if a.mapped && (b.calendar || b.mapped) {
		x = a.inCalendar()
	}
	if b.mapped && (a.calendar || a.mapped) {
		y = b.inCalendar()
	}
	return x, y
}

func (q Quantity) inCalendar() Quantity {
	q.unit, q.calendar, q.mapped = ucumDurations[q.unit], true, false
	return q
}

// rat is the number without rounding.
func (q Quantity) rat() *big.Rat {
	if q.exact != nil {
		return q.exact
	}
	return q.value.rat()
}

// with is q with another number. It's absent when the number is too large.
func (q Quantity) with(r *big.Rat) (Item, error) {
	d, ok := fromRat(r)
	if !ok {
		return nil, nil
	}
	q.value, q.exact = d, nil
	if r.Num().BitLen()+r.Denom().BitLen() <= maxExact && d.rat().Cmp(r) != 0 {
		q.exact = r
	}
	return q, nil
}

func (q Quantity) neg() Quantity {
	q.value = q.value.neg()
	if q.exact != nil {
		q.exact = new(big.Rat).Neg(q.exact)
	}
	return q
}

func (d Decimal) rat() *big.Rat { return new(big.Rat).SetFrac(d.unscaled, pow10(d.scale)) }

func fromRat(r *big.Rat) (Decimal, bool) {
	if r.Num().BitLen() > maxDigits*10/3+r.Denom().BitLen() {
		return Decimal{}, false
	}
	d, ok := parseDecimal(r.FloatString(quotientScale))
	if !ok {
		return Decimal{}, false
	}
	return d.trimmed(), true
}
