package deid

import (
	"strconv"
)

const ucumSystem = "http://unitsofmeasure.org"

// perYear is how many of a UCUM unit of time make a year.
var perYear = map[string]float64{
	"a": 1, "mo": 12, "wk": 365.25 / 7, "d": 365.25, "h": 365.25 * 24, "min": 365.25 * 24 * 60,
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
	if !n.set[string(a.unit)] && !(coded && string(a.unit) == string(a.code)) {
		if len(a.unit) > 0 && !coded || len(a.code) > 0 && !coded {
			return false
		}
		a.unit = nil
	}
	if !coded {
		a.system, a.code = nil, nil
	}
	t.write(a)
	return true
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
	v, err := strconv.ParseFloat(string(a.value), 64)
	over := err != nil || v/perYear[unit] > ageCap
	if over {
		if n.method == ageHigh || len(a.comparator) > 0 && a.comparator[0] == '<' {
			return false // "under 95" would tell more than "90 or older"
		}
		a.value, a.comparator, unit = []byte("90"), []byte(">="), "a"
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
