package fhirpath

import (
	"fmt"
	"strings"
)

// write prints the tree so that it parses to itself. Operands that are
// operators stand in parentheses.
func (e *expr) write(b *strings.Builder) {
	if e.focus != nil {
		e.focus.operand(b)
		if e.op != opIndex {
			b.WriteByte('.')
		}
	}
	switch e.op {
	case opLiteral:
		b.WriteString(literalText(e.literal))
	case opEmpty:
		b.WriteString("{}")
	case opVariable:
		b.WriteString(e.name)
	case opConstant:
		b.WriteString("%" + name(e.name))
	case opMember:
		b.WriteString(name(e.name))
	case opCall:
		b.WriteString(functionName(e.name) + "(")
		for i, a := range e.args {
			if i > 0 {
				b.WriteString(", ")
			}
			a.write(b)
		}
		b.WriteByte(')')
	case opIndex:
		b.WriteByte('[')
		e.args[0].write(b)
		b.WriteByte(']')
	case opUnary:
		b.WriteString(e.name)
		e.args[0].operand(b)
	case opBinary:
		e.args[0].operand(b)
		b.WriteString(" " + e.name + " ")
		e.args[1].operand(b)
	case opType:
		e.args[0].operand(b)
		b.WriteString(" " + e.name + " ")
		if e.space != "" {
			b.WriteString(name(e.space) + ".")
		}
		b.WriteString(name(string(e.literal.(String))))
	}
}

func (e *expr) operand(b *strings.Builder) {
	switch e.op {
	case opUnary, opBinary, opType:
		b.WriteByte('(')
		e.write(b)
		b.WriteByte(')')
	default:
		e.write(b)
	}
}

func literalText(i Item) string {
	switch v := i.(type) {
	case String:
		return quote(string(v))
	case Temporal:
		return v.literal()
	default:
		return fmt.Sprint(v)
	}
}

// functionName needs no backticks for is, as and contains.
func functionName(s string) string {
	if s == "is" || s == "as" || s == "contains" || s == "in" {
		return s
	}
	return name(s)
}
