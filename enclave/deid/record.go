package deid

import (
	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
)

// Resource rewrites one resource; see stream.Worker.
func (t *transformer) Resource(dst, b []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return t.work(dst, b, s, t.top)
}

// work makes b the record at hand for a rewriting that says where in the list its type stands, or
// -1, and with which code it is rejected.
func (t *transformer) work(dst, b []byte, s *stream.Sink, rewrite func() (int, code.Record)) (out []byte, v stream.Verdict) {
	t.out, t.start, t.sink = dst, len(dst), s
	t.scanner = scanner{b: b, max: t.max, steps: t.steps, scratch: t.scratch[:0]}
	t.steps.Start(stepBudget(len(b)))
	t.unit.known = false
	t.failed, t.at, t.entry, t.full = "", 0, false, nil
	t.space()
	t.begin()
	v.Type, v.Code = rewrite()
	if v.Code == "" && t.deep {
		v.Code, t.at = code.JSONTooDeep, t.deepAt
	}
	if v.Code == "" && t.steps.Err() != nil {
		v.Code, t.at = code.RecordTooCostly, 0
	}
	out, v.At, v.Steps = t.out, t.at, t.steps.Used()
	// an idle worker holds no record
	t.out, t.sink, t.kind, t.full, t.locals, t.links = nil, nil, nil, nil, nil, nil
	t.scanner = scanner{max: t.max, steps: t.steps, scratch: t.scratch[:0]}
	if cap(t.scratch) > 64<<10 {
		t.scratch = nil
	}
	return out, v
}

// Forget lets go of the keys that the worker was given; HMAC's copies of them are not within reach.
func (t *transformer) Forget() { t.keyed, t.shifter = nil, nil }

// begin makes the value at hand the record, of which nothing is known yet. What was known of the
// record before must not decide about this one, and its place may lie beyond the end of this one.
func (t *transformer) begin() {
	t.root, t.inside, t.answer, t.locals, t.address.known = t.i, false, false, nil, false
	t.within, t.links = nil, t.links[:0]
	f := &t.facts
	f.asked, f.dated, f.searched, f.nowhere, f.masked, f.absent, f.done = false, false, false, 0, 0, 0, 0
}

// top rewrites the resource at hand, which is no contained one.
func (t *transformer) top() (int, code.Record) {
	t.begin()
	kind, ok := t.findText("resourceType")
	if !ok {
		t.why("resourceType is missing or not a string")
		return t.refuse(-1, code.ResourceMalformed)
	}
	index, ok := t.engine.kinds[string(kind)]
	if !ok {
		index = -1
	}
	r := t.engine.resources[string(kind)]
	if r == nil {
		if index < 0 {
			t.why("resourceType is no type of FHIR R4")
		} else {
			t.why("the rules have no section for " + t.engine.types[index])
		}
		return t.refuse(index, code.ResourceTypeNotAllowed)
	}
	if id, ok := t.find("id"); ok && id.b[id.i] != '"' {
		t.why("id is not a string")
		return t.refuse(index, code.ResourceMalformed)
	}
	t.kind = kind
	t.whose()
	t.lost.rule = nil
	if !t.whole(r) && t.failed == "" {
		t.reject(code.ResourceMalformed)
		if n := t.lost.rule; n != nil {
			t.at = t.lost.at
			t.why("nothing may stay of " + string(kind) + "." + n.name() + ", which changes what the record says")
		}
	}
	return index, t.failed
}

// refuse rejects the resource at hand as a whole.
func (t *transformer) refuse(index int, c code.Record) (int, code.Record) {
	if t.entry {
		t.at = t.i
	}
	return index, c
}

// resource appends the resource at hand by its rules. Even one of which
// nothing stays is written: the type alone says that it was there.
func (t *transformer) resource(r *resource) bool {
	t.out = append(t.out, r.head...)
	outer := t.holder
	t.holder = t.i
	defer func() { t.holder = outer }()
	ok := t.members(&r.node, true)
	t.out = append(t.out, '}')
	return ok
}
