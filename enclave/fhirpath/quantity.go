package fhirpath

import (
	"math/big"
	"strings"
)

// A Quantity is a number with a unit: one of UCUM, or a calendar duration
// ("3 months"), which is no fixed stretch of time.
type Quantity struct {
	value    Decimal
	unit     string
	calendar bool
}

const ucumSystem = "http://unitsofmeasure.org"

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

// measure returns the unit of q in base units. With average, a calendar month
// and year count as those of UCUM; otherwise they compare with each other only.
func (q Quantity) measure(average bool) (measure, bool) {
	if !q.calendar {
		return parseUnit(q.unit)
	}
	word := calendarWord(q.unit)
	switch {
	case average && word == "year":
		return parseUnit("a")
	case average && word == "month":
		return parseUnit("mo")
	case word == "year":
		return measure{big.NewRat(12, 1), dimension{calendarMonths: 1}}, true
	case word == "month":
		return measure{big.NewRat(1, 1), dimension{calendarMonths: 1}}, true
	}
	for ucum, w := range ucumDurations {
		if w == word {
			return parseUnit(ucum)
		}
	}
	return measure{}, false // unreachable
}

// sameUnit needs no table.
func sameUnit(a, b Quantity) bool {
	if a.calendar && b.calendar {
		return calendarWord(a.unit) == calendarWord(b.unit)
	}
	return a.calendar == b.calendar && a.unit == b.unit
}

// common returns two numbers in one unit. They are absent when the units
// measure different things; it's an error when a unit isn't known here: then
// any answer could be wrong.
func common(a, b Quantity, average bool) (x, y *big.Rat, err error) {
	if sameUnit(a, b) {
		return a.value.rat(), b.value.rat(), nil
	}
	m, ok := a.measure(average)
	n, ok2 := b.measure(average)
	if !ok || !ok2 {
		return nil, nil, errUnit
	}
	if m.dimension != n.dimension {
		return nil, nil, nil
	}
	return m.of(a.value), n.of(b.value), nil
}

func (d Decimal) rat() *big.Rat { return new(big.Rat).SetFrac(d.unscaled, pow10(d.scale)) }

func fromRat(r *big.Rat) (Decimal, bool) {
	if r.Num().BitLen() > maxDigits*10/3+r.Denom().BitLen() {
		return Decimal{}, false
	}
	d, ok := parseDecimal(r.FloatString(quotientScale))
	return d.trimmed(), ok
}

// orderQuantities compares; known is false when the units don't fit together.
func orderQuantities(a, b Quantity) (cmp int, known bool, err error) {
	x, y, err := common(a, b, false)
	if x == nil {
		return 0, false, err
	}
	return x.Cmp(y), true, nil
}

func equivalentQuantities(a, b Quantity) (bool, error) {
	if sameUnit(a, b) {
		return a.value.equivalent(b.value), nil
	}
	x, y, err := common(a, b, true)
	if x == nil {
		return false, err
	}
	d, ok := fromRat(x)
	e, ok2 := fromRat(y)
	return ok && ok2 && d.equivalent(e), nil
}

// addQuantities returns a+b in the unit of a, absent when the units don't fit.
func addQuantities(a, b Quantity) (Item, error) {
	if !sameUnit(a, b) {
		x, y, err := common(a, b, false)
		if x == nil {
			return nil, err
		}
		m, _ := a.measure(false)
		d, ok := fromRat(y.Quo(y, m.factor))
		if !ok {
			return nil, nil
		}
		b.value = d
	}
	sum, ok := a.value.add(b.value)
	if !ok {
		return nil, nil
	}
	a.value = sum
	return a, nil
}

// mulQuantities multiplies, or divides, with the units.
func mulQuantities(a, b Quantity, divide bool) (Item, error) {
	compute := Decimal.mul
	if divide {
		compute = Decimal.quo
	}
	unit := ""
	switch {
	case divide && sameUnit(a, b):
		unit = "1"
	case b.unit == "1":
		unit = a.unit
	case a.unit == "1" && !divide:
		a, b, unit = b, a, b.unit
	default:
		return mulUnits(a, b, divide)
	}
	d, ok := compute(a.value, b.value)
	if !ok {
		return nil, nil
	}
	return Quantity{d, unit, a.calendar && unit == a.unit}, nil
}

func mulUnits(a, b Quantity, divide bool) (Item, error) {
	m, ok := a.measure(false)
	n, ok2 := b.measure(false)
	if !ok || !ok2 || a.calendar || b.calendar {
		return nil, errUnit
	}
	x, y, power := m.of(a.value), n.of(b.value), 1
	if divide {
		if y.Sign() == 0 {
			return nil, nil
		}
		y.Inv(y)
		power = -1
	}
	d, ok := fromRat(x.Mul(x, y))
	if !ok {
		return nil, nil
	}
	dim, ok := m.dimension.times(n.dimension, power)
	if !ok {
		return nil, errUnit
	}
	return Quantity{value: d, unit: dim.String()}, nil
}
