package deid

import (
	"bytes"
	"slices"

	"anchorhold/enclave/deid/stream"
)

// locals are the ids of a record's contained resources that stay, and the
// scope that keeps them apart from those of other records.
type locals struct {
	scope []byte
	ids   map[string]bool
	lone  map[string]bool // those to which nothing refers; they go
}

// link is a reference that stays, from the record or a contained resource of it to another one. An
// id that is empty is the record's.
type link struct{ from, to string }

// orphans notes which contained resources the record refers to, directly or through others, and the
// output does not any more. It reports whether there are any. FHIR wants none (dom-3): a reader
// could not say what they have to do with the record. One to which nothing refers in the record
// either stays: that was not valid before.
func (l *locals) orphans(record []byte, links []link) bool {
	if l.linked(links) {
		return false
	}
	reached := map[string]bool{"": true}
	below := map[string][]string{}
	was := fragments(record)
	for id := range l.ids {
		if !was[id] {
			below[""] = append(below[""], id)
		}
	}
	for _, x := range links {
		below[x.from] = append(below[x.from], x.to)
		if x.to == "" {
			below[""] = append(below[""], x.from)
		}
	}
	for next := []string{""}; len(next) > 0; {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		for _, to := range below[id] {
			if !reached[to] {
				reached[to] = true
				next = append(next, to)
			}
		}
	}
	for id := range l.ids {
		if !reached[id] {
			put(&l.lone, id, true)
			delete(l.ids, id)
		}
	}
	return l.lone != nil
}

// linked reports that the record itself refers to each of its contained resources, as nearly all
// records do. It does not look where that would take long.
func (l *locals) linked(links []link) bool {
	const few = 64
	if len(l.ids)*len(links) > few {
		return false
	}
	for id := range l.ids {
		if !slices.Contains(links, link{"", id}) {
			return false
		}
	}
	return true
}

// fragments returns what the strings of a record name that begin with a "#".
func fragments(record []byte) map[string]bool {
	was := map[string]bool{}
	for {
		_, rest, ok := bytes.Cut(record, []byte(`"#`))
		if !ok {
			return was
		}
		id, _, _ := bytes.Cut(rest, []byte{'"'})
		was[string(id)] = true
		record = rest
	}
}

// whole appends the record at hand. It does so twice where a contained resource would be left to
// which nothing refers any more.
func (t *transformer) whole(r *resource) bool {
	m, facts, trace := t.mark(), t.facts, t.trace
	var touches *[]stream.Touch
	if trace != nil {
		list := new([]stream.Touch)
		touches = list
		t.trace = func(x stream.Touch) { *list = append(*list, x) }
	}
	record := t.scanner
	ok := t.resource(r)
	if t.failed == "" && t.locals != nil && t.locals.orphans(record.b[t.root:t.i], t.links) {
		t.undo(m)
		record.scratch = t.scratch
		t.scanner, t.facts = record, facts
		if touches != nil {
			*touches = nil
		}
		ok = t.resource(r)
	}
	if t.trace = trace; trace != nil {
		for _, x := range *touches {
			trace(x)
		}
	}
	return ok
}

// contained appends the contained resource at hand by the rules of its type;
// one without rules is dropped, and with it the references to it.
func (t *transformer) contained() bool {
	r := t.containable(&t.scanner)
	if r == nil || t.inside { // FHIR: no nesting
		t.skip()
		return false
	}
	id, _ := t.findText("id")
	if t.locals != nil && t.locals.lone[string(id)] {
		t.skip()
		return false
	}
	t.inside, t.within = true, id
	defer func() { t.inside, t.within = false, nil }()
	return t.resource(r)
}

func (t *transformer) containable(s *scanner) *resource {
	kind, ok := s.findText("resourceType")
	if !ok {
		return nil
	}
	return t.engine.resources[string(kind)]
}

// ownID appends the surrogate of the id of the resource at hand.
func (t *transformer) ownID(id []byte) {
	if t.inside {
		t.put(stream.Contained, t.local().scope, id)
		return
	}
	t.put(stream.ID, t.kind, id)
}

// fragment appends a reference to a contained resource that stays, or from one to the record.
func (t *transformer) fragment(id []byte) bool {
	l := t.local()
	if !l.ids[string(id)] && (len(id) > 0 || !t.inside) {
		return false
	}
	t.links = append(t.links, link{string(t.within), string(id)})
	if t.out = append(t.out, '#'); len(id) == 0 {
		return true
	}
	t.put(stream.Contained, l.scope, id)
	return true
}

// local reads the record at hand once more, for the few that contain others.
func (t *transformer) local() *locals {
	if t.locals != nil {
		return t.locals
	}
	l := &locals{ids: map[string]bool{}}
	t.locals = l
	s := t.again()
	id, _ := s.findText("id")
	l.scope = append(append(append(l.scope, t.kind...), '/'), id...)
	r := t.engine.resources[string(t.kind)]
	if n := r.children["contained"]; n == nil || n.method != contained {
		return l
	}
	c, ok := s.find("contained")
	if !ok || c.b[c.i] != '[' {
		return l
	}
	for more := c.enter(); more; more = c.more() {
		if id, ok := c.findText("id"); ok && t.stays(c) {
			l.ids[string(id)] = true
		}
		c.skip()
	}
	return l
}

// stays reports whether anything of the contained resource at hand will be
// written: a modifier may take it away. It writes it, and takes that back.
func (t *transformer) stays(s scanner) bool {
	r := t.containable(&s)
	if r == nil {
		return false
	}
	outer, inside, within, trace, m := t.scanner, t.inside, t.within, t.trace, t.mark()
	facts := t.facts
	t.scanner, t.inside, t.trace = s, true, nil
	ok := t.resource(r)
	t.scanner, t.inside, t.within, t.trace, t.address.known = outer, inside, within, trace, false
	t.facts.done, t.facts.masked, t.facts.absent, t.facts.nowhere = facts.done, facts.masked, facts.absent, facts.nowhere
	t.undo(m)
	return ok
}
