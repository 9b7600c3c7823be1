package fhirpath

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// Errors of Read. They hold nothing of the resource.
var (
	ErrMalformed = errors.New("fhirpath: resource is malformed")
	ErrTooDeep   = errors.New("fhirpath: resource is nested too deep")
)

// MaxNesting is the nesting of objects and arrays that Read follows; FHIR's
// own examples stay below 30.
const MaxNesting = 64

// Read returns the outermost node of one resource in JSON. Duplicate names,
// invalid UTF-8, a null that stands for nothing and anything behind the
// resource are ErrMalformed. Members that R4 does not define become nodes
// without a type, so that nothing of the resource is out of sight.
func Read(data []byte) (*Node, error) {
	r := reader{data: data, depth: MaxNesting}
	return r.document(r4().types["Resource"])
}

// ReadLoose is Read for JSON as it is found: null stands for nothing anywhere,
// and only one half of a primitive need be an array. It follows nesting to depth.
func ReadLoose(data []byte, depth int) (*Node, error) {
	r := reader{data: data, depth: depth, loose: true}
	return r.document(r4().types["Resource"])
}

// A Reader reads as ReadLoose does, one resource after another with the memory of those before: a
// tree is good until the next is read. It belongs to one goroutine.
type Reader struct{ r reader }

// NewReader returns a Reader that follows nesting to depth.
func NewReader(depth int) *Reader { return &Reader{reader{depth: depth, loose: true}} }

// Read returns the outermost node of one resource.
func (r *Reader) Read(data []byte) (*Node, error) {
	r.Forget()
	r.r.data = data
	return r.r.document(r4().types["Resource"])
}

// Fault says where the last Read failed, as a JSON pointer, and why. The pointer is content: it's
// for whoever owns the resource.
func (r *Reader) Fault() (pointer, reason string) {
	if r.r.fault.node == nil {
		return "", "JSON is malformed" // or a name is there twice
	}
	return r.r.fault.node.Pointer(), r.r.fault.reason
}

// Forget takes the last tree away. Texts that were taken from it stay good.
func (r *Reader) Forget() {
	if len(r.r.data) > decoderKept {
		r.r.d = nil // it remembers names
	}
	r.r.data, r.r.all, r.r.fault = nil, "", fault{}
	r.r.nodes.reset()
	r.r.fields.reset()
	r.r.lists.reset()
}

// ReadAs is ReadLoose for a value of a type, which may be a complex type or a
// resource, and not the type of a primitive.
func ReadAs(data []byte, t *Type) (*Node, error) {
	if t.primitive() {
		return nil, ErrMalformed
	}
	r := reader{data: data, depth: MaxNesting, loose: true}
	return r.document(t)
}

const whiteSpace = " \t\r\n"

type reader struct {
	data  []byte
	all   string // data, of which texts are parts
	d     *jsontext.Decoder
	depth int
	loose bool
	fault fault

	// Nodes, and the lists that they start with.
	nodes  arena[Node]
	fields arena[field]
	lists  arena[*Node]
}

// fault is where and why reading has failed, if it's not for the JSON itself.
type fault struct {
	node   *Node
	reason string
}

// malformed notes why n can't be read. The reason is of fixed words.
func (r *reader) malformed(n *Node, reason string) error {
	r.fault = fault{n, reason}
	return ErrMalformed
}

const (
	fieldsFirst = 4 // members that an object has room for at first

	decoderKept = 64 << 10 // bytes of the longest resource whose decoder reads the next one too
)

// document reads all of the data as one value.
func (r *reader) document(t *Type) (*Node, error) {
	r.all = string(r.data)
	if r.d == nil {
		r.d = jsontext.NewDecoder(bytes.NewBuffer(r.data))
	} else {
		r.d.Reset(bytes.NewBuffer(r.data))
	}
	n := r.node(nil, "", "", -1)
	if err := r.read(n, t); err != nil {
		return nil, err
	}
	if len(bytes.Trim(r.data[r.d.InputOffset():], whiteSpace)) != 0 {
		return nil, r.malformed(n, "something follows the resource")
	}
	return n, nil
}

func (r *reader) node(parent *Node, member, name string, index int) *Node {
	n := &r.nodes.take(1)[0]
	n.parent, n.member, n.name, n.index, n.kind = parent, member, name, index, 'n'
	return n
}

// read fills n with the value at hand, which is of type t, or unknown.
func (r *reader) read(n *Node, t *Type) error {
	if r.d.StackDepth() >= r.depth {
		return ErrTooDeep
	}
	n.typ = t
	switch kind := r.d.PeekKind(); kind {
	case '{':
		if t != nil && t.primitive() {
			return r.malformed(n, "is an object, and the element is a primitive")
		}
		return r.object(n)
	case '"', '0', 't', 'f':
		if t != nil && !t.primitive() {
			return r.malformed(n, "is a single value, and the element holds others")
		}
		v, err := r.d.ReadValue()
		if err != nil {
			return ErrMalformed
		}
		n.kind = kind
		n.value = r.span(len(v))
		n.text = r.text(v)
		return nil
	case 'n':
		return r.malformed(n, "is null where FHIR has none")
	case '[':
		return r.malformed(n, "is an array in an array")
	default: // no JSON
		return ErrMalformed
	}
}

// unquoted is the text of a scalar that the decoder has found valid.
func unquoted(v jsontext.Value) []byte {
	switch {
	case v[0] != '"':
		return v
	case bytes.IndexByte(v, '\\') < 0:
		return v[1 : len(v)-1]
	}
	b, _ := jsontext.AppendUnquote(nil, v)
	return b
}

// text is the text of a scalar that was just read: a part of all, if nothing in it is escaped.
func (r *reader) text(v jsontext.Value) string {
	if bytes.IndexByte(v, '\\') >= 0 {
		return string(unquoted(v))
	}
	s := r.span(len(v))
	if v[0] == '"' {
		return r.all[s.Start+1 : s.End-1]
	}
	return r.all[s.Start:s.End]
}

func (r *reader) span(length int) Span {
	end := int(r.d.InputOffset())
	return Span{end - length, end}
}

func (r *reader) object(n *Node) error {
	if _, err := r.d.ReadToken(); err != nil {
		return ErrMalformed
	}
	start := int(r.d.InputOffset()) - 1
	if n.typ != nil && n.typ.name == "Resource" {
		if n.typ = r.resourceType(start); n.typ == nil {
			return r.malformed(n, "resourceType is missing or names no resource of FHIR R4")
		}
	}
	n.kind = '{'
	for r.d.PeekKind() == '"' {
		if err := r.member(n); err != nil {
			return err
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return ErrMalformed
	}
	n.value = Span{start, int(r.d.InputOffset())}
	return nil
}

// resourceType looks ahead: the member that says how to read the others need
// not be the first.
func (r *reader) resourceType(start int) *Type {
	if rest, ok := bytes.CutPrefix(bytes.TrimLeft(r.data[start+1:], whiteSpace), []byte(`"resourceType":"`)); ok {
		if end := bytes.IndexByte(rest, '"'); end > 0 {
			if t := r4().types[string(rest[:end])]; t != nil && t.resource && !t.abstract() {
				return t // as it nearly always is; the decoder will come by and check the JSON
			}
		}
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(r.data[start:]))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		if name.String() != "resourceType" {
			if d.SkipValue() != nil {
				return nil
			}
			continue
		}
		if d.PeekKind() != '"' {
			return nil
		}
		value, err := d.ReadToken()
		if err != nil {
			return nil
		}
		t := r4().types[value.String()]
		if t == nil || t.abstract() || !t.Is("Resource") {
			return nil
		}
		return t
	}
	return nil
}

// member reads one member of the object n.
func (r *reader) member(n *Node) error {
	v, err := r.d.ReadValue()
	if err != nil {
		return ErrMalformed
	}
	name := unquoted(v)
	if string(name) == "resourceType" && n.IsResource() {
		if r.d.SkipValue() != nil {
			return ErrMalformed
		}
		return nil
	}
	if n.typ != nil {
		if m := n.typ.members[string(name)]; m != nil {
			return r.values(n, r.find(n, m), m, false)
		}
		// The member with the underscore holds what hangs on primitives.
		if bare, ok := bytes.CutPrefix(name, []byte("_")); ok {
			if m := n.typ.members[string(bare)]; m != nil && m.typ.primitive() {
				return r.values(n, r.find(n, m), m, true)
			}
		}
	}
	s := string(name)
	return r.values(n, n.add(field{member: s, name: s}), nil, false)
}

// find returns the field of a member: its half with the underscore may have
// come before. The names are few, for only those of R4 are looked for.
func (r *reader) find(n *Node, m *member) int {
	for i := range n.fields {
		if n.fields[i].member == m.name {
			return i
		}
	}
	if n.fields == nil {
		n.fields = r.fields.take(fieldsFirst)[:0]
	}
	return n.add(field{member: m.name, name: m.element.name})
}

func (n *Node) add(f field) int {
	n.fields = append(n.fields, f)
	return len(n.fields) - 1
}

// values reads the value of a member, or each of its array. m is nil for a
// member that R4 does not define.
func (r *reader) values(n *Node, at int, m *member, extra bool) error {
	if r.d.PeekKind() != '[' {
		return r.one(n, at, 0, -1, m, extra)
	}
	if _, err := r.d.ReadToken(); err != nil {
		return ErrMalformed
	}
	i, nulls := 0, 0
	for ; r.d.PeekKind() != ']'; i++ {
		if r.d.PeekKind() == 'n' {
			nulls++
		}
		if err := r.one(n, at, i, i, m, extra); err != nil {
			return err
		}
	}
	if nulls == i && !extra {
		for _, c := range n.fields[at].nodes[:i] {
			c.null = true
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return ErrMalformed
	}
	return nil
}

// one reads the value, or the extra, of the element at place i of a field.
func (r *reader) one(n *Node, at, i, index int, m *member, extra bool) error {
	f := &n.fields[at]
	if f.nodes == nil {
		f.nodes = r.lists.take(1)[:0]
	}
	if i == len(f.nodes) {
		f.nodes = append(f.nodes, r.node(n, f.member, f.name, index))
	}
	c := f.nodes[i]
	if c.index != index && !r.loose {
		return r.malformed(c, "one half is an array and the other is not")
	}
	c.index = max(c.index, index)
	var t *Type
	if m != nil {
		t, c.many = m.typ, m.element.many
	}
	if r.d.PeekKind() == 'n' && (r.loose || index >= 0 && t != nil && t.primitive() || t == nil) {
		c.typ = t
		if r.d.SkipValue() != nil {
			return ErrMalformed
		}
		return nil
	}
	if !extra {
		return r.read(c, t)
	}
	return r.extra(c, t)
}

// extra reads the object of the member with the underscore into a primitive.
func (r *reader) extra(c *Node, t *Type) error {
	if r.d.PeekKind() != '{' || r.d.StackDepth() >= r.depth {
		return r.malformed(c, "what the member with the underscore holds is no object")
	}
	kind, value := c.kind, c.value
	c.typ = t
	if err := r.object(c); err != nil {
		return err
	}
	c.extra = c.value
	c.kind, c.value = kind, value
	return nil
}
