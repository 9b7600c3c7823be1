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
		name := l.words[0]
		if !only([]byte(name), letter|digit) || upper(name) {
			c.add(l.number, "%q is not the name of an element", name)
			continue
		}
		// These are not for rules to allow: they change what other rules mean.
		if name == "resourceType" || name == "modifierExtension" {
			c.add(l.number, "%s cannot have a rule", name)
			continue
		}
		if n.children[name] != nil {
			c.add(l.number, "element %q has two rules", name)
			continue
		}
		child := &node{head: []byte(`"` + name + `":`)}
		c.rule(child, l, l.words[1:])
		put(&n.children, name, child)
		// Both would write it: a member twice is no JSON.
		if child.instead != "" && instead[child.instead] {
			c.add(l.number, "%q is written instead of two elements", child.instead)
		}
		instead[child.instead] = true
	}
}

// extension reads `extension URL group`; the rules for the value stand below.
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
	child := &node{head: []byte(`{"url":"` + url + `"`)}
	c.rule(child, l, l.words[2:])
	if child.method != group && child.method != drop {
		c.add(l.number, "extension is neither a group nor dropped")
	}
	put(&n.extensions, url, child)
	c.extended = append(c.extended, numbered{l.number, child})
}

// rule reads [modifier] METHOD [arguments] [[LETTERS]].
func (c *compiler) rule(n *node, l *line, w []string) {
	if len(w) > 0 && w[0] == "modifier" {
		n.modifier, w = true, w[1:]
	}
	if len(w) > 0 && strings.HasPrefix(w[len(w)-1], "[") {
		n.letters, w = c.letters(l, w[len(w)-1]), w[:len(w)-1]
	}
	if len(w) == 0 {
		c.add(l.number, "no method")
		return
	}
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
		c.arguments(n, l, m.args, args)
	}
	switch {
	case n.method == group && !upper(word):
		c.members(n, l)
	case len(l.children) > 0:
		c.add(l.children[0].number, "only a group has members")
	}
	if n.modifier && n.method == drop {
		c.add(l.number, "a modifier that is always dropped would drop its holder always")
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
	case limit:
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
			c.add(l.number, "no name of an element to write instead")
			return
		}
		n.instead = args[0]
	case words:
		c.set(n, l, args)
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
