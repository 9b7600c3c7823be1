package deid

import (
	"bytes"

	"anchorhold/enclave/deid/stream"
)

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
	case yearOf, dayOf, shifted:
		return t.date(n, s)
	case clock:
		return isClock(s) && t.quote(s)
	case place:
		return isPlace(s) && t.quote(s)
	case state:
		return t.state(s)
	case zip, zip3, zipPadded:
		return t.zip(n, s)
	case linkID:
		return t.linkID(s)
	case surrogate:
		if len(s) == 0 {
			return false
		}
		t.out = append(t.out, '"')
		t.ownID(s)
		t.out = append(t.out, '"')
		return true
	case canonical:
		// Without its version, which is anybody's to write. Only of a definition: Patient/1 at a
		// listed server is an identifier.
		s, _, _ = bytes.Cut(s, []byte{'|'})
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

// linkID keeps the id of a question that is a LOINC code, perhaps behind a
// slash; another is the questionnaire's own and may say anything.
func (t *transformer) linkID(s []byte) bool {
	if code := bytes.TrimPrefix(s, []byte{'/'}); loinc(code) {
		return t.quote(s)
	}
	if len(s) == 0 {
		return false
	}
	t.out = append(t.out, '"')
	t.put(stream.ID, []byte("linkId"), s)
	t.out = append(t.out, '"')
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
