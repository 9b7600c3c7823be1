package fhirpath

import "math"

var numbersOnly = []*Type{integerType, decimalType, quantityType}

// mathFunctions are those of FHIRPath 5.7, and precision() and comparable() of
// the later draft.
func mathFunctions() []function {
	i, d, b := given(integerType), given(decimalType), given(booleanType)
	plain := numbersOnly[:2]
	return []function{
		{name: "abs", takes: numbersOnly, gives: same, eval: abs},
		{name: "ceiling", takes: plain, gives: i, eval: onNumber(func(_ *call, d Decimal) (Item, error) { return floor(d.neg(), -1) })},
		{name: "floor", takes: plain, gives: i, eval: onNumber(func(_ *call, d Decimal) (Item, error) { return floor(d, 1) })},
		{name: "truncate", takes: plain, gives: i, eval: onNumber(func(_ *call, d Decimal) (Item, error) { return result(d.truncated(), true, true) })},
		{name: "round", max: 1, takes: plain, gives: d, eval: onNumber(round)},
		{name: "sqrt", takes: plain, gives: d, eval: onNumber(func(_ *call, d Decimal) (Item, error) {
			r, ok := d.sqrt()
			return result(r, ok, false)
		})},
		{name: "exp", takes: plain, gives: d, eval: onNumber(func(_ *call, d Decimal) (Item, error) { return float(math.Exp(d.float())) })},
		{name: "ln", takes: plain, gives: d, eval: onNumber(func(_ *call, d Decimal) (Item, error) { return logarithm(d, math.E) })},
		{name: "log", min: 1, max: 1, takes: plain, gives: d, eval: onNumber(func(c *call, d Decimal) (Item, error) {
			base, ok, err := c.numberArg(0)
			if err != nil || !ok {
				return nil, err
			}
			return logarithm(d, base.float())
		})},
		{name: "power", min: 1, max: 1, takes: plain, eval: toPower},
		{name: "precision", gives: i, eval: digits},
		{name: "comparable", min: 1, max: 1, takes: numbersOnly, gives: b, eval: comparableUnits},
	}
}

// onNumber makes a function on the only item of the input, a number.
func onNumber(f func(c *call, d Decimal) (Item, error)) func(*call) ([]Item, error) {
	return func(c *call) ([]Item, error) {
		i, err := single(c.in)
		if err != nil || i == nil {
			return nil, err
		}
		d, ok := number1(i)
		if !ok {
			return nil, errNumber
		}
		r, err := f(c, d)
		if r == nil || err != nil {
			return nil, err
		}
		return []Item{r}, nil
	}
}

func (c *call) numberArg(n int) (Decimal, bool, error) {
	a, err := c.arg(n)
	if err != nil {
		return Decimal{}, false, err
	}
	i, err := single(a)
	if err != nil || i == nil {
		return Decimal{}, false, err
	}
	d, ok := number1(i)
	if !ok {
		return d, false, errNumber
	}
	return d, true, nil
}

func abs(c *call) ([]Item, error) {
	i, err := single(c.in)
	if err != nil || i == nil {
		return nil, err
	}
	negative := false
	switch v := i.(type) {
	case Integer:
		negative = v < 0
	case Decimal:
		negative = v.sign() < 0
	case Quantity:
		negative = v.value.sign() < 0
	default:
		return nil, errNumber
	}
	if negative {
		i = negated(i)
	}
	return []Item{i}, nil
}

// floor is the whole number below, times sense.
func floor(d Decimal, sense int64) (Item, error) {
	t := d.truncated()
	if t.cmp(d) > 0 {
		t, _ = t.add(decimalOf(-1))
	}
	r, ok := t.mul(decimalOf(sense))
	return result(r, ok, true)
}

func round(c *call, d Decimal) (Item, error) {
	places, _, err := c.intArg(0)
	if err != nil {
		return nil, err
	}
	if places < 0 {
		return nil, errOperands
	}
	return d.rounded(places), nil
}

func float(f float64) (Item, error) {
	d, ok := fromFloat(f)
	return result(d, ok, false)
}

func logarithm(d Decimal, base float64) (Item, error) {
	if d.sign() <= 0 || base <= 0 || base == 1 {
		return nil, nil
	}
	return float(math.Log(d.float()) / math.Log(base))
}

// toPower is exact for whole exponents, and an Integer when both sides are.
func toPower(c *call) ([]Item, error) {
	i, err := single(c.in)
	if err != nil || i == nil {
		return nil, err
	}
	base, ok := number1(i)
	if !ok {
		return nil, errNumber
	}
	exponent, ok, err := c.numberArg(0)
	if err != nil || !ok {
		return nil, err
	}
	// Whole exponents are as many products.
	if n, ok := exponent.integer(); ok {
		if err := c.ev.spend(c.e, min(absolute(int(n)), 4*maxDigits)/8); err != nil {
			return nil, err
		}
	}
	r, err := raise(base, exponent)
	if err != nil || r == nil {
		return nil, err
	}
	if _, ok := i.(Integer); ok {
		if n, ok := r.(Decimal).integer(); ok && exponent.scale == 0 {
			r = n
		}
	}
	return []Item{r}, nil
}

func raise(base, exponent Decimal) (Item, error) {
	const most = maxDigits * 4 // 2 to that power has more digits than we compute with
	n, whole := exponent.integer()
	if !whole || n < 0 || n > most {
		return float(math.Pow(base.float(), exponent.float()))
	}
	r := decimalOf(1)
	for range n {
		var ok bool
		if r, ok = r.mul(base); !ok {
			return nil, nil
		}
	}
	return r, nil
}

// digits counts those that a value was written with.
func digits(c *call) ([]Item, error) {
	i, err := single(c.in)
	if err != nil || i == nil {
		return nil, err
	}
	switch v := i.(type) {
	case Integer:
		return []Item{Integer(0)}, nil
	case Decimal:
		return []Item{Integer(v.scale)}, nil
	case Temporal:
		n := 2 * int(v.prec+2)
		if v.kind == timeType {
			n = 2 * int(v.prec-2)
		}
		if v.digits > 0 {
			n += 3 // a fraction counts as milliseconds
		}
		return []Item{Integer(n)}, nil
	}
	return nil, errOperands
}

// comparableUnits reports whether two quantities measure the same.
func comparableUnits(c *call) ([]Item, error) {
	a, err := single(c.in)
	if err != nil || a == nil {
		return nil, err
	}
	arg, err := c.arg(0)
	if err != nil {
		return nil, err
	}
	b, err := single(arg)
	if err != nil || b == nil {
		return nil, err
	}
	if err := c.ev.measured(c.e, a, b); err != nil {
		return nil, err
	}
	x, y, ok, err := quantities(a, b)
	if !ok {
		if err == nil {
			err = errNumber
		}
		return nil, err
	}
	x, y = alike(x, y)
	_, _, fit, _ := scales(x, y, false) // a unit that isn't known fits none
	return truthOf(fit).items(), nil
}
