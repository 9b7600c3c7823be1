package fhirpath

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// mulQuantities multiplies, or divides, with the units.
func mulQuantities(a, b Quantity, divide bool) (Item, error) {
	if a.calendar || b.calendar {
		a, b = a.bare(), b.bare()
	}
	switch x, y := alike(a, b); {
	case divide && (x.calendar || y.calendar) && isNumber(y) == isNumber(x):
		return ratio(x, y)
	case divide && sameUnit(a, b):
		return a.times(b, true, Quantity{unit: "1"})
	case isNumber(b):
		return a.times(b, divide, a)
	case isNumber(a) && !divide:
		return a.times(b, false, b)
	case a.calendar || b.calendar:
		return nil, errUnit // there are no products of calendar durations
	}
	if unit, ok := productUnit(a.unit, b.unit, divide); ok {
		return a.times(b, divide, Quantity{unit: unit})
	}
	return mulUnits(a, b, divide)
}

// bare is a quantity whose unit is a mere number, such as %, without it.
func (q Quantity) bare() Quantity {
	if m, ok := parseUnit(q.unit); ok && !q.calendar && m.dimension == (dimension{}) && !isNumber(q) {
		if i, err := (Quantity{unit: "1"}).with(m.factor.Mul(m.factor, q.rat())); i != nil && err == nil {
			return i.(Quantity)
		}
	}
	return q
}

func isNumber(q Quantity) bool { return !q.calendar && q.unit == "1" }

// ratio is how often b goes into a, of which at least one is a calendar duration.
func ratio(a, b Quantity) (Item, error) {
	x, y, fit, err := scales(a, b, false)
	switch {
	case err != nil:
		return nil, err
	case !fit:
		return nil, errUnit
	case b.value.sign() == 0:
		return nil, nil
	}
	r := new(big.Rat).Mul(a.rat(), x)
	r.Quo(r, new(big.Rat).Mul(b.rat(), y))
	return Quantity{unit: "1"}.with(r)
}

// times is a product or quotient of the numbers, with the unit of another quantity.
func (q Quantity) times(by Quantity, divide bool, unit Quantity) (Item, error) {
	if q.exact != nil || by.exact != nil {
		r := new(big.Rat).Set(by.rat())
		if divide {
			if r.Sign() == 0 {
				return nil, nil
			}
			r.Inv(r)
		}
		return unit.with(r.Mul(r, q.rat()))
	}
	compute := Decimal.mul
	if divide {
		compute = Decimal.quo
	}
	d, ok := compute(q.value, by.value)
	if !ok {
		return nil, nil
	}
	unit.value = d
	unit.exact = nil
	return unit, nil
}

// A power is an atom of a unit with its exponent.
type power struct {
	atom     string
	exponent int
	dimension
}

// productUnit writes the unit of a product: cm by cm2 is cm3, g by m is g.m. It's false for units
// in which something has to be converted, because they measure the same in different units, and for
// those that aren't plain.
func productUnit(a, b string, divide bool) (string, bool) {
	list, ok := powers(nil, a, 1)
	if !ok {
		return "", false
	}
	sense := 1
	if divide {
		sense = -1
	}
	if list, ok = powers(list, b, sense); !ok {
		return "", false
	}
	var parts []string
	for _, p := range list {
		switch {
		case p.exponent == 1:
			parts = append(parts, p.atom)
		case p.exponent != 0:
			parts = append(parts, p.atom+strconv.Itoa(p.exponent))
		}
	}
	if parts == nil {
		return "1", true
	}
	s := strings.Join(parts, ".")
	_, ok = parseUnit(s)
	return s, ok
}

// powers adds the atoms of a unit to a list.
func powers(list []power, unit string, sense int) ([]power, bool) {
	if unit == "" || len(unit) > maxUnit || strings.ContainsAny(unit, "(){}") {
		return nil, false
	}
	for len(unit) > 0 {
		turn := sense
		switch unit[0] {
		case '/':
			turn = -sense
			unit = unit[1:]
		case '.':
			unit = unit[1:]
		}
		end := strings.IndexAny(unit, "./")
		if end < 0 {
			end = len(unit)
		}
		atom, exponent, ok := splitPower(unit[:end])
		unit = unit[end:]
		m, known := parseUnit(atom)
		if !ok || !known || m.dimension == (dimension{}) {
			return nil, false
		}
		i := slices.IndexFunc(list, func(p power) bool { return p.dimension == m.dimension })
		switch {
		case i < 0:
			list = append(list, power{atom, exponent * turn, m.dimension})
		case list[i].atom != atom:
			return nil, false
		default:
			list[i].exponent += exponent * turn
		}
	}
	return list, true
}

// mulUnits multiplies in base units.
func mulUnits(a, b Quantity, divide bool) (Item, error) {
	m, ok := parseUnit(a.unit)
	n, ok2 := parseUnit(b.unit)
	if !ok || !ok2 {
		return nil, errUnit
	}
	x, y, power := new(big.Rat).Mul(m.factor, a.rat()), new(big.Rat).Mul(n.factor, b.rat()), 1
	if divide {
		if y.Sign() == 0 {
			return nil, nil
		}
		y.Inv(y)
		power = -1
	}
	dim, ok := m.times(n.dimension, power)
	if !ok {
		return nil, errUnit
	}
	return Quantity{unit: dim.String()}.with(x.Mul(x, y))
}
