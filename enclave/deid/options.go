package deid

import (
	"bytes"
	"maps"
)

// options are what a rule file can choose, each off unless an "option" line names it.
//
//   - masked: where a value goes, the extension data-absent-reason says that it was there.
//   - labels: meta.security says what was done to the record.
var options = wordSet("masked labels")

// options sets up what the rule file has chosen.
func (c *compiler) options() {
	if c.engine.options["masked"] {
		c.masks(c.common)
		for name, n := range c.types {
			// the code or profile says why they are there
			if name != "CodeableConcept" && name != "Meta" {
				c.masks(n)
			}
		}
		for _, r := range c.engine.resources {
			c.masks(&r.node)
		}
	}
	concept := c.types["CodeableConcept"]
	if c.engine.issuers != nil && concept == nil {
		c.faults.add(1, "identifiers keep their types, so there must be a type CodeableConcept")
	} else if c.engine.issuers != nil {
		c.engine.identifierType = &node{method: group, head: []byte(`"type":`), children: map[string]*node{"coding": concept.children["coding"]}, shared: true}
	}
	for system, codes := range c.engine.harmless {
		for code := range codes {
			if c.engine.personal[code] {
				c.faults.add(c.asked[code], "%s of %s is personal and cannot be harmless", code, system)
			}
		}
	}
}

// labels puts the meta element of each resource last. The rules have their places in the table by
// then, so that they keep them.
func (c *compiler) labels() {
	if !c.engine.options["labels"] {
		return
	}
	for _, r := range c.engine.resources {
		r.late.labeled = newLabeled(&r.node)
		put(&r.children, "meta", &node{method: deferred})
	}
}

// masks marks the members of n of which a reason is written when they go: those that go to hide an
// identifier and have a value of one type. Groups write reasons of their own; an element with a
// modifier takes its holder with it.
func (c *compiler) masks(n *node) {
	for name, child := range n.children {
		switch child.method {
		case group, mustBe, contained, claim, ageFrom, yearFrom:
			if child.method == group && !child.shared {
				c.masks(child)
			}
			continue
		}
		child.masks = !child.modifier && child.letters != "" && name != "text" && name != "meta"
	}
}

const (
	absentReason = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`
	// maxMasked is how many reasons a record gets: each is longer than most values.
	maxMasked = 256
)

// mask appends, in the place of the member n whose value began at in and went, why it is absent,
// and reports whether it did.
func (t *transformer) mask(n *node, in int, kept bool) bool {
	if t.facts.masked == maxMasked {
		return false
	}
	value := t.scanner
	value.i = in
	ok := t.absence(n.name(), value, kept)
	if ok {
		t.facts.masked++
	}
	return ok
}

// absence appends why the value of a member, or of the primitive's extensions for a name with a
// "_", is absent. FHIR puts that into _name for a primitive, and into the element itself for
// others. It reports whether it did: there is no value in null.
func (t *transformer) absence(name string, value scanner, kept bool) bool {
	array := value.b[value.i] == '['
	if array && !value.enter() || value.b[value.i] == '[' || value.b[value.i] == 'n' && name[0] != '_' {
		return false
	}
	if kept {
		t.out = append(t.out, ',')
	}
	t.out = append(t.out, '"')
	if value.b[value.i] != '{' && name[0] != '_' {
		t.out = append(t.out, '_')
	}
	t.out = append(append(t.out, name...), `":`...)
	if array {
		t.out = append(t.out, '[')
	}
	t.out = append(t.out, absentReason...)
	if array {
		t.out = append(t.out, ']')
	}
	return true
}

// A deed is what was done to a record, as a label says it.
type deed uint8

const (
	removed      deed = 1 << iota // something went
	coarsened                     // something became less exact
	pseudonymous                  // an id became another
	moved                         // a date moved
)

// deeds are what the methods do to a value that stays.
var deeds = [...]deed{
	yearOf: coarsened, zip3: coarsened, zipPadded: coarsened, ageFrom: coarsened, yearFrom: coarsened,
	surrogate: pseudonymous, identifier: pseudonymous, reference: pseudonymous, linkID: pseudonymous,
	shifted: moved, deferred: 0,
}

// labels are codes of HL7's v3-ObservationValue, and one that Microsoft's anonymizer added to them.
var labels = []struct {
	done                  deed
	system, code, display string
}{
	{removed, labelSystem, "REDACTED", "redacted"},
	{coarsened, labelSystem, "ABSTRED", "abstracted"},
	{pseudonymous, labelSystem, "PSEUDED", "pseudonymized"},
	{moved, "", "PERTURBED", "exact value is replaced with another exact value"},
}

const labelSystem = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

// labeled is the rule for the meta element of resources that get labels.
type labeled struct {
	meta     *node // without security; nil where none stays
	security bool  // labels of the record's own stay
}

func newLabeled(r *node) *labeled {
	old := r.children["meta"]
	if old == nil || old.method == drop {
		return &labeled{}
	}
	meta := *old
	meta.children = map[string]*node{}
	maps.Copy(meta.children, old.children)
	meta.children["security"] = &node{method: deferred}
	r.late.claim = nil // labels write it
	return &labeled{&meta, old.children["security"] != nil && old.children["security"].method == coding}
}

// labels appends the meta element of the resource at hand, which has been read, with labels that
// say what was done to it. Contained resources get none: FHIR wants no security there.
func (t *transformer) labels(l *labeled, kept bool) bool {
	object := t.scanner
	object.i = t.holder
	f, ok := object.find("meta")
	ok = ok && f.b[f.i] == '{'
	m := t.mark()
	if kept {
		t.out = append(t.out, ',')
	}
	start := len(t.out)
	switch {
	case l.meta != nil && l.meta.method == claim && !ok:
		t.out = append(t.out, l.meta.head...)
		t.claimed([]byte(l.meta.profile))
	case l.meta != nil && ok:
		if !t.metaOf(l.meta, f) {
			t.out = t.out[:start]
		}
	}
	if t.failed != "" {
		return false
	}
	if t.inside {
		if len(t.out) == start {
			t.rollback(m)
			return kept
		}
		return true
	}
	if len(t.out) == start {
		t.out = append(t.out, `"meta":{`...)
	} else {
		t.out[len(t.out)-1] = ','
	}
	t.out = append(t.out, `"security":[`...)
	list := len(t.out)
	some := ok && l.security && t.ownLabels(f)
	for _, x := range labels {
		if t.facts.done&x.done != 0 {
			some = t.label(list, some, x.system, x.code, x.display)
		}
	}
	if t.engine.requires == "" {
		some = t.label(list, some, labelSystem, "ANONYED", "anonymized")
	}
	if !some {
		// Nothing was done to it, and it has no label: an empty array is no FHIR.
		t.out = bytes.TrimSuffix(t.out, []byte(`"security":[`))
		if t.out = bytes.TrimSuffix(t.out, []byte{','}); bytes.HasSuffix(t.out, []byte(`"meta":{`)) {
			t.rollback(m)
			return kept
		}
		t.out = append(t.out, '}')
		return true
	}
	t.out = append(t.out, `]}`...)
	return true
}

// metaOf appends what stays of the meta element at f but for its labels.
func (t *transformer) metaOf(n *node, f scanner) bool {
	outer, holder := t.scanner, t.holder
	t.scanner, t.holder = f, f.i
	t.out = append(t.out, n.head...)
	some := false
	if n.method == group {
		t.sink.Applied(n.row, true) // an element of which only labels stay is none that went
		t.out = append(t.out, '{')
		some = t.members(n, false)
		t.out = append(t.out, '}')
	} else {
		some = t.value(n)
	}
	t.scanner, t.holder = outer, holder
	return some
}

// ownLabels appends the labels that the record has already.
func (t *transformer) ownLabels(meta scanner) bool {
	f, ok := meta.find("security")
	if !ok || f.b[f.i] != '[' {
		return false
	}
	outer, some := t.scanner, false
	t.scanner = f
	for more := t.enter(); more && t.failed == ""; more = t.more() {
		m := t.mark()
		if some {
			t.out = append(t.out, ',')
		}
		if t.b[t.i] != '{' {
			t.skip()
			t.rollback(m)
		} else if t.coding(false) {
			some = true
		} else {
			t.rollback(m)
		}
	}
	t.scanner = outer
	return some
}

// label appends a label, unless the record has it.
func (t *transformer) label(start int, some bool, system, code, display string) bool {
	if bytes.Contains(t.out[start:], []byte(`"code":"`+code+`"`)) {
		return some
	}
	if some {
		t.out = append(t.out, ',')
	}
	t.out = append(t.out, '{')
	if system != "" {
		t.member("system", []byte(system))
	}
	t.member("code", []byte(code))
	t.member("display", []byte(display))
	t.out = append(t.out, '}')
	return true
}
