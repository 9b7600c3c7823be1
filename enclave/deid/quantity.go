package deid

import (
	"bytes"
	"math"
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

// timePerYear is the same for words, and for the codes that SNOMED CT has for
// units. Lower case.
var timePerYear = map[string]float64{
	"millennium": 0.001, "millennia": 0.001, "century": 0.01, "centuries": 0.01, "decade": 0.1, "decades": 0.1, "fortnight": daysPerYear / 14, "fortnights": daysPerYear / 14,
	"quarter": 4, "quarters": 4, "yo": 1, "y/o": 1, "y.o": 1, "jahr": 1, "jahre": 1, "ans": 1, "anos": 1, "a\u00f1os": 1, "anni": 1, "jaar": 1,
	"year": 1, "years": 1, "year(s)": 1, "yr": 1, "yrs": 1, "y": 1, "month": 12, "months": 12, "month(s)": 12, "mos": 12,
	"week": daysPerYear / 7, "weeks": daysPerYear / 7, "week(s)": daysPerYear / 7, "wks": daysPerYear / 7,
	"day": daysPerYear, "days": daysPerYear, "day(s)": daysPerYear, "hour": daysPerYear * 24, "hours": daysPerYear * 24, "hour(s)": daysPerYear * 24,
	"hr": daysPerYear * 24, "hrs": daysPerYear * 24, "minute": daysPerYear * 24 * 60, "minutes": daysPerYear * 24 * 60, "mins": daysPerYear * 24 * 60,
	"second": secondsPerYear, "seconds": secondsPerYear, "sec": secondsPerYear, "secs": secondsPerYear,
	"258707000": 1, "258706009": 12, "258705008": daysPerYear / 7, "258703001": daysPerYear, "258702006": daysPerYear * 24,
	"258701004": daysPerYear * 24 * 60, "257997001": secondsPerYear,
}

// amount holds the members of a Quantity.
type amount struct {
	value, comparator, unit, system, code []byte
	// odd is set when a member is not what FHIR has there.
	odd bool
	// byCode and byUnit are what its two units measure, once isWeighed.
	byCode, byUnit unitKind
	isWeighed      bool
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
	a.weigh()
	if n.method != quantity || coded && string(a.system) == ucumSystem {
		if unit := a.timeUnit(); unit != "" {
			return !t.tellsByYear(&a) && t.age(n, a, unit)
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
	if t.tellsByYear(&a) || t.unitTells(n, &a, coded) {
		return false
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

// unitTells reports whether a number in a unit that is none of time may be an age, an identifier or
// a position.
func (t *transformer) unitTells(n *node, a *amount, coded bool) bool {
	switch {
	case t.unitless(n, a, coded):
		// A ratio of 47.5 to 0.5 is 95.
		if x := abs(value(a.value)); string(n.head) == `"denominator":` && !n.fixed && x < 1 && !t.harmless() {
			return true
		}
		return t.tells(n, a.value, a.byCode.number())
	case a.byCode.angle || a.byUnit.angle:
		return !t.harmless() // a degree of latitude is 111 km, and most States are larger
	}
	// Under a question for an age, another unit is a mistake for years.
	return abs(value(a.value)) > ageCap && (a.bare(coded) && t.personal() || len(t.engine.personal) > 0 && t.question().personal)
}

// unitless reports whether a is a number of nothing: no unit, or one that means 1, as {score} does.
// A percentage has a unit. So has a number with a listed unit in words, but for words that mean no
// more than "one".
func (t *transformer) unitless(n *node, a *amount, coded bool) bool {
	u, k := a.code, a.byCode
	if !coded {
		if u, k = a.unit, a.byUnit; !n.set[string(u)] {
			return true
		}
	} else if string(a.system) != ucumSystem {
		return true // of other systems it is not known which codes mean a time
	}
	switch string(u) {
	case "unit", "units", "each":
		return true
	}
	return k.pure && bytes.IndexByte(u, '%') < 0 && !bytes.HasPrefix(u, []byte("[pp"))
}

// bare reports whether a is a number of nothing: no unit, or one that does not
// say what is measured.
func (a *amount) bare(coded bool) bool {
	return !coded || string(a.system) != ucumSystem || a.byCode.pure
}

// isLong reports whether a is a time over the cap in a unit of any name.
func (a *amount) isLong() bool {
	a.weigh()
	for _, k := range [...]unitKind{a.byCode, a.byUnit} {
		// "Over 89" is the bucket too, under another name.
		if y := a.years(k.perYear); y > ageCap || y == ageCap && string(a.comparator) == ">" {
			return true
		}
	}
	return false
}

// unitKind is what a unit measures.
type unitKind struct {
	perYear float64 // how many make a year, +Inf for a unit that is none of time
	pure    bool    // it has no dimension: 1, %, {score}
	factor  float64 // of a pure one, the number that it is
	angle   bool
}

// number is by what a value in this unit is to be multiplied.
func (k unitKind) number() float64 {
	if k.pure && k.factor != 0 {
		return k.factor
	}
	return 1
}

// weigh works the units of a out, once.
func (a *amount) weigh() {
	if a.isWeighed {
		return
	}
	a.isWeighed = true
	a.byCode = kindOf(a.code)
	if a.byUnit = a.byCode; !bytes.Equal(a.code, a.unit) {
		a.byUnit = kindOf(a.unit)
	}
}

// kindOf works out a unit of UCUM, or of another name.
func kindOf(u []byte) unitKind {
	if per, ok := perYear[string(u)]; ok {
		return unitKind{perYear: per}
	}
	k := unitKind{perYear: math.Inf(1)}
	if len(u) == 0 || len(u) > maxCode {
		k.pure = true
		return k
	}
	var lower [maxCode]byte
	for i, x := range u {
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		lower[i] = x
	}
	word := bytes.Trim(lower[:len(u)], " .()[]{}")
	first, _, _ := bytes.Cut(word, []byte{' '}) // "years old"
	for _, w := range [...][]byte{word, first} {
		if per, ok := timePerYear[string(w)]; ok {
			return unitKind{perYear: per}
		}
	}
	if string(word) == "degree" || string(word) == "degrees" || string(word) == "°" {
		k.angle = true
		return k
	}
	d := measure(u)
	switch plain := d.plain(); {
	case plain && d.time == 1 && d.factor > 0:
		k.perYear = secondsPerYear / d.factor
	case plain && d.time == 0:
		k.pure, k.factor = true, d.factor
	default:
		k.angle = d.time == 0 && d.isAngle()
	}
	return k
}

// angles are the atoms of UCUM that measure one.
var angles = map[string]bool{"deg": true, "gon": true, "rad": true, "'": true, "''": true}

// isAngle reports whether d is an angle alone: deg, and deg.m/m.
func (d *dimension) isAngle() bool {
	n := 0
	for _, o := range d.others[:d.n] {
		if o.power == 0 {
			continue
		}
		if n++; o.power != 1 || !angles[string(o.atom)] {
			return false
		}
	}
	return n == 1
}

// unitsPerYear is how many of a unit make a year, +Inf for one that is no time.
func unitsPerYear(u []byte) float64 { return kindOf(u).perYear }

// years is a time in years, without its sign: -95 tells what 95 does.
func (a *amount) years(per float64) float64 { return math.Abs(value(a.value)) / per }

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
		t.facts.done |= coarsened
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
