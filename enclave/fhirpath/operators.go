package fhirpath

import "strings"

// An operator computes from two collections that have been evaluated.
type operator func(ev *evaluator, e *expr, a, b []Item) ([]Item, error)

// operators but and, or, xor, implies, which may leave their right side alone.
var operators = map[string]operator{
	"=":  func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) { return ev.equality(e, a, b, 1) },
	"!=": func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) { return ev.equality(e, a, b, -1) },
	"~":  func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) { return ev.equivalence(e, a, b, true) },
	"!~": func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) { return ev.equivalence(e, a, b, false) },
	"<":  ordering(func(c int) bool { return c < 0 }),
	">":  ordering(func(c int) bool { return c > 0 }),
	"<=": ordering(func(c int) bool { return c <= 0 }),
	">=": ordering(func(c int) bool { return c >= 0 }),
	"|": func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) {
		return ev.unite(e, append(a[:len(a):len(a)], b...))
	},
	"in":       func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) { return ev.membership(e, a, b) },
	"contains": func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) { return ev.membership(e, b, a) },
	"&":        concatenate,
	"+":        arithmetic(plus),
	"-":        arithmetic(minus),
	"*":        arithmetic(times),
	"/":        arithmetic(divided),
	"div":      arithmetic(div),
	"mod":      arithmetic(mod),
}

// logic is the three-valued logic of FHIRPath (6.5).
var logic = map[string]func(a, b truth) truth{
	"and": func(a, b truth) truth { return min(a, b) },
	"or":  func(a, b truth) truth { return max(a, b) },
	"xor": func(a, b truth) truth { return -a * b },
	"implies": func(a, b truth) truth {
		return max(-a, b)
	},
}

// settled is the left side that decides alone.
var settled = map[string]truth{"and": no, "or": yes, "implies": no}

func (ev *evaluator) binary(e *expr, sc scope) ([]Item, error) {
	a, err := ev.eval(e.args[0], sc)
	if err != nil {
		return nil, err
	}
	if e.operator == nil {
		return ev.logical(e, a, sc)
	}
	b, err := ev.eval(e.args[1], sc)
	if err != nil {
		return nil, err
	}
	out, err := e.operator(ev, e, a, b)
	if err != nil {
		return nil, ev.named(e, err)
	}
	return out, nil
}

func (ev *evaluator) logical(e *expr, left []Item, sc scope) ([]Item, error) {
	a, err := boolean(left)
	if err != nil {
		return nil, ev.named(e, err)
	}
	if s, ok := settled[e.name]; ok && a == s {
		return logic[e.name](a, unknown).items(), nil
	}
	right, err := ev.eval(e.args[1], sc)
	if err != nil {
		return nil, err
	}
	b, err := boolean(right)
	if err != nil {
		return nil, ev.named(e, err)
	}
	return logic[e.name](a, b).items(), nil
}

func (ev *evaluator) unary(e *expr, sc scope) ([]Item, error) {
	in, err := ev.eval(e.args[0], sc)
	if err != nil {
		return nil, err
	}
	i, err := single(in)
	if err != nil {
		return nil, ev.named(e, err)
	}
	if i == nil {
		return nil, nil
	}
	if e.name == "-" {
		i = negated(i)
	}
	if d, ok := i.(Decimal); ok && d.scale == 0 && e.args[0].op == opLiteral {
		i, _ = d.integer() // see lowest
	}
	switch i.(type) {
	case Integer, Decimal, Quantity:
		return []Item{i}, nil
	}
	return nil, ev.fail(e, errNumber)
}

func negated(i Item) Item {
	switch v := i.(type) {
	case Integer:
		d, ok := decimalOf(-int64(v)).integer()
		if !ok {
			return decimalOf(-int64(v))
		}
		return d
	case Decimal:
		return v.neg()
	case Quantity:
		return v.neg()
	}
	return i
}

func (ev *evaluator) typeOperator(e *expr, sc scope) ([]Item, error) {
	in, err := ev.eval(e.args[0], sc)
	if err != nil {
		return nil, err
	}
	out, err := ev.typeTest(e, in)
	if err != nil {
		return nil, ev.named(e, err)
	}
	return out, nil
}

// typeTest is is and as, which take one item.
func (ev *evaluator) typeTest(e *expr, in []Item) ([]Item, error) {
	switch {
	case len(in) == 0:
		return nil, nil
	case e.name == "as" && e.exact:
		return ev.filter(e, in)
	case len(in) > 1:
		return nil, errSingle
	case e.name == "is":
		return truthOf(e.ofType(in[0])).items(), nil
	}
	return ev.filter(e, in)
}

// ofType is what is asks: whether an item is of a type or specializes it.
func (e *expr) ofType(i Item) bool {
	for _, t := range e.types {
		if u := i.Type(); u == t || !e.exact && u.is(t) {
			return true
		}
	}
	return false
}

// filter is ofType() and as.
func (ev *evaluator) filter(e *expr, in []Item) ([]Item, error) {
	var out []Item
	for _, i := range in {
		if err := ev.weigh(e, i); err != nil {
			return nil, err
		}
		if e.selects(i) {
			out = append(out, i)
		}
	}
	return out, nil
}

// selects reports whether ofType() and as keep an item. There the primitives of FHIR are types of
// their own (R4, 2.9.1.5): a code is no string. A System type keeps the elements that have such a
// value (R4, 2.9.1.2), and they stay elements, so that a rule can change them.
func (e *expr) selects(i Item) bool {
	u := i.Type()
	for _, t := range e.types {
		if u == t || !e.exact && !t.primitive() && u.is(t) || t.space == systemSpace && hasValueOf(i, t) {
			return true
		}
	}
	return false
}

// hasValueOf reports whether i is an element with a value of a System type.
func hasValueOf(i Item, t *Type) bool {
	n, ok := i.(*Node)
	if !ok || n.typ == nil || n.typ.value() != t {
		return false
	}
	if t == quantityType {
		_, ok = nodeQuantity(n)
		return ok
	}
	return n.HasValue()
}

func (ev *evaluator) membership(e *expr, item, list []Item) ([]Item, error) {
	switch {
	case len(item) == 0:
		return nil, nil
	case len(item) > 1:
		return nil, errSingle
	}
	found, err := ev.has(e, list, item[0])
	return truthOf(found).items(), err
}

// concatenate is &, for which nothing is an empty string.
func concatenate(_ *evaluator, _ *expr, a, b []Item) ([]Item, error) {
	x, _, err := text(a)
	if err != nil {
		return nil, err
	}
	y, _, err := text(b)
	if err != nil {
		return nil, err
	}
	return joined(x, y)
}

func joined(parts ...string) ([]Item, error) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > maxText {
		return nil, ErrBudget
	}
	return []Item{String(strings.Join(parts, ""))}, nil
}
