package anonymizer

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/fhirpath"
)

func (c *compiler) substitute(f ruleFaults, r *rule, v *value) {
	r.replace = v.get("replaceWith")
	switch {
	case r.replace == nil:
		f.add("replaceWith is missing")
	case r.replace.kind == '[':
		f.add("replaceWith is an array, want the value of one element")
	default:
		r.replaceBytes = len(r.replace.append(nil))
	}
}

// fitting refuses a replacement that fits none of the types that the path can select, and
// generalize for what has no value.
func (c *compiler) fitting(f ruleFaults, r *rule) {
	types, known := r.types()
	if !known || len(types) == 0 || r.method == substitute && (r.replace == nil || r.replace.kind == '[') {
		return
	}
	for _, t := range types {
		switch r.method {
		case generalize:
			if t.Primitive() {
				return
			}
		case substitute:
			if _, err := r.replacement(t); err == nil {
				return
			}
		default:
			return
		}
	}
	if r.method == generalize {
		f.add("generalize is for primitive elements, and the path selects %s", types[0].Name())
	} else {
		f.add("replaceWith does not fit %s, which the path selects", types[0].Name())
	}
}

// types returns the types of what the rule is for, as far as the path tells.
func (r *rule) types() ([]*fhirpath.Type, bool) {
	switch t := fhirpath.TypeNamed(r.key); {
	case r.expression != nil:
		return r.expression.Types()
	case r.lookup == "nodesByType" && t != nil:
		return []*fhirpath.Type{t}, true
	case r.whole && r.resource != "Resource" && r.resource != "DomainResource" && fhirpath.TypeNamed(r.resource) != nil:
		return []*fhirpath.Type{fhirpath.TypeNamed(r.resource)}, true
	}
	return nil, false
}

// replacement makes the element that takes the place of one of type t. Elements that are defined in
// their resource have no replacement: upstream can't make one.
func (r *rule) replacement(t *fhirpath.Type) (*fhirpath.Node, error) {
	v := r.replace
	if t.Primitive() {
		kind, text, ok := v.primitive(t)
		if !ok {
			return nil, errReplace
		}
		n := &fhirpath.Node{}
		if kind != 'n' {
			n.SetValue(kind, text)
		}
		return n, nil
	}
	b := v.append(nil)
	switch v.kind {
	case 'n':
		b = []byte("{}")
	case '"': // upstream reads an object that is written into a string, too
		b = []byte(v.text)
	}
	if strings.Contains(t.Name(), ".") {
		return nil, errReplace
	}
	n, err := fhirpath.ReadAs(b, t)
	if err != nil || n.Kind() != '{' || tidy(n) != nil {
		return nil, errReplace
	}
	return n, nil
}

// primitive is v as a value of t. Upstream writes a string whatever the type, which no reader of
// FHIR would take.
func (v *value) primitive(t *fhirpath.Type) (kind jsontext.Kind, text string, ok bool) {
	switch v.kind {
	case 'n':
		return 'n', "", true
	case '"', '0':
		text = v.text
	case 't':
		text = "True" // as upstream
	case 'f':
		text = "False"
	default:
		return 0, "", false
	}
	if t.Value() == "Boolean" {
		text = strings.ToLower(text)
	}
	kind, ok = kindOf(t, text)
	return kind, text, ok
}

// substitute puts the replacement in the place of n. Elements that earlier rules have changed stay,
// and so do those that hold them.
func (r *record) substitute(n *fhirpath.Node, u *rule) (ops, error) {
	if n.Mark&gone != 0 {
		return substituted, nil // nothing comes of it but the label
	}
	if err := r.grow(u.adds(n.Type())); err != nil {
		return 0, err
	}
	with, err := r.worker.replacement(u, n.Type())
	if err != nil {
		return 0, err
	}
	if err := r.exchange(n, with, r.holders(n), u.number); err != nil {
		return 0, err
	}
	r.visitBelow(n, u.number)
	return substituted, nil
}

// drop notes that n leaves the record, with all below it. They are not processed thereby: a later
// rule of nodesByType or nodesByName still finds them, as upstream's does, and what it does to them
// shows in the labels.
func (r *record) drop(n *fhirpath.Node, number int) {
	r.worker.steps.Spend(1)
	n.Mark |= gone
	r.tell(n, number)
	for c := range n.All() {
		r.drop(c, number)
	}
}

// holders are the elements below n that are processed, or hold one that is.
func (r *record) holders(n *fhirpath.Node) map[*fhirpath.Node]bool {
	kept := map[*fhirpath.Node]bool{}
	var walk func(n *fhirpath.Node) bool
	walk = func(n *fhirpath.Node) bool {
		r.worker.steps.Spend(1)
		holds := n.Mark&visited != 0
		for c := range n.All() {
			holds = walk(c) || holds
		}
		if holds {
			kept[n] = true
		}
		return holds
	}
	walk(n)
	return kept
}

// exchange makes n like with, element by element in their order, for the rule of a number. with is
// used up; nil stands for nothing.
func (r *record) exchange(n, with *fhirpath.Node, kept map[*fhirpath.Node]bool, number int) error {
	targets := map[string][]*fhirpath.Node{}
	if with != nil {
		for _, t := range with.Children(nil) {
			targets[t.Name()] = append(targets[t.Name()], t)
		}
	}
	for c := range n.All() {
		if err := r.spend(1); err != nil {
			return err
		}
		var t *fhirpath.Node
		if rest := targets[c.Name()]; len(rest) > 0 {
			t, targets[c.Name()] = rest[0], rest[1:] // a processed element uses one up, too
		}
		switch {
		case c.Mark&visited != 0:
		case t != nil && t.Type() != c.Type():
			return errReplace
		case t == nil && !kept[c]:
			r.drop(c, number)
		default:
			if err := r.exchange(c, t, kept, number); err != nil {
				return err
			}
		}
	}
	n.Remove(func(c *fhirpath.Node) bool { return c.Mark&gone != 0 })
	if with == nil {
		n.ClearValue()
		return nil
	}
	for _, t := range with.Children(nil) {
		if rest := targets[t.Name()]; len(rest) > 0 && rest[0] == t {
			targets[t.Name()] = rest[1:]
			n.Adopt(t)
		}
	}
	if text, ok := with.Text(); ok {
		n.SetValue(with.Kind(), text)
	} else {
		n.ClearValue()
	}
	return nil
}
