package deid

import (
	"bytes"
	"slices"
)

// A number without a unit is an answer, and only the question says to what: 95 may be a score or an
// age, 1931 a count or a year of birth. No list of such questions is ever complete, so the list is
// of those that are known to ask for something else.

// question is one object of a record, and what is known of the question that the numbers in it
// answer.
type question struct {
	at int // where the object begins
	// place in the list of the object whose question it shares; -1 for one that has its own, or
	// none
	holder int
	known  bool // to be harmless
	// personal is set when its own code is of the list of personal questions.
	personal bool
}

// maxQuestions is how many objects a worker keeps room for from record to record.
const maxQuestions = 1 << 12

// sharesQuestion reports whether an element says nothing of its own: numbers in it answer the
// question of the object that holds them. Extensions and contained resources are not among them.
func sharesQuestion(name []byte) bool {
	switch string(name) {
	case "answer", "low", "high", "numerator", "denominator", "referenceRange":
		return true
	}
	return bytes.HasPrefix(name, []byte("value"))
}

// ask reads the record once and finds out what is asked in it: see facts.
func (t *transformer) ask() {
	f := &t.facts
	if f.asked {
		return
	}
	f.asked, f.personal = true, false
	if f.questions = f.questions[:0]; cap(f.questions) > maxQuestions {
		f.questions = nil
	}
	s := t.again()
	t.questions(&s, -1)
}

// questions lists the objects in the value at hand, in the order in which they begin, and moves
// behind it.
func (t *transformer) questions(s *scanner, holder int) {
	switch s.b[s.i] {
	case '{':
		t.object(s, holder)
	case '[':
		for more := s.enter(); more; more = s.more() {
			t.questions(s, holder)
		}
	default:
		s.skip()
	}
}

func (t *transformer) object(s *scanner, holder int) {
	f := &t.facts
	here, coded := len(f.questions), false
	f.questions = append(f.questions, question{at: s.i, holder: holder})
	// An object may have two codes, one of which FHIR does not know: both must be harmless. An
	// answer has none of its own.
	own := func(harmless, personal bool) {
		if q := &f.questions[here]; holder < 0 {
			q.known, q.personal = harmless && (q.known || !coded), q.personal || personal
			coded = true
		}
	}
	for more := s.enter(); more; more = s.more() {
		name := s.name()
		switch {
		case (string(name) == "code" || string(name) == "linkId") && s.b[s.i] == '"':
			link, code := string(name) == "linkId", s.str()
			f.personal = f.personal || t.isPersonal(code)
			if link {
				code = bytes.TrimPrefix(code, []byte{'/'})
				own(loinc(code) && t.engine.harmless[loincSystem][string(code)], t.isPersonal(code))
			}
		case string(name) == "code" && s.b[s.i] == '{':
			own(t.isHarmless(*s), t.asksPersonal(*s))
			t.questions(s, -1)
		case sharesQuestion(name):
			t.questions(s, here)
		default:
			t.questions(s, -1)
		}
	}
}

// isPersonal reports whether a code, or a part of the id of a question, is of the list. Forms nest
// the codes of their questions in ids: /54127-6/30525-0.
func (t *transformer) isPersonal(code []byte) bool {
	for part := range bytes.SplitSeq(code, []byte{'/'}) {
		if t.engine.personal[string(part)] {
			return true
		}
	}
	return false
}

const loincSystem = "http://loinc.org"

// isHarmless reports whether a CodeableConcept has codes, and only such as are known to be
// harmless: beside one that is unknown, the other may be there to hide it.
func (t *transformer) isHarmless(s scanner) bool {
	c, ok := s.find("coding")
	if !ok || c.b[c.i] != '[' {
		return false
	}
	some := false
	for more := c.enter(); more; more = c.more() {
		system, _ := c.findText("system")
		code, _ := c.findText("code")
		if !t.engine.harmless[string(system)][string(code)] {
			return false
		}
		some = true
		c.skip()
	}
	return some
}

// asksPersonal reports whether a code of a CodeableConcept is personal.
func (t *transformer) asksPersonal(s scanner) bool {
	c, ok := s.find("coding")
	if !ok || c.b[c.i] != '[' {
		return false
	}
	for more := c.enter(); more; more = c.more() {
		if code, _ := c.findText("code"); t.isPersonal(code) {
			return true
		}
		c.skip()
	}
	return false
}

// harmless reports whether the numbers of the group at hand answer a question that is known to be
// harmless.
func (t *transformer) harmless() bool {
	if len(t.engine.harmless) == 0 {
		return false
	}
	q := t.question()
	return q.known && !t.facts.personal
}

// question returns the question that the numbers of the group at hand answer.
func (t *transformer) question() question {
	t.ask()
	all := t.facts.questions
	i, ok := slices.BinarySearchFunc(all, t.holder, func(q question, at int) int { return q.at - at })
	if !ok {
		return question{}
	}
	for all[i].holder >= 0 {
		i = all[i].holder
	}
	return all[i]
}

// harmless reads systems, and below each the codes of its questions.
func (c *compiler) harmless(s *line) {
	for _, l := range s.children {
		system := l.words[0]
		if len(l.words) != 1 || !plain(system) {
			c.add(l.number, "more than the address of a system: its codes are listed below it")
			continue
		}
		codes := c.engine.harmless[system]
		if codes != nil && !c.adding {
			c.add(l.number, "%q stands twice in the list", system)
			continue
		}
		for code := range c.list(l) {
			put(&codes, code, true)
		}
		put(&c.engine.harmless, system, codes)
		c.questioned(l)
	}
	if len(s.children) == 0 {
		c.add(s.number, "empty list")
	}
}

// questioned notes where the codes below a line stand.
func (c *compiler) questioned(s *line) {
	for _, l := range s.children {
		for _, code := range l.words {
			put(&c.asked, code, l.number)
		}
	}
}

// tells reports whether a number without a unit, or in one that is another number, may be an age
// over the cap, a year of birth, or stand for something that names a person.
func (t *transformer) tells(n *node, number []byte, unit float64) bool {
	x := abs(value(number)) * unit
	switch {
	case n.fixed && x <= ageCap:
		return false
	case n.fixed:
		return t.personal()
	case x > ageCap:
		return !t.harmless()
	}
	return (t.datesAge(x) || isPosition(number) || digits(number) > maxWhole) && !t.harmless()
}

// personal reports whether the record asks one of the questions of the list: then no number over
// the cap stays, whatever it is said to count.
func (t *transformer) personal() bool {
	if len(t.engine.personal) == 0 {
		return false
	}
	t.ask()
	return t.facts.personal
}

// isPosition reports whether a number may be a latitude or longitude. Two digits after the point
// are exact to a mile. Negative numbers are longitudes of America, and rarely scores or counts. A
// number with an exponent may have any digits.
func isPosition(number []byte) bool {
	_, places, _ := bytes.Cut(number, []byte{'.'})
	x := value(number)
	return abs(x) >= 13 && abs(x) <= 180 && (x < 0 || len(places) > 1 || bytes.ContainsAny(number, "eE"))
}
