package fhirpath

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// What this file changes is the tree, not the bytes that it was read from:
// spans and pointers keep naming the places of before.

// SetValue gives a primitive a value: its kind in JSON, one of " 0 t f, and its
// text as Text returns it. The caller answers for the text being of that kind.
func (n *Node) SetValue(kind jsontext.Kind, text string) { n.kind, n.text = kind, text }

// ClearValue takes the value of a primitive away; id and extensions stay.
func (n *Node) ClearValue() {
	if n.HasValue() {
		n.kind, n.text = 'n', ""
	}
}

// Remove takes away those elements directly below n for which drop is true.
func (n *Node) Remove(drop func(*Node) bool) {
	for i := range n.fields {
		n.fields[i].nodes = slices.DeleteFunc(n.fields[i].nodes, drop)
	}
	n.fields = slices.DeleteFunc(n.fields, func(f field) bool { return len(f.nodes) == 0 })
}

// Adopt moves an element from below another node of the same type to n, behind
// its like, or behind all other elements.
func (n *Node) Adopt(c *Node) {
	if c.parent != nil {
		c.parent.Remove(func(o *Node) bool { return o == c })
	}
	c.parent = n
	i := slices.IndexFunc(n.fields, func(f field) bool { return f.member == c.member })
	if i < 0 {
		i = n.add(field{member: c.member, name: c.name})
	}
	n.fields[i].nodes = append(n.fields[i].nodes, c)
}

// Copy returns n and all below it again, below nothing.
func (n *Node) Copy() *Node {
	c := new(Node)
	*c = *n
	c.parent, c.fields = nil, slices.Clone(n.fields)
	for i := range c.fields {
		nodes := make([]*Node, len(c.fields[i].nodes))
		for k, below := range c.fields[i].nodes {
			nodes[k] = below.Copy()
			nodes[k].parent = c
		}
		c.fields[i].nodes = nodes
	}
	return c
}

// First moves the element of a name before all others but those named.
func (n *Node) First(name string, but ...string) {
	i := slices.IndexFunc(n.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return
	}
	f := n.fields[i]
	n.fields = slices.Delete(n.fields, i, i+1)
	at := 0
	for at < len(n.fields) && slices.Contains(but, n.fields[at].name) {
		at++
	}
	n.fields = slices.Insert(n.fields, at, f)
}

// TypeNamed returns a type of FHIR R4, or nil.
func TypeNamed(name string) *Type { return r4().types[name] }

// Primitive reports whether values of the type have a value beside id and extension.
func (t *Type) Primitive() bool { return t.primitive() }

// Resources returns the names of the resource types of FHIR R4, sorted.
func Resources() []string {
	var names []string
	for name, t := range r4().types {
		if !strings.Contains(name, ".") && t.Is("Resource") && !t.abstract() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Value returns the name of the FHIRPath type that values of a primitive type
// have: Boolean, String, Integer, Decimal, Date, DateTime or Time. It is empty
// for other types.
func (t *Type) Value() string {
	if t.system == nil {
		return ""
	}
	return t.system.name
}
