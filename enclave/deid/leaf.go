package deid

import "bytes"

// ageCap is the age in years above which 164.514(b)(2)(i)(C) allows no year
// that would tell it, and only one category for the age itself.
const ageCap = 89

// text applies n to a string.
func (t *transformer) text(n *node, s []byte) bool {
	switch n.method {
	case oneOf:
		if !n.set[string(s)] {
			return false
		}
		return t.quote(s)
	case yearOf, yearOr:
		return t.date(n, s)
	case zip3:
		return t.zip3(n, s)
	case surrogate:
		if len(s) == 0 {
			return false
		}
		t.out = append(t.out, '"')
		t.ownID(s)
		t.out = append(t.out, '"')
		return true
	case canonical:
		// Only of a definition: Patient/1 at a listed server is an identifier.
		if _, ok := t.engine.profiles.lookup(s); !ok || !bytes.Contains(s, []byte("/StructureDefinition/")) {
			return false
		}
		return t.quote(s)
	case mediaType:
		s, _, _ = bytes.Cut(s, []byte(";"))
		if s = bytes.TrimSpace(s); !n.set[string(s)] {
			return false
		}
		return t.quote(s)
	}
	return false
}

// date keeps the year. One that lies so far back that it tells an age over
// the cap goes, whatever the date is of: whoever was there is that old. So does
// one after the reference date: with a birth year that was just young enough it
// would tell an age that the reference date has hidden.
func (t *transformer) date(n *node, s []byte) bool {
	y, digits, ok := year(s)
	if !ok {
		return false
	}
	if ago := t.year - y; 0 <= ago && ago <= ageCap {
		return t.quote(digits)
	}
	// That somebody has died must not go with the year of it.
	if n.method != yearOr || !bytes.HasSuffix(t.out, n.head) {
		return false
	}
	object := t.scanner
	object.i = t.holder
	if _, taken := object.find(n.instead); taken {
		return false
	}
	t.out = append(t.out[:len(t.out)-len(n.head)], '"')
	t.out = append(t.out, n.instead...)
	t.out = append(t.out, `":true`...)
	return true
}

// quote appends a string that has one of the shapes: it needs no escape.
func (t *transformer) quote(s []byte) bool {
	t.out = append(t.out, '"')
	t.out = append(t.out, s...)
	t.out = append(t.out, '"')
	return true
}

// member appends `"name":"s"` behind what the object at hand has already.
func (t *transformer) member(name string, s []byte) {
	if t.out[len(t.out)-1] != '{' {
		t.out = append(t.out, ',')
	}
	t.out = append(t.out, '"')
	t.out = append(t.out, name...)
	t.out = append(t.out, `":`...)
	t.quote(s)
}
