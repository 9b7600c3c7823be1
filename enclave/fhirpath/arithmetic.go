package fhirpath

import "math"

// arithmetic makes an operator of a function on two values. Where one side is
// empty, or the result is none (6.6: division by zero, overflow), it's empty.
func arithmetic(compute func(a, b Item) (Item, error)) operator {
	return func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) {
		x, err := single(a)
		if err != nil {
			return nil, err
		}
		y, err := single(b)
		if err != nil || x == nil || y == nil {
			return nil, err
		}
		if s, ok := x.(String); ok {
			if t, ok := y.(String); ok {
				return joinedBy(compute, s, t)
			}
		}
		if err := ev.measured(e, x, y); err != nil {
			return nil, err
		}
		r, err := compute(x, y)
		if err != nil || r == nil {
			return nil, err
		}
		return []Item{r}, nil
	}
}

// joinedBy bounds a string before it is made.
func joinedBy(compute func(a, b Item) (Item, error), s, t String) ([]Item, error) {
	if len(s)+len(t) > maxText {
		return nil, ErrBudget
	}
	r, err := compute(s, t)
	if err != nil {
		return nil, err
	}
	return []Item{r}, nil
}

// numbers returns both sides as Decimal; whole says that both are Integer.
func numbers(a, b Item) (x, y Decimal, whole, ok bool) {
	x, ok = number1(a)
	if !ok {
		return
	}
	y, ok = number1(b)
	_, i := a.(Integer)
	_, j := b.(Integer)
	return x, y, i && j, ok
}

func number1(i Item) (Decimal, bool) {
	switch v := i.(type) {
	case Integer:
		return decimalOf(int64(v)), true
	case Decimal:
		return v, true
	}
	return Decimal{}, false
}

// quantities returns both sides as Quantity, when one of them is. It's an error when one is a FHIR
// Quantity that isn't one of FHIRPath and the other side is a Quantity or a number: then any answer
// could be wrong.
func quantities(a, b Item) (x, y Quantity, ok bool, err error) {
	x, i := quantity1(a)
	y, j := quantity1(b)
	if i && unmapped(b) || j && unmapped(a) || unmapped(a) && unmapped(b) {
		return x, y, false, errQuantity
	}
	_, n := a.(Quantity)
	_, m := b.(Quantity)
	return x, y, i && j && (n || m), nil
}

// quantity1 takes a number for a Quantity without unit.
func quantity1(i Item) (Quantity, bool) {
	if q, ok := i.(Quantity); ok {
		return q, true
	}
	d, ok := number1(i)
	return Quantity{value: d, unit: "1"}, ok
}

// result is an Integer where both sides were, and empty on overflow.
func result(d Decimal, ok, whole bool) (Item, error) {
	if !ok {
		return nil, nil
	}
	if !whole {
		return d, nil
	}
	i, ok := d.integer()
	if !ok {
		return nil, nil
	}
	return i, nil
}

// operandsError is what is wrong with operands that are no quantities.
func operandsError(err error) error {
	if err == nil {
		err = errOperands
	}
	return err
}

func plus(a, b Item) (Item, error) {
	if x, y, whole, ok := numbers(a, b); ok {
		d, ok := x.add(y)
		return result(d, ok, whole)
	}
	if s, ok := a.(String); ok {
		if t, ok := b.(String); ok {
			return s + t, nil
		}
	}
	if t, ok := a.(Temporal); ok {
		if q, ok := b.(Quantity); ok {
			return t.add(q)
		}
	}
	x, y, ok, err := quantities(a, b)
	if !ok {
		return nil, operandsError(err)
	}
	return addQuantities(x, y)
}

func minus(a, b Item) (Item, error) {
	if _, ok := b.(String); ok {
		return nil, errOperands
	}
	switch v := b.(type) {
	case Integer: // its negative may not be one
		if v == math.MinInt32 {
			if x, y, whole, ok := numbers(a, b); ok {
				d, ok := x.add(y.neg())
				return result(d, ok, whole)
			}
		}
	}
	return plus(a, negated(b))
}

func times(a, b Item) (Item, error) {
	if x, y, whole, ok := numbers(a, b); ok {
		d, ok := x.mul(y)
		return result(d, ok, whole)
	}
	x, y, ok, err := quantities(a, b)
	if !ok {
		return nil, operandsError(err)
	}
	return mulQuantities(x, y, false)
}

// divided is always a Decimal.
func divided(a, b Item) (Item, error) {
	if x, y, _, ok := numbers(a, b); ok {
		d, ok := x.quo(y)
		return result(d, ok, false)
	}
	x, y, ok, err := quantities(a, b)
	if !ok {
		return nil, operandsError(err)
	}
	return mulQuantities(x, y, true)
}

// div is always an Integer.
func div(a, b Item) (Item, error) {
	x, y, _, ok := numbers(a, b)
	if !ok {
		return nil, errOperands
	}
	d, ok := x.div(y)
	return result(d, ok, true)
}

func mod(a, b Item) (Item, error) {
	x, y, whole, ok := numbers(a, b)
	if !ok {
		return nil, errOperands
	}
	d, ok := x.mod(y)
	return result(d, ok, whole)
}
