package fhirpath

import (
	"math/big"
	"strconv"
	"strings"
)

// The part of UCUM that a comparison between ordinary clinical units needs:
// everything that is a factor of base units. Units with an offset or a
// logarithm (Cel, pH), arbitrary units ([iU]) and those that are not listed
// compare only with themselves; anything else with them is an error.

// dimension is the powers of the base units.
type dimension [7]int8

var baseUnits = [7]string{"g", "m", "s", "mol", "K", "C", "cd"}

// A measure is a unit as a factor of base units.
type measure struct {
	factor *big.Rat
	dimension
	average bool // the average year or month is in it
}

// times is d multiplied by the power of another.
func (d dimension) times(other dimension, power int) (dimension, bool) {
	for i := range d {
		p := int(d[i]) + int(other[i])*power
		if p < -20 || p > 20 {
			return d, false
		}
		d[i] = int8(p)
	}
	return d, true
}

// String is a unit of UCUM: g.m-3.
func (d dimension) String() string {
	var parts []string
	for i, p := range d {
		switch {
		case p == 1:
			parts = append(parts, baseUnits[i])
		case p != 0:
			parts = append(parts, baseUnits[i]+strconv.Itoa(int(p)))
		}
	}
	if parts == nil {
		return "1"
	}
	return strings.Join(parts, ".")
}

// prefixes are powers of ten.
var prefixes = map[string]int{
	"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
	"d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}

// units are the atoms: factor, and the unit it is a factor of. Those with *
// take prefixes.
var units = map[string]string{
	"g": "*", "m": "*", "s": "*", "mol": "*", "K": "*", "C": "*", "cd": "*",
	"10*": "10", "10^": "10", "%": "1/100", "[ppth]": "1/1000", "[ppm]": "1/1000000",
	"min": "60 s", "h": "3600 s", "d": "86400 s", "wk": "604800 s", "mo": "2629800 s", "a": "31557600 s",
	"l": "*1 dm3", "L": "*1 dm3", "t": "*1000 kg", "ar": "*100 m2",
	"Hz": "*1 s-1", "N": "*1 kg.m/s2", "Pa": "*1 N/m2", "J": "*1 N.m", "W": "*1 J/s", "A": "*1 C/s", "V": "*1 J/C",
	"F": "*1 C/V", "Ohm": "*1 V/A", "S": "*1 A/V", "Wb": "*1 V.s", "T": "*1 Wb/m2", "H": "*1 Wb/A",
	"Bq": "*1 s-1", "Gy": "*1 J/kg", "Sv": "*1 J/kg", "kat": "*1 mol/s", "U": "*1/60 umol/s", "eq": "*1 mol",
	"bar": "*100000 Pa", "m[Hg]": "*133322 Pa", "m[H2O]": "*980665/100 kPa", "cal": "*4184/1000 J", "dyn": "*1/100000 N",
	"[in_i]": "254/100 cm", "[ft_i]": "3048/100 cm", "[yd_i]": "9144/100 cm", "[mi_i]": "160934400/1000 cm",
	"[lb_av]": "45359237/100000 g", "[oz_av]": "45359237/1600000 g", "[gr]": "6479891/100000 mg",
}

const (
	maxUnit      = 64 // bytes of a unit
	maxUnitDepth = 8  // of parentheses, and of definitions below definitions
)

// parseUnit reads a unit of UCUM. It's false for one that isn't a factor of
// base units, or that isn't listed above.
func parseUnit(s string) (measure, bool) { return parseUnitAt(s, 0) }

func parseUnitAt(s string, depth int) (measure, bool) {
	if s == "" || len(s) > maxUnit || depth > maxUnitDepth {
		return measure{}, false
	}
	p := unitParser{rest: s, depth: depth}
	m, ok := p.term()
	return m, ok && p.rest == ""
}

type unitParser struct {
	rest  string
	depth int
}

func (p *unitParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

// term reads components with . and / between them, from left to right.
func (p *unitParser) term() (measure, bool) {
	m := measure{factor: big.NewRat(1, 1)}
	power := 1
	if p.take("/") {
		power = -1
	}
	for {
		c, ok := p.component()
		if !ok {
			return m, false
		}
		if power < 0 {
			c.factor = new(big.Rat).Inv(c.factor)
		}
		if m.dimension, ok = m.times(c.dimension, power); !ok {
			return m, false
		}
		m.factor = new(big.Rat).Mul(m.factor, c.factor)
		m.average = m.average || c.average
		switch {
		case p.take("."):
			power = 1
		case p.take("/"):
			power = -1
		default:
			return m, true
		}
	}
}

// component reads one unit with exponent and annotation, a number, or a term
// in parentheses.
func (p *unitParser) component() (measure, bool) {
	if p.take("(") {
		if p.depth++; p.depth > maxUnitDepth {
			return measure{}, false
		}
		m, ok := p.term()
		return m, ok && p.take(")")
	}
	end := strings.IndexAny(p.rest, "./(){")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	annotated := p.take("{")
	if annotated {
		close := strings.IndexByte(p.rest, '}')
		if close < 0 {
			return measure{}, false
		}
		p.rest = p.rest[close+1:]
	}
	if word == "" {
		return measure{factor: big.NewRat(1, 1)}, annotated
	}
	if n, err := strconv.ParseUint(word, 10, 31); err == nil {
		return measure{factor: big.NewRat(int64(n), 1)}, n > 0
	}
	return p.power(word)
}

// power reads a unit and its exponent: s-2.
func (p *unitParser) power(word string) (measure, bool) {
	atom, exponent, ok := splitPower(word)
	if !ok {
		return measure{}, false
	}
	m, ok := p.atom(atom)
	if !ok {
		return measure{}, false
	}
	n := big.NewInt(int64(absolute(exponent)))
	r := measure{average: m.average, factor: new(big.Rat).SetFrac(
		new(big.Int).Exp(m.factor.Num(), n, nil), new(big.Int).Exp(m.factor.Denom(), n, nil))}
	if exponent < 0 {
		r.factor.Inv(r.factor)
	}
	r.dimension, ok = r.times(m.dimension, exponent)
	return r, ok
}

// splitPower takes a unit and its exponent apart.
func splitPower(word string) (atom string, exponent int, ok bool) {
	atom = strings.TrimRight(word, "0123456789")
	digits := word[len(atom):]
	if digits == "" {
		return atom, 1, true
	}
	if c := atom[max(0, len(atom)-1):]; c == "-" || c == "+" {
		atom, digits = atom[:len(atom)-1], c+digits
	}
	n, err := strconv.Atoi(digits)
	return atom, n, err == nil && absolute(n) <= 20
}

// atom reads a unit with its prefix.
func (p *unitParser) atom(s string) (measure, bool) {
	if definition, ok := units[s]; ok {
		return p.define(s, definition)
	}
	for n := 1; n <= min(2, len(s)-1); n++ {
		e, ok := prefixes[s[:n]]
		definition := units[s[n:]]
		if !ok || !strings.HasPrefix(definition, "*") {
			continue
		}
		m, ok := p.define(s[n:], definition)
		scale := new(big.Rat).SetInt(pow10(absolute(e)))
		if e < 0 {
			scale.Inv(scale)
		}
		m.factor = scale.Mul(scale, m.factor)
		return m, ok
	}
	return measure{}, false
}

func (p *unitParser) define(name, definition string) (measure, bool) {
	definition = strings.TrimPrefix(definition, "*")
	if definition == "" {
		m := measure{factor: big.NewRat(1, 1)}
		for i, b := range baseUnits {
			if b == name {
				m.dimension[i] = 1
			}
		}
		return m, true
	}
	factor, unit, _ := strings.Cut(definition, " ")
	f, ok := new(big.Rat).SetString(factor)
	if !ok || unit == "" {
		return measure{factor: f}, ok
	}
	m, ok := parseUnitAt(unit, p.depth+1)
	if !ok {
		return measure{}, false
	}
	m.factor = f.Mul(f, m.factor)
	m.average = name == "a" || name == "mo"
	return m, true
}
