package fhirpath

import (
	"iter"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A Node is an element of a FHIR resource: a resource, a complex value, or a
// primitive with its value and, from the member with the underscore, its id
// and extensions. Nodes are made by Read; what changes them stands in edit.go.
// Two results are the same element when their pointers are the same.
type Node struct {
	parent *Node
	member string // name in JSON: valueQuantity
	name   string // name in paths: value
	index  int    // in the array of JSON, or -1
	typ    *Type  // nil for what R4 does not define
	many   bool   // R4 lets the element repeat
	null   bool   // it stands in a JSON array of nulls alone
	kind   jsontext.Kind
	text   string // of a primitive: string without quotes, number as written
	fields []field
	value  Span // in the bytes that were read
	extra  Span // of the member with the underscore

	// Mark is the caller's: nothing here reads or writes it, but Copy.
	Mark uint8
}

// A field is the elements that one member of a JSON object holds.
type field struct {
	member, name string
	nodes        []*Node
}

// A Span is a place in the bytes of a resource. The zero Span is nowhere.
type Span struct{ Start, End int }

// Parent returns the element that holds n, nil for the outermost resource.
func (n *Node) Parent() *Node { return n.parent }

// Name returns the name of the element in a path: value, for valueQuantity.
func (n *Node) Name() string { return n.name }

// Member returns the name of the element in JSON: valueQuantity.
func (n *Node) Member() string { return n.member }

// Index returns the place of n in its JSON array, or -1.
func (n *Node) Index() int { return n.index }

// Repeats reports whether R4 lets the element repeat: then it stands in an array.
func (n *Node) Repeats() bool { return n.many }

// Type returns the type of n, or nil for an element that R4 doesn't define.
func (n *Node) Type() *Type { return n.typ }

// Value returns where the JSON value of n stands in the bytes that Read was
// given; the zero Span when n has extensions only.
func (n *Node) Value() Span { return n.value }

// Extra returns where the object of the member with the underscore stands.
func (n *Node) Extra() Span { return n.extra }

// Text returns the value of a primitive: a string without quotes, a number as
// it was written, true or false. It's false when n has no value.
func (n *Node) Text() (string, bool) { return n.text, n.HasValue() }

// HasValue reports whether n is a primitive with a value.
func (n *Node) HasValue() bool {
	switch n.kind {
	case '"', '0', 't', 'f':
		return true
	}
	return false
}

// Null reports whether n stands in a JSON array that held nothing but nulls when it was read.
func (n *Node) Null() bool { return n.null }

// Kind is that of the JSON value: one of " 0 t f {, and n where there is none.
func (n *Node) Kind() jsontext.Kind { return n.kind }

// IsResource reports whether n is a resource: the outermost one, one in a
// Bundle or Parameters, or a contained one.
func (n *Node) IsResource() bool { return n.typ != nil && n.typ.resource }

// Resource returns the nearest resource that holds n, or n itself.
func (n *Node) Resource() *Node {
	for n.parent != nil && !n.IsResource() {
		n = n.parent
	}
	return n
}

// Children appends the elements directly below n, in the order of JSON.
func (n *Node) Children(to []*Node) []*Node {
	for i := range n.fields {
		to = append(to, n.fields[i].nodes...)
	}
	return to
}

// All yields the elements directly below n, in the order of JSON. They must stay below it for the
// while.
func (n *Node) All() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for i := range n.fields {
			for _, c := range n.fields[i].nodes {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// Child returns the first element directly below n with a name in paths, or nil. It looks at names,
// not at all elements: a list of a million stands in the way of nobody.
func (n *Node) Child(name string) *Node {
	for i := range n.fields {
		if f := &n.fields[i]; f.name == name && len(f.nodes) > 0 {
			return f.nodes[0]
		}
	}
	return nil
}

// Members yields the elements directly below n by their name in JSON, in its order.
func (n *Node) Members() iter.Seq2[string, []*Node] {
	return func(yield func(string, []*Node) bool) {
		for i := range n.fields {
			if !yield(n.fields[i].member, n.fields[i].nodes) {
				return
			}
		}
	}
}

// named appends the elements below n with a name in paths.
func (n *Node) named(name string, to []Item) []Item {
	for i := range n.fields {
		if f := &n.fields[i]; f.name == name {
			for _, c := range f.nodes {
				to = append(to, c)
			}
		}
	}
	return to
}

// Pointer returns the JSON pointer (RFC 6901) of the value of n.
func (n *Node) Pointer() string {
	var b strings.Builder
	n.pointer(&b)
	return b.String()
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

func (n *Node) pointer(b *strings.Builder) {
	if n.parent == nil {
		return
	}
	n.parent.pointer(b)
	if n.parent.typ != nil && n.parent.typ.primitive() {
		// What hangs on a primitive stands in the member with the underscore.
		i := strings.LastIndexByte(b.String(), '/')
		p := b.String()
		if n.parent.index >= 0 {
			i = strings.LastIndexByte(p[:i], '/')
		}
		b.Reset()
		b.WriteString(p[:i+1] + "_" + p[i+1:])
	}
	b.WriteByte('/')
	b.WriteString(escapePointer.Replace(n.member))
	if n.index >= 0 {
		b.WriteByte('/')
		b.WriteString(strconv.Itoa(n.index))
	}
}

// Path returns the place of n with the names and indexes of a FHIRPath
// expression: Patient.name[0].given[1]. Names that are not of R4 are written
// as "?": they are content.
func (n *Node) Path() string {
	if n.parent == nil {
		return n.typ.name
	}
	name := n.name
	if n.typ == nil {
		name = "?"
	}
	if n.index >= 0 {
		name += "[" + strconv.Itoa(n.index) + "]"
	}
	return n.parent.Path() + "." + name
}
