package deid

import (
	"bytes"
	"math"
	"strconv"
)

const ucumSystem = "http://unitsofmeasure.org"

const (
	daysPerYear    = 365.25
	secondsPerYear = daysPerYear * 24 * 60 * 60
)

// perYear is how many of a unit of an Age make a year: FHIR's age-units.
var perYear = map[string]float64{
	"a": 1, "mo": 12, "wk": daysPerYear / 7, "d": daysPerYear, "h": daysPerYear * 24, "min": daysPerYear * 24 * 60,
}

// timePerYear is the same for what else a Quantity may call its time.
var timePerYear = map[string]float64{
	"a_j": 1, "a_t": 1, "a_g": 1, "year": 1, "years": 1, "mo_j": 12, "mo_s": 12, "mo_g": 12, "month": 12, "months": 12,
	"week": daysPerYear / 7, "weeks": daysPerYear / 7, "day": daysPerYear, "days": daysPerYear,
	"hour": daysPerYear * 24, "hours": daysPerYear * 24, "minute": daysPerYear * 24 * 60, "minutes": daysPerYear * 24 * 60,
	"s": secondsPerYear, "second": secondsPerYear, "seconds": secondsPerYear,
	"das": secondsPerYear / 1e1, "hs": secondsPerYear / 1e2, "ks": secondsPerYear / 1e3, "Ms": secondsPerYear / 1e6, "Gs": secondsPerYear / 1e9,
}

// amount holds the members of a Quantity.
type amount struct {
	value, comparator, unit, system, code []byte
	// odd is set when a member is not what FHIR has there.
	odd bool
}

func (t *transformer) amount() (a amount) {
	for more := t.enter(); more; more = t.more() {
		name := t.name()
		if t.b[t.i] == '"' {
			switch string(name) {
			case "comparator":
				a.comparator = t.str()
				continue
			case "unit":
				a.unit = t.str()
				continue
			case "system":
				a.system = t.str()
				continue
			case "code":
				a.code = t.str()
				continue
			}
		}
		switch string(name) {
		case "value":
			if c := t.b[t.i]; c == '{' || c == '[' || c == '"' {
				a.odd = true
				t.skip()
				continue
			}
			a.value = t.scalar()
		case "comparator":
			a.odd = true
			t.skip()
		default:
			if t.unknown(name); t.failed != "" {
				return a
			}
		}
	}
	return a
}

// quantity keeps a Quantity. A number whose unit cannot be kept would say
// something else and goes; so does one with an unknown comparator. Units of
// time are ages, perhaps, and follow the rule for ages.
func (t *transformer) quantity(n *node) bool {
	a := t.amount()
	if t.failed != "" || a.odd || a.value == nil || !isNumber(a.value) {
		return false
	}
	switch string(a.comparator) {
	case "", "<", "<=", ">=", ">":
	default:
		return false
	}
	coded := t.coded(a.system, a.code)
	if n.method != quantity || coded && string(a.system) == ucumSystem {
		if unit := a.timeUnit(); unit != "" {
			return t.age(n, a, unit)
		}
		if n.method != quantity {
			return false
		}
	}
	if !coded && string(a.system) == ucumSystem && n.set[string(a.code)] {
		coded = true // "mcg" and "mmHg" are no UCUM, but often taken for it
	}
	if a.isLong() {
		return t.age(n, a, "a")
	}
	if !n.set[string(a.unit)] && !(coded && string(a.unit) == string(a.code)) {
		if len(a.unit) > 0 && !coded || len(a.code) > 0 && !coded {
			return false
		}
		a.unit = nil
	}
	if !coded {
		a.system, a.code = nil, nil
	}
	if !measured(a.value) {
		return false
	}
	t.write(a)
	return true
}

// isLong reports whether a is a time over the cap in a unit of any name.
func (a *amount) isLong() bool {
	for _, u := range [][]byte{a.code, a.unit} {
		u, _, _ = bytes.Cut(u, []byte{'{'}) // an annotation means nothing in UCUM
		per, ok := perYear[string(u)]
		if !ok {
			per, ok = timePerYear[string(u)]
		}
		// "Over 89" is the bucket too, under another name.
		if y := a.years(per); ok && (y > ageCap || y == ageCap && string(a.comparator) == ">") {
			return true
		}
	}
	return false
}

// years is a time in years, without its sign: -95 tells what 95 does.
func (a *amount) years(per float64) float64 {
	v, err := strconv.ParseFloat(string(a.value), 64)
	if err != nil {
		return math.Inf(1)
	}
	return math.Abs(v) / per
}

// timeUnit is the UCUM unit of an age, or empty. Systems that write no code
// put it into the unit.
func (a *amount) timeUnit() string {
	u := a.code
	if u == nil {
		u = a.unit
	} else if len(a.system) > 0 && string(a.system) != ucumSystem {
		return ""
	}
	if _, ok := perYear[string(u)]; !ok {
		return ""
	}
	return string(u)
}

// age writes an age: as it is up to the cap, else as "90 or older".
func (t *transformer) age(n *node, a amount, unit string) bool {
	if a.isLong() {
		if n.method == ageHigh || len(a.comparator) > 0 && a.comparator[0] == '<' {
			return false // "under 95" would tell more than "90 or older"
		}
		a.value, a.comparator, unit = []byte("90"), []byte(">="), "a"
	} else if !measured(a.value) {
		return false
	}
	if n.method == ageLow || n.method == ageHigh {
		a.comparator = nil // a bound has none
	}
	a.unit, a.system, a.code = []byte(unit), []byte(ucumSystem), []byte(unit)
	t.write(a)
	return true
}

// write appends an amount whose members may all be kept.
func (t *transformer) write(a amount) {
	t.out = append(t.out, `{"value":`...)
	t.out = append(t.out, a.value...)
	for _, m := range []struct {
		name string
		s    []byte
	}{{"comparator", a.comparator}, {"unit", a.unit}, {"system", a.system}, {"code", a.code}} {
		if len(m.s) > 0 {
			t.member(m.name, m.s)
		}
	}
	t.out = append(t.out, '}')
}
