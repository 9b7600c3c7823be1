package deid

import "strings"

// mandatory marks the elements that the section mandatory names. A record that had one gets the reason why it is absent in its
// place, or is rejected: without the element it would not be valid. Types without rules, and elements that a rule file does not
// name, have nothing to mark.
func (c *compiler) mandatory() {
	for _, l := range c.needed {
		path := strings.Split(l.words[0], ".")
		if _, ok := c.engine.kinds[path[0]]; !ok || len(path) < 2 || len(l.words) != 1 || len(l.children) > 0 {
			c.add(l.number, "%q is not the path of an element", strings.Join(l.words, " "))
			continue
		}
		if r := c.engine.resources[path[0]]; r != nil {
			markMandatory(&r.node, path[1:])
		}
	}
}

func markMandatory(n *node, path []string) {
	base, choice := strings.CutSuffix(path[0], "[x]")
	for name, child := range n.children {
		if rest, ok := strings.CutPrefix(name, base); !ok || rest != "" && (!choice || !upper(rest)) {
			continue
		}
		if len(path) > 1 {
			markMandatory(child, path[1:])
		} else if !child.modifier {
			child.masks, child.mandatory = true, true
		}
	}
}
