package fhirpath

import "math/big"

// What this file computes is the factor between two units. FHIRPath (N1, 5.5.8) counts a calendar
// year as 12 months or 365 days, a month as 30 days. A calendar year or month has no factor to a
// UCUM unit, nor a UCUM year or month to a calendar duration, but in equivalence (N1, 6.1.2), for
// which a year is 1 'a' and a month 1 'mo'.

// scales returns what one of each unit is in a unit that both are multiples of; fit is false when
// there is none. It's an error when a unit is not known here: then any answer could be wrong.
func scales(a, b Quantity, equivalence bool) (x, y *big.Rat, fit bool, err error) {
	switch {
	case sameUnit(a, b):
		return big.NewRat(1, 1), big.NewRat(1, 1), true, nil
	case a.calendar && b.calendar:
		x, y = calendarScales(calendarWord(a.unit), calendarWord(b.unit))
		return x, y, true, nil
	}
	m, fit, err := a.measure(equivalence)
	if err != nil {
		return nil, nil, false, err
	}
	n, fit2, err := b.measure(equivalence)
	switch {
	case err != nil:
		return nil, nil, false, err
	case !fit, !fit2, m.dimension != n.dimension:
		return nil, nil, false, nil
	case a.calendar != b.calendar && !equivalence && (m.average || n.average):
		return nil, nil, false, nil
	}
	return m.factor, n.factor, true, nil
}

// measure returns the unit of q in base units; fit is false for a calendar year or month, unless
// it's for equivalence.
func (q Quantity) measure(equivalence bool) (m measure, fit bool, err error) {
	unit := q.unit
	if q.calendar {
		word := calendarWord(unit)
		unit = ucumOf[word]
		if !equivalence && (word == "year" || word == "month") {
			return measure{}, false, nil
		}
	}
	m, ok := parseUnit(unit)
	if !ok {
		return measure{}, false, errUnit
	}
	return m, true, nil
}

// calendarScales are those of two calendar durations: in months if both are years or months, else
// in seconds.
func calendarScales(a, b string) (x, y *big.Rat) {
	months := map[string]int64{"year": 12, "month": 1}
	if months[a] != 0 && months[b] != 0 {
		return big.NewRat(months[a], 1), big.NewRat(months[b], 1)
	}
	return calendarSeconds(a), calendarSeconds(b)
}

func calendarSeconds(word string) *big.Rat {
	const day = 24 * 60 * 60
	switch word {
	case "year":
		return big.NewRat(365*day, 1)
	case "month":
		return big.NewRat(30*day, 1)
	}
	m, _ := parseUnit(ucumOf[word])
	return m.factor
}

// ucumDurations are the units of time of UCUM with the calendar durations of the same name. ucumOf
// is the reverse.
var (
	ucumDurations = map[string]string{
		"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond",
	}
	ucumOf = func() map[string]string {
		m := map[string]string{}
		for ucum, word := range ucumDurations {
			m[word] = ucum
		}
		return m
	}()
)

// sameUnit needs no table.
func sameUnit(a, b Quantity) bool {
	if a.calendar && b.calendar {
		return calendarWord(a.unit) == calendarWord(b.unit)
	}
	return a.calendar == b.calendar && a.unit == b.unit
}

// orderQuantities compares; known is false when the units don't fit together.
func orderQuantities(a, b Quantity) (cmp int, known bool, err error) {
	a, b = alike(a, b)
	x, y, fit, err := scales(a, b, false)
	if !fit {
		return 0, false, err
	}
	return new(big.Rat).Mul(a.rat(), x).Cmp(new(big.Rat).Mul(b.rat(), y)), true, nil
}

// equivalentQuantities compares in the less granular unit, at the places of the number that has
// fewer (N1, 6.1.2).
func equivalentQuantities(a, b Quantity) (bool, error) {
	a, b = alike(a, b)
	x, y, fit, err := scales(a, b, true)
	if !fit {
		return false, err
	}
	coarse := x
	if y.Cmp(x) > 0 {
		coarse = y
	}
	d, ok := inScale(a, x, coarse)
	e, ok2 := inScale(b, y, coarse)
	return ok && ok2 && d.equivalent(e), nil
}

// inScale is the number of q, whose unit has the scale x, in a unit of another scale.
func inScale(q Quantity, x, other *big.Rat) (Decimal, bool) {
	if x.Cmp(other) == 0 && q.exact == nil {
		return q.value, true
	}
	r := new(big.Rat).Mul(q.rat(), x)
	return fromRat(r.Quo(r, other))
}

// addQuantities returns a+b in the more granular unit of the two (N1, 6.6.3), absent when the units
// don't fit.
func addQuantities(a, b Quantity) (Item, error) {
	if sameUnit(a, b) && a.exact == nil && b.exact == nil {
		sum, ok := a.value.add(b.value) // keeps the places
		if !ok {
			return nil, nil
		}
		a.value = sum
		return a, nil
	}
	c, d := alike(a, b)
	x, y, fit, err := scales(c, d, false)
	if !fit {
		return nil, err
	}
	unit, fine := a, x // as it was written: what FHIR had stays comparable with both kinds of units
	if y.Cmp(x) < 0 {
		unit, fine = b, y
	}
	sum := new(big.Rat).Mul(a.rat(), x)
	sum.Add(sum, new(big.Rat).Mul(b.rat(), y))
	return unit.with(sum.Quo(sum, fine))
}

// in converts to a unit: a word for a calendar duration, or a unit of UCUM.
func (q Quantity) in(unit string) (Item, error) {
	a, b := alike(q, Quantity{unit: unit, calendar: calendarWord(unit) != ""})
	if sameUnit(a, b) {
		a.unit = unit
		return a, nil
	}
	x, y, fit, err := scales(a, b, false)
	if !fit {
		return nil, err
	}
	r := new(big.Rat).Mul(a.rat(), x)
	return b.with(r.Quo(r, y))
}
