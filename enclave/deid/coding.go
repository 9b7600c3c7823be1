package deid

// coding keeps system and code of a Coding when the rule file lists the
// system and the code has its shape. The display is free text.
func (t *transformer) coding(answer bool) bool {
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
	if !t.coded(system, code) || string(system) == ucumSystem && t.unitIsAge(code) || answer && t.isNumberAsCode(system, code) {
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

// isNumberAsCode reports whether a code that is an answer is a number that may be the answer
// itself: an age over the cap, a year, or a telephone number with the country code 1. Systems whose
// codes have a check digit or are listed one by one are spared.
func (t *transformer) isNumberAsCode(system, code []byte) bool {
	a, _ := t.engine.systems.lookup(system)
	switch a.shape.kind {
	case "match", "digits", "ndc":
	default:
		return false
	}
	if len(code) > 11 || !only(code, digit) {
		return false
	}
	switch n := number(code[:min(len(code), 9)]); len(code) {
	case 2, 3, 4: // from 100 there are too many codes
		return n > ageCap && n < 100 || 1800 <= n && n < 2100
	case 11:
		return code[0] == '1' && code[1] > '1' && code[4] > '1'
	}
	return false
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
