package deid

import "anchorhold/enclave/deid/stream"

// locals are the ids of a record's contained resources that stay, and the
// scope that keeps them apart from those of other records.
type locals struct {
	scope []byte
	ids   map[string]bool
}

// contained appends the contained resource at hand by the rules of its type;
// one without rules is dropped, and with it the references to it.
func (t *transformer) contained() bool {
	r := t.containable(&t.scanner)
	if r == nil || t.inside { // FHIR: no nesting
		t.skip()
		return false
	}
	t.inside = true
	defer func() { t.inside = false }()
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

// fragment appends a reference to a contained resource that stays.
func (t *transformer) fragment(id []byte) bool {
	l := t.local()
	if !l.ids[string(id)] {
		return false
	}
	t.out = append(t.out, '#')
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
	outer, inside, trace, m := t.scanner, t.inside, t.trace, t.mark()
	facts := t.facts
	t.scanner, t.inside, t.trace = s, true, nil
	ok := t.resource(r)
	t.scanner, t.inside, t.trace, t.address.known = outer, inside, trace, false
	t.facts.done, t.facts.masked, t.facts.absent, t.facts.nowhere = facts.done, facts.masked, facts.absent, facts.nowhere
	t.out = t.out[:m.out]
	t.sink.Undo(m.sink) // it is only tried
	return ok
}
