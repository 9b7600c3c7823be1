package deid

// coding keeps system and code of a Coding when the rule file lists the
// system and the code has its shape. The display is free text.
func (t *transformer) coding() bool {
	var system, code, selected []byte
	for more := t.enter(); more; more = t.more() {
		switch name := t.name(); {
		case string(name) == "system" && t.b[t.i] == '"':
			system = t.str()
		case string(name) == "code" && t.b[t.i] == '"':
			code = t.str()
		case string(name) == "userSelected" && (t.b[t.i] == 't' || t.b[t.i] == 'f'):
			selected = t.scalar()
		default:
			if t.unknown(name); t.failed != "" {
				return false
			}
		}
	}
	if !t.coded(system, code) || string(system) == ucumSystem && t.unitIsAge(code) {
		return false
	}
	t.out = append(t.out, '{')
	t.member("system", system)
	t.member("code", code)
	if selected != nil {
		t.out = append(t.out, `,"userSelected":`...)
		t.out = append(t.out, selected...)
	}
	t.out = append(t.out, '}')
	return true
}

// unitIsAge reports whether a unit that is an answer is an age itself: 19.5.a is 95 years.
func (t *transformer) unitIsAge(code []byte) bool {
	k := kindOf(code)
	years := 1 / k.perYear
	return years > ageCap || t.datesAge(years) || k.pure && k.factor > ageCap
}

// coded reports whether a code of a system may be kept.
func (t *transformer) coded(system, code []byte) bool {
	a, ok := t.engine.systems.lookup(system)
	return ok && a.shape.fits(code)
}
