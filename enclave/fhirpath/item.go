package fhirpath

import "strconv"

// An Item is one member of a result: a *Node, or a value that the expression
// computed: Boolean, Integer, Decimal, String, Temporal, Quantity or TypeInfo.
type Item interface {
	// Type is the type of the item, nil for a node that R4 doesn't define.
	Type() *Type
}

// The values of FHIRPath (N1, 5.5 and 2.2). String is not cut: it can hold content
// of the record.
type (
	Boolean bool
	Integer int32
	String  string

	// TypeInfo is what type() returns.
	TypeInfo struct{ Namespace, Name string }
)

func (Boolean) Type() *Type    { return booleanType }
func (Integer) Type() *Type    { return integerType }
func (String) Type() *Type     { return stringType }
func (TypeInfo) Type() *Type   { return typeInfoType }
func (Decimal) Type() *Type    { return decimalType }
func (Quantity) Type() *Type   { return quantityType }
func (t Temporal) Type() *Type { return t.kind }

// value converts a primitive of FHIR, and a Quantity, to what the operators
// and functions work on. Other items come back as they are. A primitive
// without a value is nil. It's an error when the text isn't of its type.
func value(i Item) (Item, error) {
	n, ok := i.(*Node)
	if !ok {
		return i, nil
	}
	switch {
	case n.typ == nil:
		return n, nil
	case n.typ.Is("Quantity"):
		q, ok := nodeQuantity(n)
		if !ok {
			return n, nil
		}
		return q, nil
	case n.typ.system == nil:
		return n, nil
	case !n.HasValue():
		return nil, nil
	}
	v, ok := primitive(n)
	if !ok {
		return nil, errValue
	}
	return v, nil
}

// primitive reads the text of a primitive as the type of its value.
func primitive(n *Node) (Item, bool) {
	quoted := n.kind == '"'
	switch n.typ.system {
	case booleanType:
		return Boolean(n.kind == 't'), n.kind == 't' || n.kind == 'f'
	case integerType:
		i, err := strconv.ParseInt(n.text, 10, 32)
		return Integer(i), err == nil && n.kind == '0'
	case decimalType:
		d, ok := parseDecimal(n.text)
		return d, ok && n.kind == '0'
	case dateType, dateTimeType, timeType:
		t, ok := parseTemporal(n.typ.system, n.text)
		return t, ok && quoted
	default:
		return String(n.text), quoted
	}
}
