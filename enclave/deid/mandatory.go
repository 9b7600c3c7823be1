package deid

import (
	"slices"
	"strings"

	"anchorhold/protocol/code"
)

// FHIR requires some elements. Where a record has one and nothing of it may stay, the reason why it
// is absent (the extension data-absent-reason, "masked") takes its place, or the record is
// rejected, as the section mandatory says: a record that was valid stays valid. That the element
// was there says nothing: without it the record would not have been valid.

// maxAbsent is how many reasons any record gets for its mandatory elements. A long record gets
// more, one for each bytesPerAbsent bytes: a reason is longer than most values, and the output must
// not be many times as long as the input.
const (
	maxAbsent      = 256
	bytesPerAbsent = 256
)

// requirement is a mandatory element of an object.
type requirement struct {
	name   string
	choice bool   // name is followed by one of the types of choiceTypes
	bit    uint64 // of the element in a presence; the members of a choice share one
	unless uint64 // of other elements, of which one will do
	reject bool   // the record is rejected where nothing of it stays
	edge   bool   // it is the end of a period: without it the period would seem to go on
	// it has mandatory elements of its own, so that a reason in its place would not be valid
	group bool
}

// presence says which tracked elements an object has: in the record, and in the output.
type presence struct{ seen, kept uint64 }

// choiceTypes end the names of elements that have one member for each type.
var choiceTypes = wordSet(`Base64Binary Boolean Canonical Code Date DateTime Decimal Id Instant Integer Markdown Oid
	PositiveInt String Time UnsignedInt Uri Url Uuid Address Age Annotation Attachment CodeableConcept Coding ContactPoint
	Count Distance Duration HumanName Identifier Money Period Quantity Range Ratio Reference SampledData Signature Timing
	ContactDetail Contributor DataRequirement Expression ParameterDefinition RelatedArtifact TriggerDefinition UsageContext
	Dosage Meta`)

// is reports whether name, or name behind a "_", is that of the element.
func (r *requirement) is(name string) bool {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "_"), r.name)
	return ok && (rest == "" && !r.choice || r.choice && choiceTypes[rest])
}

// mandatory reads the lines of that section:
//
//	PATH [unless NAME ...] [reject]
//
// Types that have no rules, and elements below one that goes as a whole, have nothing to mark.
func (c *compiler) mandatory() {
	shared := map[*node]*node{}
	for _, p := range c.typedNodes {
		shared[p[0]] = p[1]
	}
	for _, l := range c.needed {
		path := strings.Split(l.words[0], ".")
		r := requirement{}
		words := l.words[1:]
		if len(words) > 0 && words[len(words)-1] == "reject" {
			r.reject, words = true, words[:len(words)-1]
		}
		_, known := c.engine.kinds[path[0]]
		if !known || len(path) < 2 || len(words) == 1 || len(words) > 0 && words[0] != "unless" || len(l.children) > 0 {
			c.add(l.number, "%q is not PATH [unless NAME ...] [reject], with the path of an element", strings.Join(l.words, " "))
			continue
		}
		if t := c.engine.resources[path[0]]; t != nil {
			c.require(l, &t.node, path[1:], r, words, shared)
		}
	}
	c.periods()
	for _, p := range c.typedNodes {
		p[0].late.required = p[1].late.required
	}
	seen := map[*node]bool{}
	for _, r := range c.engine.resources {
		groups(&r.node, seen)
	}
}

// periods has the end of a period that must go leave the reason, and lets none stay that would be
// before the start (per-1).
func (c *compiler) periods() {
	n := c.types["Period"]
	if n == nil || n.children["start"] == nil || n.children["end"] == nil {
		return
	}
	start, end := n.children["start"], n.children["end"]
	if start.method != end.method || start.method != yearOf && start.method != shifted {
		return // days stay as they are
	}
	end.since = start
	n.late.required = append(n.late.required, &requirement{name: "end", bit: c.track(nil, n, "end", false), edge: true})
}

// require marks the element at path below n. The elements of a type are marked once, for all that
// have the type.
func (c *compiler) require(l *line, n *node, path []string, r requirement, unless []string, shared map[*node]*node) {
	if len(path) > 1 {
		if child := n.children[path[0]]; child != nil && child.method == group {
			c.require(l, child, path[1:], r, unless, shared)
		}
		return
	}
	if t := shared[n]; t != nil {
		n = t
	}
	r.name, r.choice = strings.CutSuffix(path[0], "[x]")
	r.bit = c.track(l, n, r.name, r.choice)
	for i, name := range unless {
		if i > 0 {
			name, choice := strings.CutSuffix(name, "[x]")
			r.unless |= c.track(l, n, name, choice)
		}
	}
	for _, other := range n.late.required {
		if other.bit == r.bit {
			return // by another path to the same type
		}
	}
	for name, child := range n.children {
		if r.is(name) {
			child.mandatory = true
		}
	}
	n.late.required = append(n.late.required, &r)
}

// track gives an element of n its bit, the same each time.
func (c *compiler) track(l *line, n *node, name string, choice bool) uint64 {
	r := requirement{name: name, choice: choice}
	if !only([]byte(name), letter|digit) || name == "" || upper(name) {
		c.add(l.number, "%q is not the name of an element", name)
		return 0
	}
	for _, t := range n.late.tracked {
		if t.name == name && t.choice == choice {
			return t.bit
		}
	}
	if len(n.late.tracked) == 64 {
		c.add(l.number, "more than 64 elements of one object are mandatory")
		return 0
	}
	r.bit = 1 << len(n.late.tracked)
	n.late.tracked = append(n.late.tracked, &r)
	for name, child := range n.children {
		if r.is(name) && name[0] != '_' {
			child.bit = r.bit
		}
	}
	return r.bit
}

// groups notes which mandatory elements have mandatory elements of their own.
func groups(n *node, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	for _, r := range n.late.required {
		if child := n.children[r.name]; child != nil && !r.group {
			r.group = slices.ContainsFunc(child.late.required, func(r *requirement) bool { return !r.edge })
		}
	}
	for _, child := range n.children {
		groups(child, seen)
	}
}

// unruled returns the bit of a mandatory element that has no rule, or of whose value there is no
// more than extensions (_name).
func (n *node) unruled(name []byte) uint64 {
	for _, r := range n.late.required {
		if r.is(string(name)) {
			return r.bit
		}
	}
	return 0
}

// absent writes the reasons for the mandatory elements of the object at hand of which nothing
// stays. An object of which nothing else stays goes as a whole, unless it is mandatory itself.
func (t *transformer) absent(n *node, p presence, kept bool) bool {
	if !kept && !n.mandatory {
		return false
	}
	var missing uint64
	for _, r := range n.late.required {
		if p.seen&r.bit != 0 && p.kept&(r.bit|r.unless) == 0 {
			missing |= r.bit
			p.kept |= r.bit
		}
	}
	if missing == 0 {
		return kept
	}
	object := t.scanner
	// a copy must not write into the scratch of the original
	object.i, object.scratch = t.holder, nil
	for more := object.enter(); more; more = object.more() {
		name := object.name()
		for _, r := range n.late.required {
			if missing&r.bit == 0 || !r.is(string(name)) {
				continue
			}
			if r.reject || r.group {
				return t.without(object.i, "nothing may stay of "+string(name)+", which is mandatory")
			}
			if t.facts.absent == max(maxAbsent, len(t.b)/bytesPerAbsent) {
				return t.without(object.i, "too many mandatory elements went, the last of them "+string(name))
			}
			if t.absence(string(name), object, kept) {
				kept = true
				missing &^= r.bit
				t.facts.absent++
			}
		}
		object.skip()
	}
	return kept
}

// without rejects the record because of a mandatory element, whose value begins at i.
func (t *transformer) without(i int, reason string) bool {
	if t.failed == "" {
		t.why(reason)
		t.failed, t.at = code.MandatoryRemoved, i
	}
	return false
}
