package deid

import (
	"slices"
	"strings"

	"anchorhold/enclave/deid/stream"
)

// Rules returns the table of the rules: every element that has one, in the order of their names. A
// type's elements stand under the name of the type, as in FHIR's own definitions:
// Address.postalCode.
func (e *Engine) Rules() []stream.Rule { return e.rules }

// DefaultDeny is true: what no rule names is dropped.
func (e *Engine) DefaultDeny() bool { return true }

// Surrogates is true: ids cannot stay in any other way.
func (e *Engine) Surrogates() bool { return true }

// spelling is the methods' words in a rule file.
var spelling = func() map[method]string {
	m := map[method]string{}
	for word, d := range methods {
		if m[d.method] == "" || word < m[d.method] {
			m[d.method] = word
		}
	}
	return m
}()

// number gives every node its place in the table. Types come first: what refers to one has its
// members, which are numbered then.
func (c *compiler) number() {
	seen := map[*node]bool{}
	for _, name := range sorted(c.types) {
		c.numberNode(c.types[name], name, seen)
	}
	c.numberNode(c.common, "Resource", seen)
	for _, name := range sorted(c.engine.resources) {
		c.numberNode(&c.engine.resources[name].node, name, seen)
	}
	if n := c.engine.identifierType; n != nil {
		c.numberNode(n, "Identifier.type", seen)
	}
	c.engine.bundle = c.bundleRules()
	c.labels()
}

func (c *compiler) numberNode(n *node, path string, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	n.row = len(c.engine.rules)
	var letters []string
	for _, l := range n.letters {
		letters = append(letters, string(l))
	}
	c.engine.rules = append(c.engine.rules, stream.Rule{Path: path, Method: spelling[n.method], Letters: strings.Join(letters, ",")})
	if n.shared {
		return
	}
	for _, name := range sorted(n.children) {
		c.numberNode(n.children[name], path+"."+name, seen)
	}
	for _, url := range sorted(n.extensions) {
		c.numberNode(n.extensions[url], path+".extension('"+url+"')", seen)
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
