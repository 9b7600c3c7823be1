package deid

import (
	"bytes"
	"math"
	"strconv"
)

// An age hides in any unit that measures time: 10.a, ks, (mo), d.mg/mg. So the
// unit of every quantity is worked out: how many of it make a year.

// seconds are the atoms of UCUM that measure time.
var seconds = map[string]float64{
	"s": 1, "min": 60, "h": 3600, "d": 86400, "wk": 7 * 86400, "a": secondsPerYear, "a_j": secondsPerYear, "a_t": secondsPerYear,
	"a_g": secondsPerYear, "mo": secondsPerYear / 12, "mo_j": secondsPerYear / 12, "mo_s": secondsPerYear / 12, "mo_g": secondsPerYear / 12,
}

// pure are the atoms without a dimension, and what they are.
var pure = map[string]float64{
	"10*": 10, "10^": 10, "[pi]": math.Pi, "%": 1e-2, "[ppth]": 1e-3, "[ppm]": 1e-6, "[ppb]": 1e-9, "[pptr]": 1e-12,
}

var powers = map[string]int{
	"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
	"d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}

// maxFactors is how many atoms that are not of time one unit may multiply; one
// with more is taken to measure something else.
const maxFactors = 6

// dimension is what a term of UCUM comes to: factor × s^time × the others.
type dimension struct {
	factor float64
	time   int
	others [maxFactors]struct {
		atom  []byte
		power int
	}
	n int // of the others
}

func (d *dimension) times(e *dimension, power int) {
	d.factor *= math.Pow(e.factor, float64(power))
	d.time += e.time * power
	for _, o := range e.others[:e.n] {
		d.other(o.atom, o.power*power)
	}
}

func (d *dimension) other(atom []byte, power int) {
	for i := range d.others[:d.n] {
		if bytes.Equal(d.others[i].atom, atom) {
			d.others[i].power += power
			return
		}
	}
	if d.n == maxFactors {
		d.time = math.MinInt32 // no time
		return
	}
	d.others[d.n].atom, d.others[d.n].power = atom, power
	d.n++
}

// plain reports whether d is a number and s^time alone.
func (d *dimension) plain() bool {
	for _, o := range d.others[:d.n] {
		if o.power != 0 {
			return false
		}
	}
	return true
}

// measure works a term of UCUM out. What is none gives something or other.
func measure(b []byte) dimension {
	d, _ := term(b)
	return d
}

// term reads up to the end of b or of the parenthesis that b is in. Units have
// at most maxCode bytes, which bounds how deep it gets.
func term(b []byte) (d dimension, rest []byte) {
	d.factor = 1
	power := 1
	if len(b) > 0 && b[0] == '/' {
		b, power = b[1:], -1
	}
	for len(b) > 0 {
		var part dimension
		if b[0] == '(' {
			part, b = term(b[1:])
			b = bytes.TrimPrefix(b, []byte{')'})
		} else {
			n := componentEnd(b)
			part, b = factor(b[:n]), b[n:]
		}
		d.times(&part, power)
		if len(b) == 0 || b[0] != '.' && b[0] != '/' {
			return d, b
		}
		power = 1
		if b[0] == '/' {
			power = -1
		}
		b = b[1:]
	}
	return d, b
}

// factor works one component out.
func factor(b []byte) (d dimension) {
	d.factor = 1
	b, _, _ = bytes.Cut(b, []byte{'{'}) // annotations mean nothing
	if len(b) == 0 {
		return d
	}
	if only(b, digit) {
		d.factor, _ = strconv.ParseFloat(string(b), 64)
		return d
	}
	atom, power := b, 1
	if !isAtom(b) {
		atom = bytes.TrimRight(b, "0123456789")
		if n := len(atom); n > 1 && (atom[n-1] == '-' || atom[n-1] == '+') {
			atom = atom[:n-1]
		}
		if p, err := strconv.Atoi(string(b[len(atom):])); err == nil && p > -100 && p < 100 {
			power = p
		}
	}
	var one dimension
	one.factor = 1
	if s, ok := seconds[string(atom)]; ok {
		one.factor, one.time = s, 1
	} else if f, ok := pure[string(atom)]; ok {
		one.factor = f
	} else if string(atom) == "Hz" || string(atom) == "Bq" {
		one.time = -1
	} else if p, ok := prefixed(atom); ok {
		one.factor = math.Pow10(p)
		switch rest := atom[prefixLen(atom):]; string(rest) {
		case "s":
			one.time = 1
		case "Hz", "Bq":
			one.time = -1
		default:
			one.other(rest, 1)
		}
	} else {
		one.other(atom, 1)
	}
	d.times(&one, power)
	return d
}

// prefixed returns the power of ten that an atom begins with, if it is not an
// atom as it is.
func prefixed(atom []byte) (int, bool) {
	n := prefixLen(atom)
	return powers[string(atom[:n])], n > 0
}

func prefixLen(atom []byte) int {
	if ucumMetric[string(atom)] || ucumOther[string(atom)] {
		return 0
	}
	for n := 1; n <= 2 && n < len(atom); n++ {
		if _, ok := powers[string(atom[:n])]; ok && ucumMetric[string(atom[n:])] {
			return n
		}
	}
	return 0
}
