package deid

import (
	"bytes"
	"strings"
)

// A rule file may extend a preset instead of copying it: "extends NAME" stands before what it adds.
// It can add, and choose options, and nothing else. What it adds is held to more than the preset
// is, because no one has weighed it against the rest:
//
//   - systems: one address each, not one that the preset judges already, be it to take nothing of
//     it. Codes are bounded as
//     "code" bounds them, whatever their shape; "one-of @SET" lists others word by word.
//   - extensions of resources that the preset has, by methods that Safe Harbor has. No rule for an
//     element: the preset has
//     one for each, and a second one could only take less away.
//   - personal, which drops more. harmless, which does not: but no code that is personal becomes
//     harmless.
//   - profiles, sets, identifiers and options.
//
// Extends says what a file extends, and Additions what it adds, for whoever reviews it.

// resolve puts the sections of the preset before those that extend it, unless Expand has done so,
// and marks the latter.
func resolve(sections []*line, f *faults) (base string, all []*line) {
	for i, s := range sections {
		if s.words[0] != "extends" {
			continue
		}
		if base = strings.Join(s.words[1:], " "); i == 0 {
			rules, err := Preset(base)
			if err != nil {
				f.add(s.number, "extends %q, want one of %s", base, strings.Join(Presets(), ", "))
				return base, nil
			}
			all, _ = parseLines(rules) // without a fault: a test compiles every preset
		}
		if len(s.children) > 0 {
			f.add(s.children[0].number, "indented too deep")
		}
		for _, added := range sections[i+1:] {
			added.added = true
		}
		return base, append(append(all, sections[:i]...), sections[i+1:]...)
	}
	return "", sections
}

// Expand returns a rule file with the text of the preset that it extends before its own, so that
// what is measured is all that there is. Other rules, and those of other kinds, it returns as they
// are.
func Expand(rules []byte) ([]byte, error) {
	sections, f := parseLines(rules)
	if len(sections) == 0 || sections[0].words[0] != "extends" {
		return rules, nil // faults are for Compile to find
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	base, err := Preset(strings.Join(sections[0].words[1:], " "))
	if err != nil {
		return nil, err
	}
	whole := bytes.NewBuffer(base)
	whole.WriteString("# ---- extension\n\n")
	header := false
	for l := range bytes.Lines(rules) {
		if text, _, _ := strings.Cut(string(l), " #"); !header && strings.TrimSpace(text) == ruleHeader {
			header = true
			continue
		}
		whole.Write(l)
	}
	return whole.Bytes(), nil
}

// isPreset reports whether rules that extend a preset hold its text as it is here, or none.
func isPreset(name string, rules []byte) bool {
	text, err := Preset(name)
	if err != nil {
		return false
	}
	sections, _ := parseLines(rules)
	return bytes.HasPrefix(rules, text) && len(sections) > 0 || len(sections) > 0 && sections[0].words[0] == "extends"
}

// Extends is the name of the preset that the rules extend, or empty.
func (e *Engine) Extends() string { return e.extends }

// Additions are the lines that the rules add to what they extend, in their order.
func (e *Engine) Additions() []string { return e.additions }

// Warnings says what the author of the rules should know.
func (e *Engine) Warnings() []string {
	if e.foreign {
		return []string{"the rules say that they extend " + e.extends + ", but do not begin with its text as this version has it"}
	}
	return nil
}

// extensionSections are the sections that a file may have which extends another.
var extensionSections = wordSet("systems personal harmless profiles identifiers set resource option")

// extendable reports whether a section may stand where it does, and notes what it adds.
func (c *compiler) extendable(s *line) bool {
	if !s.added {
		return true
	}
	if !extensionSections[s.words[0]] {
		c.add(s.number, "an extension cannot have a section %q", s.words[0])
		return false
	}
	c.addition(strings.Join(s.words, " "), s)
	if s.words[0] != "resource" {
		return true
	}
	for _, l := range s.children {
		if l.words[0] != "extension" {
			c.add(l.number, "an extension of the rules adds extensions, not elements: the preset has a rule for each")
			return false
		}
	}
	if s.words[len(s.words)-1] == "*" {
		c.add(s.number, "an extension of the rules cannot add to all resources")
		return false
	}
	return true
}

// addition notes a line and those below it, each with what it stands under.
func (c *compiler) addition(path string, l *line) {
	if len(l.children) == 0 {
		c.engine.additions = append(c.engine.additions, path)
	}
	for _, below := range l.children {
		c.addition(path+" "+strings.Join(below.words, " "), below)
	}
}

// narrow holds an address that an extension adds, of a system or a profile, to what the preset lets
// pass.
func (c *compiler) narrow(l *line, a *address, known *addresses, shapes bool) {
	if !c.adding {
		return
	}
	if strings.HasSuffix(a.text, "*") {
		c.add(l.number, "an extension lists its addresses one by one")
	}
	if !shapes {
		return
	}
	a.shape.narrow = a.shape.kind != "one-of" && a.shape.kind != "words"
	if known.judges(a.text) {
		c.add(l.number, "the preset judges the codes of %q already", a.text)
	}
	switch a.shape.kind {
	case "ndc", "ucum", "snomed", "loinc", "oid":
		c.add(l.number, "the shape %q is for the systems of the preset", a.shape.kind)
	}
}

// oneByOne refuses families of addresses below a section.
func (c *compiler) oneByOne(s *line) {
	for _, l := range s.children {
		if strings.Contains(strings.Join(l.words, " "), "*") {
			c.add(l.number, "an extension lists its addresses one by one")
		}
	}
}

// judges reports whether a list has an address, be it spelt in another way.
func (a *addresses) judges(text string) bool {
	if _, ok := a.lookup([]byte(text)); ok {
		return true
	}
	text = folded(text)
	for known := range a.exact {
		if folded(known) == text {
			return true
		}
	}
	return false
}

// folded is what an address has in common with other spellings of it: its letters as small ones,
// without version, scheme and slash at the end.
func folded(address string) string {
	address, _, _ = strings.Cut(strings.ToLower(address), "|")
	return strings.TrimRight(strings.Replace(address, "https://", "http://", 1), "/")
}

// addedMethods are the methods that an extension may use, beside types and the words that the
// preset defines.
var addedMethods = wordSet(`drop group boolean must-be integer decimal one-of year surrogate identifier reference coding
	quantity age age-low age-high state`)

func (c *compiler) mayAdd(l *line, word string) {
	if _, defined := c.defines[word]; c.adding && !defined && !upper(word) && !addedMethods[word] {
		c.add(l.number, "an extension cannot use the method %q", word)
	}
}
