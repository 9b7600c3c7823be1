package fhirpath

import "math/big"

// Boundaries are those of FHIRPath 3.0: the least and the greatest value that is written as the
// input is, at a precision. 1.5 is anything from 1.45 to 1.55, @2020 from January to December.
// Where the precision is too coarse for the boundary, it is rounded away from the input, so that
// the input stays within.

const (
	boundaryPlaces    = 8  // of a Decimal, when the caller doesn't say
	maxBoundaryPlaces = 28 // FHIRPath's digits
	boundaryDigits    = 3  // of a second
)

// Offsets from UTC, in minutes, of a DateTime without one: the earliest and latest that the world
// has.
const (
	earliestOffset = 14 * 60
	latestOffset   = -12 * 60
)

func boundaryFunctions() []function {
	takes := []*Type{integerType, decimalType, quantityType, dateType, dateTimeType, timeType}
	return []function{
		{name: "lowBoundary", max: 1, takes: takes, gives: boundaryType, eval: func(c *call) ([]Item, error) { return c.boundary(false) }},
		{name: "highBoundary", max: 1, takes: takes, gives: boundaryType, eval: func(c *call) ([]Item, error) { return c.boundary(true) }},
	}
}

func boundaryType(in static, _ []static) static {
	out := static{open: in.open}
	for _, t := range in.types {
		switch v := t.value(); {
		case v == integerType:
			out.add(of(decimalType))
		case t.abstract():
			out.open = true
		default:
			out.add(of(v))
		}
	}
	return out
}

// boundary is empty for a precision that there isn't.
func (c *call) boundary(high bool) ([]Item, error) {
	i, err := single(c.in)
	if err != nil || i == nil {
		return nil, err
	}
	precision, given, err := c.intArg(0)
	if err != nil || c.has(0) && !given {
		return nil, err
	}
	if !given {
		precision = boundaryPlaces
	}
	var out Item
	ok := false
	switch v := i.(type) {
	case Quantity:
		if v.value, ok = v.value.boundary(precision, high); ok {
			v.exact, out = nil, v
		}
	case Temporal:
		if !given {
			precision = len(v.precisions()) - 1
		} else {
			precision = v.precisionOf(precision)
		}
		if ok = precision >= 0; ok {
			out = v.boundary(precision, high)
		}
	default:
		d, number := number1(i)
		if !number {
			if unmapped(i) {
				return nil, errQuantity
			}
			return nil, errOperands
		}
		out, ok = d.boundary(precision, high)
	}
	if !ok {
		return nil, nil
	}
	return []Item{out}, nil
}

// boundary is d with half of its last place less or more, at a number of places.
func (d Decimal) boundary(places int, high bool) (Decimal, bool) {
	if places < 0 || places > maxBoundaryPlaces {
		return Decimal{}, false
	}
	half := Decimal{big.NewInt(-5), d.scale + 1}
	if high {
		half = half.neg()
	}
	b, ok := d.add(half)
	if !ok {
		return Decimal{}, false
	}
	if b.scale <= places {
		return Decimal{new(big.Int).Mul(b.unscaled, pow10(places-b.scale)), places}.checked()
	}
	q, r := new(big.Int).DivMod(b.unscaled, pow10(b.scale-places), new(big.Int)) // rounds down
	if high && r.Sign() != 0 {
		q.Add(q, big.NewInt(1))
	}
	return Decimal{q, places}, true
}

// precisions are the digits of each precision that a kind of Temporal can have, the coarsest first;
// the last is that of thousandths of a second.
func (t Temporal) precisions() []int {
	switch t.kind {
	case dateType:
		return []int{4, 6, 8}
	case timeType:
		return []int{2, 4, 6, 9}
	}
	return []int{4, 6, 8, 10, 12, 14, 17}
}

// precisionOf returns the place of a number of digits in precisions, or -1.
func (t Temporal) precisionOf(digits int) int {
	for i, d := range t.precisions() {
		if d == digits {
			return i
		}
	}
	return -1
}

// boundary is the first or last moment that t can be, at a precision by its place in precisions.
// What t has beyond it is cut off.
func (t Temporal) boundary(place int, high bool) Temporal {
	prec := precision(place)
	if t.kind == timeType {
		prec += hour
	}
	fraction := prec > second
	prec = min(prec, second)
	fill := [6]int{1, 1, 1, 0, 0, 0}
	if high {
		fill = [6]int{9999, 12, 31, 23, 59, 59}
	}
	had := t.prec
	for p := had + 1; p <= prec; p++ {
		t.fields[p] = fill[p]
		if p == day && high {
			t.fields[p] = daysIn(t.fields[year], t.fields[month])
		}
	}
	for p := prec + 1; p <= second; p++ {
		t.fields[p] = [6]int{1, 1, 1, 0, 0, 0}[p]
	}
	t.prec = prec
	t.boundFraction(fraction, had == second && t.digits > 0, high)
	switch {
	case prec < hour:
		t.zoned, t.offset = false, 0
	case t.kind == dateTimeType && !t.zoned:
		t.zoned, t.offset = true, earliestOffset
		if high {
			t.offset = latestOffset
		}
	}
	return t
}

// boundFraction gives t thousandths of a second, or takes its fraction away. A fraction that t has
// is one of thousandths, however many digits it was written with.
func (t *Temporal) boundFraction(wanted, had, high bool) {
	switch {
	case !wanted:
		t.nano, t.digits = 0, 0
	case had:
		t.nano, t.digits = t.nano/1e6*1e6, boundaryDigits
	default:
		t.nano, t.digits = 0, boundaryDigits
		if high {
			t.nano = 999e6
		}
	}
}
