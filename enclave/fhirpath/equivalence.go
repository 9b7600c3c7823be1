package fhirpath

import (
	"errors"
	"strings"
)

// equivalence is ~ and !~, which are never unknown (6.1.2). Order doesn't count.
func (ev *evaluator) equivalence(e *expr, a, b []Item, sense bool) ([]Item, error) {
	ok, err := ev.equivalentAll(e, a, b)
	return truthOf(ok == sense).items(), err
}

func (ev *evaluator) equivalentAll(e *expr, a, b []Item) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	used := make([]bool, len(b))
next:
	for _, i := range a {
		for j := range b {
			if used[j] {
				continue
			}
			ok, err := ev.equivalent(e, i, b[j])
			if err != nil {
				return false, err
			}
			if ok {
				used[j] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

func (ev *evaluator) equivalent(e *expr, a, b Item) (bool, error) {
	if err := ev.spend(e, 1); err != nil {
		return false, err
	}
	x, y, err := ev.values(e, a, b)
	if errors.Is(err, ErrBudget) {
		return false, err
	}
	n, isNode := a.(*Node)
	m, ok := b.(*Node)
	isNode = isNode && ok
	if isNode && (err != nil || (x == a || x == nil) && (y == b || y == nil)) {
		return ev.equivalentNodes(e, n, m)
	}
	if err != nil {
		return false, err
	}
	switch v := x.(type) {
	case nil:
		return false, nil
	case String:
		w, ok := y.(String)
		if !ok {
			return false, nil
		}
		if err := ev.spend(e, (len(v)+len(w))/64); err != nil {
			return false, err
		}
		return folded(v) == folded(w), nil
	case Temporal:
		t, err := equalValues(x, y, e.exact)
		return t == yes, err
	}
	if y == nil {
		return false, nil
	}
	if c, d, _, ok := numbers(x, y); ok {
		return c.equivalent(d), nil
	}
	p, q, ok, err := quantities(x, y)
	switch {
	case ok:
		ok, err = equivalentQuantities(p, q)
	case err == nil:
		var t truth
		t, err = equalValues(x, y, e.exact)
		ok = t == yes
	}
	if (err == errUnit || err == errQuantity) && isNode {
		return ev.equivalentNodes(e, n, m)
	}
	return ok, err
}

// equivalentNodes compares elements (FHIR R4, 2.9.1.6): Codings by system and code, concepts by
// whether they share a Coding, and what else there is by all that is in it but ids.
func (ev *evaluator) equivalentNodes(e *expr, n, m *Node) (bool, error) {
	switch {
	case n == m:
		return true, nil
	case n.typ.Is("Coding") && m.typ.Is("Coding") && (n.field("code") != nil || m.field("code") != nil):
		for _, name := range []string{"system", "code"} {
			if ok, err := ev.equivalentMember(e, n, m, name); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case n.typ.Is("CodeableConcept") && m.typ.Is("CodeableConcept"):
		f, g := n.field("coding"), m.field("coding")
		if f != nil || g != nil {
			return ev.shareCoding(e, f, g)
		}
	}
	return ev.equivalentParts(e, n, m)
}

// shareCoding reports whether two lists have an equivalent Coding in common.
func (ev *evaluator) shareCoding(e *expr, f, g *field) (bool, error) {
	if f == nil || g == nil {
		return false, nil
	}
	for _, c := range f.nodes {
		for _, d := range g.nodes {
			if ok, err := ev.equivalent(e, c, d); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

func (ev *evaluator) equivalentMember(e *expr, n, m *Node, name string) (bool, error) {
	return ev.equivalentFields(e, n.field(name), m.field(name))
}

// equivalentFields compares the elements of two members, nil for one that is absent. Lengths come
// first: no copy is made of long lists that differ in them.
func (ev *evaluator) equivalentFields(e *expr, f, g *field) (bool, error) {
	var a, b []*Node
	if f != nil {
		a = f.nodes
	}
	if g != nil {
		b = g.nodes
	}
	if len(a) != len(b) {
		return false, nil
	}
	if err := ev.spend(e, len(a)/8); err != nil {
		return false, err
	}
	return ev.equivalentAll(e, items(a), items(b))
}

// equivalentParts compares all that is in two elements but ids.
func (ev *evaluator) equivalentParts(e *expr, n, m *Node) (bool, error) {
	if err := ev.compared(e, String(n.text), String(m.text)); err != nil {
		return false, err
	}
	if !n.sameText(m) || n.parts() != m.parts() {
		return false, nil
	}
	for i := range n.fields {
		f := &n.fields[i]
		if f.member == "id" {
			continue
		}
		if err := ev.spend(e, len(m.fields)); err != nil {
			return false, err
		}
		g := m.field(f.member)
		if g == nil {
			return false, nil
		}
		ok, err := ev.equivalentFields(e, f, g)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// parts is the number of members but the id.
func (n *Node) parts() int {
	if n.field("id") != nil {
		return len(n.fields) - 1
	}
	return len(n.fields)
}

// folded is a string without case and with single spaces.
func folded(s String) string {
	return strings.Join(strings.Fields(strings.ToLower(string(s))), " ")
}
