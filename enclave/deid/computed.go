package deid

import (
	"bytes"
	"strconv"
)

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

// tell appends the extension that says an age, or the year of an instant, and
// reports whether the date was there to tell it.
func (t *transformer) tell(n *node) bool {
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
	t.out = append(t.out, n.head...)
	if n.method == yearFrom {
		if !t.recent(m.year) {
			return false
		}
		t.out = append(t.out, `,"valueDateTime":"`...)
		t.out = strconv.AppendInt(t.out, int64(m.year), 10)
		t.out = append(t.out, `"}`...)
		return true
	}
	years, ok := t.ageOn(m)
	if !ok {
		return false
	}
	a := amount{value: strconv.AppendInt(nil, int64(years), 10), code: []byte("a")}
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
	if f, ok := object.find("extension"); len(n.late.computed) > 0 && (!ok || f.b[f.i] != '[') {
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		t.out = append(t.out, `"extension":[`...)
		if t.computed(n, false) {
			kept = true
			t.out = append(t.out, ']')
		} else {
			t.rollback(m)
		}
	}
	if p := n.late.padded; p != nil {
		if _, ok := object.find(p.name()); !ok {
			m := t.mark()
			if kept {
				t.out = append(t.out, ',')
			}
			t.out = append(t.out, p.head...)
			if t.noZIP(p, "unknown") {
				kept = true
			} else {
				t.rollback(m)
			}
		}
	}
	if c := n.late.claim; c != nil {
		if f, ok := object.find("meta"); !ok || f.b[f.i] != '{' {
			if kept {
				t.out = append(t.out, ',')
			}
			t.out = append(t.out, c.head...)
			kept = t.claimed([]byte(c.profile))
		}
	}
	if n.late.labeled != nil {
		kept = t.labels(n.late.labeled, kept)
	}
	return kept
}

// computed appends the computed extensions of n to an array of them.
func (t *transformer) computed(n *node, kept bool) bool {
	for _, x := range n.late.computed {
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		if t.tell(x) {
			kept = true
		} else {
			t.rollback(m)
		}
	}
	return kept
}

// told reports whether the record tells what n computes, in the place of which
// the one in the extension at hand goes.
func (t *transformer) told(n *node) bool {
	m := t.mark()
	ok := t.tell(n)
	t.out = t.out[:m.out]
	t.sink.Undo(m.sink)
	return ok
}

// claim keeps of meta the first profile that is of the set, without its version,
// or writes the one that the rule names.
func (t *transformer) claim(n *node) bool {
	s := t.scanner
	t.skip()
	if !bytes.HasSuffix(t.out, n.head) {
		return false // in an array: late writes it
	}
	profile := []byte(n.profile)
	if f, ok := s.find("profile"); ok && f.b[f.i] == '[' {
		for more := f.enter(); more; more = f.more() {
			if f.b[f.i] != '"' {
				f.skip()
				continue
			}
			if p, _, _ := bytes.Cut(f.str(), []byte{'|'}); n.set[string(p)] {
				profile = p
				break
			}
		}
	}
	return t.claimed(profile)
}

func (t *transformer) claimed(profile []byte) bool {
	t.out = append(t.out, `{"profile":[`...)
	t.quote(profile)
	t.out = append(t.out, `]}`...)
	return true
}
