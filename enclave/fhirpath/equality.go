package fhirpath

import (
	"errors"
	"strings"
)

// equality is = and, with sense -1, !=. Empty on either side is unknown.
func (ev *evaluator) equality(e *expr, a, b []Item, sense truth) ([]Item, error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, nil
	}
	t, err := ev.equalAll(e, a, b)
	return (t * sense).items(), err
}

// equalAll compares two lists in order.
func (ev *evaluator) equalAll(e *expr, a, b []Item) (truth, error) {
	if len(a) != len(b) {
		return no, nil
	}
	all := yes
	for i := range a {
		t, err := ev.equal(e, a[i], b[i])
		if err != nil || t == no {
			return no, err
		}
		all = min(all, t)
	}
	return all, nil
}

// equal compares two items (6.1.1). Items of types that don't compare are not
// equal; dates of different precision are unknown.
func (ev *evaluator) equal(e *expr, a, b Item) (truth, error) {
	if err := ev.spend(e, 1); err != nil {
		return no, err
	}
	n, isNode := a.(*Node)
	m, ok := b.(*Node)
	if isNode = isNode && ok; isNode && n == m {
		return yes, nil
	}
	x, y, err := ev.values(e, a, b)
	if errors.Is(err, ErrBudget) {
		return no, err
	}
	// Of two elements nothing need be computed: where a value can't be, its text says whether they
	// are the same.
	if isNode && (err != nil || (x == a || x == nil) && (y == b || y == nil)) {
		return ev.equalNodes(e, n, m)
	}
	if err != nil {
		return no, err
	}
	if err := ev.compared(e, x, y); err != nil {
		return no, err
	}
	t, err := equalValues(x, y, e.exact)
	if (err == errUnit || err == errQuantity) && isNode {
		return ev.equalNodes(e, n, m) // elements are the same or not, whatever their units mean
	}
	return t, err
}

// values returns the values of two items, and counts what it takes to compute with them.
func (ev *evaluator) values(e *expr, a, b Item) (x, y Item, err error) {
	if err := ev.weigh(e, a); err != nil {
		return nil, nil, err
	}
	if err := ev.weigh(e, b); err != nil {
		return nil, nil, err
	}
	if x, err = value(a); err != nil {
		return nil, nil, err
	}
	if y, err = value(b); err != nil {
		return nil, nil, err
	}
	return x, y, ev.measured(e, x, y)
}

func equalValues(x, y Item, exact bool) (truth, error) {
	if x == nil || y == nil {
		return no, nil
	}
	if c, d, _, ok := numbers(x, y); ok {
		return truthOf(c.cmp(d) == 0), nil
	}
	p, q, ok, err := quantities(x, y)
	if err != nil {
		return no, err
	}
	if ok {
		cmp, known, err := orderQuantities(p, q)
		if !known {
			return unknown, err
		}
		return truthOf(cmp == 0), nil
	}
	if t, ok := x.(Temporal); ok {
		u, ok := y.(Temporal)
		if !ok || !t.comparable(u) {
			return no, nil
		}
		cmp, known := t.order(u, exact)
		if !known {
			return unknown, nil
		}
		return truthOf(cmp == 0), nil
	}
	switch x.(type) {
	case Boolean, String, TypeInfo:
		return truthOf(x == y), nil
	}
	return no, nil
}

// equalNodes compares what is below two elements; the order of names does not
// count, that of items does.
func (ev *evaluator) equalNodes(e *expr, n, m *Node) (truth, error) {
	if err := ev.compared(e, String(n.text), String(m.text)); err != nil {
		return no, err
	}
	if !n.sameText(m) || len(n.fields) != len(m.fields) {
		return no, nil
	}
	all := yes
	for i := range n.fields {
		f := &n.fields[i]
		if err := ev.spend(e, len(m.fields)); err != nil {
			return no, err
		}
		g := m.field(f.member)
		if g == nil || len(f.nodes) != len(g.nodes) {
			return no, nil
		}
		for j := range f.nodes {
			t, err := ev.equal(e, f.nodes[j], g.nodes[j])
			if err != nil || t == no {
				return no, err
			}
			all = min(all, t)
		}
	}
	return all, nil
}

// sameText compares what was written. Numbers too large for a Decimal are the same number or not
// all the same.
func (n *Node) sameText(m *Node) bool {
	return n.kind == m.kind && (n.text == m.text || n.kind == '0' && sameNumber(n.text, m.text))
}

func (n *Node) field(member string) *field {
	for i := range n.fields {
		if n.fields[i].member == member {
			return &n.fields[i]
		}
	}
	return nil
}

// has reports whether a list holds an item.
func (ev *evaluator) has(e *expr, list []Item, i Item) (bool, error) {
	for _, other := range list {
		t, err := ev.equal(e, other, i)
		if err != nil || t == yes {
			return t == yes, err
		}
	}
	return false, nil
}

// repeated is has for items that are kept when they can't be compared: a set with both answers no
// question wrong.
func (ev *evaluator) repeated(e *expr, list []Item, i Item) (bool, error) {
	for _, other := range list {
		t, err := ev.equal(e, other, i)
		switch err {
		case nil, errUnit, errQuantity, errValue:
		default:
			return false, err
		}
		if err == nil && t == yes {
			return true, nil
		}
	}
	return false, nil
}

// distinct keeps the first of equal items.
func (ev *evaluator) distinct(e *expr, in []Item) ([]Item, error) {
	var out []Item
	for _, i := range in {
		found, err := ev.repeated(e, out, i)
		if err != nil {
			return nil, err
		}
		if !found {
			out = append(out, i)
		}
	}
	return out, nil
}

// unite leaves out what is there twice. With Exact an element is only itself.
func (ev *evaluator) unite(e *expr, in []Item) ([]Item, error) {
	if !e.exact {
		return ev.distinct(e, in)
	}
	if err := ev.spend(e, len(in)); err != nil {
		return nil, err
	}
	seen := map[*Node]bool{}
	var out, values []Item
	for _, i := range in {
		if n, ok := i.(*Node); ok {
			if !seen[n] {
				seen[n] = true
				out = append(out, n)
			}
			continue
		}
		found, err := ev.repeated(e, values, i)
		if err != nil {
			return nil, err
		}
		if !found {
			out, values = append(out, i), append(values, i)
		}
	}
	return out, nil
}

func items(nodes []*Node) []Item {
	out := make([]Item, len(nodes))
	for i, n := range nodes {
		out[i] = n
	}
	return out
}

// ordering makes an operator of < and its like (6.2).
func ordering(holds func(int) bool) operator {
	return func(ev *evaluator, e *expr, a, b []Item) ([]Item, error) {
		x, err := single(a)
		if err != nil {
			return nil, err
		}
		y, err := single(b)
		if err != nil || x == nil || y == nil {
			return nil, err
		}
		if err := ev.compared(e, x, y); err != nil {
			return nil, err
		}
		if err := ev.measured(e, x, y); err != nil {
			return nil, err
		}
		cmp, known, err := order(x, y, e.exact)
		if err != nil || !known {
			return nil, err
		}
		return truthOf(holds(cmp)).items(), nil
	}
}

// order compares two values; it's an error for those that have no order.
func order(x, y Item, exact bool) (cmp int, known bool, err error) {
	if c, d, _, ok := numbers(x, y); ok {
		return c.cmp(d), true, nil
	}
	p, q, ok, err := quantities(x, y)
	if err != nil {
		return 0, false, err
	}
	if ok {
		return orderQuantities(p, q)
	}
	switch v := x.(type) {
	case String:
		if w, ok := y.(String); ok {
			return strings.Compare(string(v), string(w)), true, nil
		}
	case Temporal:
		if w, ok := y.(Temporal); ok && v.comparable(w) {
			cmp, known := v.order(w, exact)
			return cmp, known, nil
		}
	}
	return 0, false, errOperands
}
