package deid

import "strconv"

// ageOn returns the age in whole years on the reference date of somebody born on m. A date
// without day or month gives one only where every day of it gives the same.
func (t *transformer) ageOn(m moment) (int, bool) {
	years := func(month, day int) int {
		y := t.year - m.year
		if month > int(t.asOf.Month()) || month == int(t.asOf.Month()) && day > t.asOf.Day() {
			y--
		}
		return y
	}
	early, late := years(m.month, m.day), years(m.month, m.day)
	if m.month == 0 {
		early, late = years(1, 1), years(12, 31)
	} else if m.day == 0 {
		early, late = years(m.month, 1), years(m.month, 31)
	}
	return early, early == late && early >= 0 && early <= 150
}

// computed appends the extension that says an age, and reports whether the
// date of birth was there to tell it.
func (t *transformer) computed(n *node) bool {
	object := t.scanner
	object.i = t.holder
	f, ok := object.find(n.from)
	if !ok || f.b[f.i] != '"' {
		return false
	}
	m, ok := parseMoment(f.str())
	if !ok {
		return false
	}
	years, ok := t.ageOn(m)
	if !ok {
		return false
	}
	a := amount{value: strconv.AppendInt(nil, int64(years), 10), code: []byte("a")}
	t.out = append(t.out, n.head...)
	t.out = append(t.out, `,"valueQuantity":`...)
	if !t.age(n, a, "a") {
		return false // unreachable: ages have few digits
	}
	t.out = append(t.out, '}')
	return true
}

// late appends what a rule writes even where the record has no such member,
// behind the members of the object at hand, which has been read.
func (t *transformer) late(n *node, kept bool) bool {
	object := t.scanner
	object.i = t.holder
	if f, ok := object.find("extension"); len(n.ages) > 0 && (!ok || f.b[f.i] != '[') {
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		t.out = append(t.out, `"extension":[`...)
		if t.ages(n, false) {
			kept = true
			t.out = append(t.out, ']')
		} else {
			t.rollback(m)
		}
	}
	if n.padded != nil {
		if _, ok := object.find(n.padded.name()); !ok {
			if kept {
				t.out = append(t.out, ',')
			}
			t.out = append(t.out, n.padded.head...)
			kept = t.noZIP(n.padded, "unknown")
		}
	}
	return kept
}

// ages appends the computed extensions of n to an array of them.
func (t *transformer) ages(n *node, kept bool) bool {
	for _, a := range n.ages {
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		if t.computed(a) {
			kept = true
		} else {
			t.rollback(m)
		}
	}
	return kept
}

// told reports whether the record tells an age, in the place of which the one
// in the extension at hand goes.
func (t *transformer) told(n *node) bool {
	m := t.mark()
	ok := t.computed(n)
	t.out = t.out[:m.out]
	t.sink.Undo(m.sink)
	return ok
}
