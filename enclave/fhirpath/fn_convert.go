package fhirpath

import (
	"math/big"
	"strconv"
	"strings"
)

// conversions are those of FHIRPath 5.5: nil where there is no conversion.
var conversions = []struct {
	name    string
	typ     *Type
	convert func(Item) Item
}{
	{"Boolean", booleanType, toBoolean},
	{"Integer", integerType, toInteger},
	{"Decimal", decimalType, toDecimal},
	{"String", stringType, toText},
	{"Date", dateType, func(i Item) Item { return toTemporal(i, dateType) }},
	{"DateTime", dateTimeType, func(i Item) Item { return toTemporal(i, dateTimeType) }},
	{"Time", timeType, func(i Item) Item { return toTemporal(i, timeType) }},
	{"Quantity", quantityType, toQuantity},
}

func conversionFunctions() []function {
	var list []function
	for _, v := range conversions {
		most := 0
		if v.typ == quantityType {
			most = 1 // the unit
		}
		convert := func(c *call) (Item, error) {
			i, err := single(c.in)
			if i == nil || err != nil {
				return nil, err
			}
			if s, ok := i.(String); ok {
				if err := c.ev.spend(c.e, len(s)/bytesPerStep); err != nil {
					return nil, err
				}
			}
			r := v.convert(i)
			if q, ok := r.(Quantity); ok && c.has(0) {
				return c.inUnit(q)
			}
			return r, nil
		}
		list = append(list,
			function{name: "to" + v.name, max: most, gives: given(v.typ), eval: func(c *call) ([]Item, error) {
				r, err := convert(c)
				if r == nil || err != nil {
					return nil, err
				}
				return []Item{r}, nil
			}},
			function{name: "convertsTo" + v.name, max: most, gives: given(booleanType), eval: func(c *call) ([]Item, error) {
				r, err := convert(c)
				if len(c.in) == 0 || err != nil {
					return nil, err
				}
				return truthOf(r != nil).items(), nil
			}})
	}
	return list
}

// inUnit converts to the unit of the argument.
func (c *call) inUnit(q Quantity) (Item, error) {
	unit, ok, err := c.textArg(0)
	if err != nil || !ok {
		return nil, err
	}
	if err := c.ev.measured(c.e, q, Quantity{unit: unit}); err != nil {
		return nil, err
	}
	return q.in(unit)
}

func toBoolean(i Item) Item {
	switch v := i.(type) {
	case Boolean:
		return v
	case Integer:
		if v == 0 || v == 1 {
			return Boolean(v == 1)
		}
	case Decimal:
		if n, ok := v.integer(); ok {
			return toBoolean(n)
		}
	case String:
		switch strings.ToLower(string(v)) {
		case "true", "t", "yes", "y", "1", "1.0":
			return Boolean(true)
		case "false", "f", "no", "n", "0", "0.0":
			return Boolean(false)
		}
	}
	return nil
}

func toInteger(i Item) Item {
	switch v := i.(type) {
	case Integer:
		return v
	case Boolean:
		if v {
			return Integer(1)
		}
		return Integer(0)
	case String:
		if n, err := strconv.ParseInt(string(v), 10, 32); err == nil {
			return Integer(n)
		}
	}
	return nil
}

func toDecimal(i Item) Item {
	switch v := i.(type) {
	case Decimal:
		return v
	case Integer:
		return decimalOf(int64(v))
	case Boolean:
		if v {
			return Decimal{pow10(1), 1}
		}
		return Decimal{new(big.Int), 1}
	case String:
		if d, ok := parseDecimal(string(v)); ok && !strings.ContainsAny(string(v), "eE") {
			return d
		}
	}
	return nil
}

func toText(i Item) Item {
	switch v := i.(type) {
	case String:
		return v
	case Boolean:
		return String(strconv.FormatBool(bool(v)))
	case Integer:
		return String(strconv.Itoa(int(v)))
	case Decimal:
		return String(v.String())
	case Temporal:
		return String(v.String())
	case Quantity:
		return String(v.String())
	}
	return nil
}

func toTemporal(i Item, kind *Type) Item {
	switch v := i.(type) {
	case String:
		if t, ok := parseTemporal(kind, string(v)); ok {
			return t
		}
	case Temporal:
		switch {
		case v.kind == kind:
			return v
		case v.kind == timeType || kind == timeType:
		case kind == dateType:
			return v.date()
		default:
			v.kind = dateTimeType
			return v
		}
	}
	return nil
}

// date is the day of a DateTime.
func (t Temporal) date() Temporal {
	return Temporal{kind: dateType, prec: min(t.prec, day), fields: [6]int{t.fields[year], t.fields[month], t.fields[day]}}
}

func toQuantity(i Item) Item {
	switch v := i.(type) {
	case Quantity:
		return v
	case Integer:
		return Quantity{value: decimalOf(int64(v)), unit: "1"}
	case Decimal:
		return Quantity{value: v, unit: "1"}
	case Boolean:
		return Quantity{value: toDecimal(v).(Decimal), unit: "1"}
	case String:
		if q, ok := parseQuantity(string(v)); ok {
			return q
		}
	}
	return nil
}
