package deid

import "bytes"

// What one number tells depends on the years that stay in the record. They are found once for a
// record, by reading all of it, and only for a record with a number that may be an age.

// datesAge reports whether a time in years that may be somebody's age tells, with a year that stays
// in the record, that the person is over the cap on the reference date: 30 in 1960.
func (t *transformer) datesAge(years float64) bool {
	if years == 0 || years > ageCap {
		return false // one over the cap has a rule of its own
	}
	f := &t.facts
	if !f.dated && years+float64(t.year-t.oldestWritten()) <= ageCap {
		return false // as for nearly all records, and the dates need not be read by their rules
	}
	if !f.dated {
		f.dated, f.oldest = true, t.year
		if r := t.engine.resources[string(t.kind)]; r != nil {
			s := t.again()
			t.years(&s, &r.node)
		}
	}
	return years+float64(t.year-f.oldest) > ageCap
}

// oldestWritten returns a year that is not after any year that may stay in the record. It is found
// once for a record, by a search for strings that begin like a date before 2000, whether they stay
// or not.
func (t *transformer) oldestWritten() int {
	f := &t.facts
	if !f.searched {
		b := t.b[t.root:]
		f.searched, f.earliest = true, t.year-ageCap
		if t.steps.Spend(len(b)/bytesPerStep) && f.earliest >= 1900 && t.year >= 2000 && !bytes.Contains(b, []byte(`\u`)) {
			f.earliest = earliest(b)
		}
	}
	return f.earliest
}

// earliest returns the smallest of the years 1900 to 1999 with which a string in b begins as a FHIR
// date does, or 2000. No string in b may hold an escape that begins with \u.
func earliest(b []byte) int {
	least := 2000
	for {
		i := bytes.Index(b, []byte(`"19`))
		if i < 0 {
			return least
		}
		b = b[i+1:]
		if len(b) > 4 && only(b[2:4], digit) && (b[4] == '"' || b[4] == '-' && len(b) > 6 && only(b[5:7], digit)) {
			least = min(least, number(b[:4])) // a LOINC code has one digit after its dash
		}
	}
}

// tellsByYear is the same for a Quantity, by its code and by its unit: whichever a reader takes.
func (t *transformer) tellsByYear(a *amount) bool {
	a.weigh()
	return t.datesAge(a.years(a.byCode.perYear)) || t.datesAge(a.years(a.byUnit.perYear))
}

// years finds the oldest year among the dates of the value at hand that stay,
// by the rules of n, and moves behind it.
func (t *transformer) years(s *scanner, n *node) {
	switch c := s.b[s.i]; {
	case c == '[':
		for more := s.enter(); more; more = s.more() {
			t.years(s, n)
		}
	case c == '{' && n.method == contained:
		kind, _ := s.findText("resourceType")
		if r := t.engine.resources[string(kind)]; r != nil {
			n = &r.node
		} else {
			n = plainNode
		}
		fallthrough
	case c == '{' && n.method == group:
		t.computedYears(s, n)
		for more := s.enter(); more; more = s.more() {
			name := s.name()
			child := n.children[string(name)]
			switch {
			case child != nil:
				t.years(s, child)
			case string(name) == "extension" && n.extensions != nil:
				t.extensionYears(s, n)
			default:
				s.skip()
			}
		}
	case c == '"' && (n.method == yearOf || n.method == shifted):
		if y, _, ok := year(s.str()); ok && t.recent(y) {
			t.facts.oldest = min(t.facts.oldest, y)
		}
	default:
		s.skip()
	}
}

// computedYears counts the years that n writes of dates that do not stay themselves.
func (t *transformer) computedYears(s *scanner, n *node) {
	for _, x := range n.late.computed {
		if x.method != yearFrom {
			continue
		}
		if f, ok := s.findText(x.from); ok {
			if y, _, ok := year(f); ok && t.recent(y) {
				t.facts.oldest = min(t.facts.oldest, y)
			}
		}
	}
}

func (t *transformer) extensionYears(s *scanner, n *node) {
	if s.b[s.i] != '[' {
		s.skip()
		return
	}
	for more := s.enter(); more; more = s.more() {
		url, _ := s.findText("url")
		if child := n.extensions[string(url)]; child != nil && s.b[s.i] == '{' {
			t.years(s, child)
		} else {
			s.skip()
		}
	}
}

// unitBeside is how many of the unit in the element that n names make a year.
// It looks once for each array: one of a million numbers must not look a million times.
func (t *transformer) unitBeside(n *node) float64 {
	if u := &t.unit; !u.known || u.at != t.holder || u.rule != n {
		u.known, u.at, u.rule, u.perYear = true, t.holder, n, t.unitOf(n)
	}
	return t.unit.perYear
}

// unitOf reads the unit in the group at hand. Without a unit of time the number is taken for years.
func (t *transformer) unitOf(n *node) float64 {
	object := t.scanner
	object.i = t.holder
	f, ok := object.find(n.from)
	if !ok || f.b[f.i] != '"' {
		return 1
	}
	if u := f.str(); perYear[string(u)] > 0 || string(u) == "s" {
		return unitsPerYear(u)
	}
	return 1
}

func abs(x float64) float64 { return max(x, -x) }
