package deid

// What one number tells depends on what else the record says. Both questions
// below are asked rarely, and answered once for a record by reading all of it.

// tells reports whether a number without a unit may be an age over the cap, or
// stand for something that names a person: it is over 89, and the record has a
// code that asks for such a thing.
func (t *transformer) tells(number []byte) bool {
	if len(t.engine.personal) == 0 || len(number) < 2 || !(abs(value(number)) > ageCap) {
		return false
	}
	if f := &t.facts; !f.asked {
		s := t.again()
		f.asked, f.personal = true, t.asks(&s)
	}
	return t.facts.personal
}

// asks reports whether the value at hand holds a code of the list, as code or
// as the id of a question, and moves behind it.
func (t *transformer) asks(s *scanner) bool {
	found := false
	switch s.b[s.i] {
	case '{':
		for more := s.enter(); more; more = s.more() {
			name := string(s.name())
			if (name == "code" || name == "linkId") && s.b[s.i] == '"' {
				code := s.str()
				if len(code) > 0 && code[0] == '/' {
					code = code[1:]
				}
				found = found || t.engine.personal[string(code)]
				continue
			}
			found = t.asks(s) || found
		}
	case '[':
		for more := s.enter(); more; more = s.more() {
			found = t.asks(s) || found
		}
	default:
		s.skip()
	}
	return found
}

// tellsByYear reports whether an age, with a year that stays in the record,
// tells that somebody is over the cap on the reference date: 30 in 1960.
func (t *transformer) tellsByYear(n *node, a *amount) bool {
	if n.method == quantity {
		return false // how long something took, or somebody's age: it has not been said
	}
	if f := &t.facts; !f.dated {
		f.dated, f.oldest = true, t.year
		if r := t.engine.resources[string(t.kind)]; r != nil {
			s := t.again()
			t.years(&s, &r.node)
		}
	}
	y := a.years(unitsPerYear(a.code))
	if len(a.code) == 0 {
		y = a.years(unitsPerYear(a.unit))
	}
	// One over the cap becomes a bucket, which tells no more with a year than without.
	return y <= ageCap && y+float64(t.year-t.facts.oldest) > ageCap
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
