package deid

import "strings"

// members reads the element lines below a section or a group.
func (c *compiler) members(n *node, s *line) {
	if len(s.children) == 0 {
		c.add(s.number, "nothing stands below it")
	}
	instead := map[string]bool{}
	for _, l := range s.children {
		if l.words[0] == "extension" {
			c.extension(n, l)
			continue
		}
		names, rule := listed(l.words)
		for _, name := range names {
			c.member(n, l, name, rule)
			// Both would write it: a member twice is no JSON.
			if m := n.children[name]; m != nil && m.instead != "" {
				if instead[m.instead] {
					c.add(l.number, "%q is written instead of two elements", m.instead)
				}
				instead[m.instead] = true
			}
		}
	}
}

// listed splits `a, b, c RULE` into the names and the rule that they share.
func listed(w []string) (names, rule []string) {
	for i := range w {
		name, more := strings.CutSuffix(w[i], ",")
		names = append(names, name)
		if !more {
			return names, w[i+1:]
		}
	}
	return names, nil
}

// member reads the rule of one element.
func (c *compiler) member(n *node, l *line, name string, rule []string) {
	if !only([]byte(name), letter|digit) || name == "" || upper(name) {
		c.add(l.number, "%q is not the name of an element", name)
		return
	}
	// These are not for rules to allow: they change what other rules mean.
	if name == "resourceType" || name == "modifierExtension" {
		c.add(l.number, "%s cannot have a rule", name)
		return
	}
	if n.children[name] != nil {
		c.add(l.number, "element %q has two rules", name)
		return
	}
	child := &node{head: []byte(`"` + name + `":`), answers: strings.HasPrefix(name, "value")}
	c.rule(child, l, rule)
	put(&n.children, name, child)
	switch child.method {
	case zipPadded:
		if n.late.padded != nil {
			c.add(l.number, "zip3-padded stands twice in one object")
		}
		n.late.padded = child
	case ageFrom, yearFrom:
		c.add(l.number, "%s is for an extension", spelling[child.method])
	case claim:
		if name != "meta" {
			c.add(l.number, "claim is for meta")
		}
		n.late.claim = child
	case shifted:
		c.engine.shifts = true
	}
}

// extension reads `extension URL [as URL] group`; the rules for the value stand below.
func (c *compiler) extension(n *node, l *line) {
	if len(l.words) < 2 || !plain(l.words[1]) {
		c.add(l.number, "extension without an address")
		return
	}
	url := l.words[1]
	if n.extensions[url] != nil {
		c.add(l.number, "extension %q has two rules", url)
		return
	}
	rule, as := l.words[2:], url
	if len(rule) > 1 && rule[0] == "as" {
		as, rule = rule[1], rule[2:]
		if !plain(as) {
			c.add(l.number, "%q is not an address", as)
		}
	}
	child := &node{head: []byte(`{"url":"` + as + `"`)}
	c.rule(child, l, rule)
	switch child.method {
	case group, drop:
	case ageFrom:
		n.late.computed = append(n.late.computed, child)
		child.children = map[string]*node{"valueQuantity": {method: age, head: []byte(`"valueQuantity":`), letters: "C"}}
	case yearFrom:
		n.late.computed = append(n.late.computed, child)
		child.children = map[string]*node{"valueDateTime": {method: yearOf, head: []byte(`"valueDateTime":`), letters: "C"}}
	default:
		c.add(l.number, "extension is neither a group nor dropped")
	}
	put(&n.extensions, url, child)
	c.extended = append(c.extended, numbered{l.number, child})
}

// rule reads [modifier] [fixed] METHOD [arguments] [[LETTERS]].
func (c *compiler) rule(n *node, l *line, w []string) {
	if len(w) > 0 && w[0] == "modifier" {
		n.modifier, w = true, w[1:]
	}
	if len(w) > 0 && w[0] == "fixed" {
		n.fixed, w = true, w[1:]
		if c.adding {
			c.add(l.number, "an extension cannot say that a number is fixed")
		}
	}
	if len(w) > 0 && strings.HasPrefix(w[len(w)-1], "[") {
		n.letters, w = c.letters(l, w[len(w)-1]), w[:len(w)-1]
	}
	if len(w) == 0 {
		c.add(l.number, "no method")
		return
	}
	c.mayAdd(l, w[0])
	w = c.defined(n, w)
	word, args := w[0], w[1:]
	if upper(word) {
		c.typed(n, l, word, args)
	} else {
		m, ok := methods[word]
		if !ok {
			c.add(l.number, "unknown method %q", word)
			return
		}
		n.method = m.method
		if n.letters == "" {
			n.letters = m.letters
		}
		c.arguments(n, l, m.args, c.or(n, l, args))
		c.needs(l, word, m.needs)
	}
	switch {
	case n.method == group && !upper(word):
		c.members(n, l)
	case len(l.children) > 0:
		c.add(l.children[0].number, "only a group has members")
	}
	if n.fixed && n.method != integer && n.method != decimal && n.method != quantity {
		c.add(l.number, "fixed is for integer, decimal and quantity")
	}
	if n.method == mustBe && !n.modifier {
		c.add(l.number, "must-be is for a modifier: nothing else takes its holder with it")
	}
	if n.modifier && n.method == drop {
		c.add(l.number, "a modifier that is always dropped would drop its holder always")
	}
}

// definition is a word of a rule file: what it is short for.
type definition struct {
	words   []string
	letters string
}

// short reads `define NAME METHOD [arguments] [[LETTERS]]`.
func (c *compiler) short(s *line, name string, w []string) {
	if _, ok := methods[name]; ok || upper(name) || name == "modifier" || name == "fixed" || name == "extension" || name == "or" {
		c.add(s.number, "%q cannot be defined: it means something already", name)
	}
	if _, ok := c.defines[name]; ok {
		c.add(s.number, "%q is defined twice", name)
	}
	d := definition{words: w}
	if last := w[len(w)-1]; strings.HasPrefix(last, "[") {
		d.letters, d.words = c.letters(s, last), w[:len(w)-1]
	}
	if len(d.words) == 0 || d.words[0] == "group" || upper(d.words[0]) || len(s.children) > 0 {
		c.add(s.number, "%q is not defined by a method for one value", name)
		return
	}
	c.defines[name] = d
}

// defined puts in the place of a word what the rule file says it is short for.
func (c *compiler) defined(n *node, w []string) []string {
	d, ok := c.defines[w[0]]
	if !ok {
		return w
	}
	if n.letters == "" {
		n.letters = d.letters
	}
	return append(append([]string{}, d.words...), w[1:]...)
}

// or reads `or ELEMENT` behind a method for dates and returns what is before it.
func (c *compiler) or(n *node, l *line, args []string) []string {
	if len(args) < 2 || args[len(args)-2] != "or" || !n.method.dated() {
		return args
	}
	name := args[len(args)-1]
	if !only([]byte(name), letter) || upper(name) {
		c.add(l.number, "no name of an element to write instead")
	}
	n.instead = name
	return args[:len(args)-2]
}

// needs wants a rule file that makes use of a method to say what it takes to use its output.
func (c *compiler) needs(l *line, word string, one bool) {
	if one && c.engine.requires == "" {
		c.add(l.number, "%s is not Safe Harbor: say what it requires, expert-determination or data-use-agreement", word)
	}
}

// typed gives the node the members of a type. They are shared, so that types
// may refer to each other; all are known before any rule is read.
func (c *compiler) typed(n *node, l *line, name string, args []string) {
	t := c.types[name]
	if t == nil {
		c.add(l.number, "unknown type %q", name)
		return
	}
	if len(args) > 0 {
		c.add(l.number, "more than the name of a type")
	}
	n.method = group
	c.typedNodes = append(c.typedNodes, [2]*node{n, t})
}

func (c *compiler) arguments(n *node, l *line, want arguments, args []string) {
	switch want {
	case none:
		if len(args) > 0 {
			c.add(l.number, "%q takes no arguments", l.words[1])
		}
	case most, limit:
		if want == most && len(args) == 0 {
			return
		}
		max, ok := 0, len(args) == 1
		if ok {
			max, ok = small(args[0])
		}
		if !ok {
			c.add(l.number, "largest number is missing or has more than nine digits")
		}
		n.limit = max
	case element:
		if len(args) != 1 || !only([]byte(args[0]), letter) || upper(args[0]) {
			c.add(l.number, "no name of an element to take it from")
			return
		}
		n.from = args[0]
	case words:
		c.set(n, l, args)
		if len(args) > 0 {
			n.profile = args[0]
		}
		if n.method == claim && strings.HasPrefix(n.profile, "@") {
			c.add(l.number, "claim has no set: its order counts")
		}
	case truth:
		if len(args) != 1 || args[0] != "true" && args[0] != "false" {
			c.add(l.number, "must-be wants true or false")
			return
		}
		n.set = map[string]bool{args[0]: true}
	}
}

func (c *compiler) set(n *node, l *line, args []string) {
	if len(args) == 1 && strings.HasPrefix(args[0], "@") {
		if n.set = c.sets[args[0][1:]]; n.set == nil {
			c.add(l.number, "unknown set %q", args[0])
		}
		return
	}
	n.set = map[string]bool{}
	for _, w := range args {
		if strings.HasPrefix(w, "@") {
			c.add(l.number, "a set stands alone, not among words")
		}
		c.word(l, n.set, w)
	}
	if len(args) == 0 {
		c.add(l.number, "no words that may be kept")
	}
}

// letters reads [A,B]: identifiers of 45 CFR 164.514(b)(2)(i).
func (c *compiler) letters(l *line, w string) string {
	in, ok := strings.CutSuffix(strings.TrimPrefix(w, "["), "]")
	for _, x := range strings.Split(in, ",") {
		if len(x) != 1 || x[0] < 'A' || x[0] > 'R' {
			ok = false
		}
	}
	if !ok {
		c.add(l.number, "%q is not a list of letters A to R", w)
	}
	return strings.ReplaceAll(in, ",", "")
}
