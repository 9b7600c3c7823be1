package deid

import (
	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
)

// Resource rewrites one resource; see stream.Worker.
func (t *transformer) Resource(dst, b []byte, s *stream.Sink) (out []byte, v stream.Verdict) {
	t.out, t.sink = dst, s
	v.Type, v.Code = t.record(b)
	out, v.At = t.out, t.at
	t.out, t.sink, t.kind, t.locals = nil, nil, nil, nil // an idle worker holds no record
	t.scanner = scanner{max: t.max, scratch: t.scratch[:0]}
	if cap(t.scratch) > 64<<10 {
		t.scratch = nil
	}
	return out, v
}

// Forget lets go of the keys that the worker was given; HMAC's copies of them are not within reach.
func (t *transformer) Forget() { t.keyed, t.shifter = nil, nil }

// record returns the place of the type in the list, or -1, and the code with
// which the record is rejected.
func (t *transformer) record(b []byte) (int, code.Record) {
	t.scanner = scanner{b: b, max: t.max, scratch: t.scratch[:0]}
	t.failed, t.at, t.inside, t.locals, t.address.known = "", 0, false, nil, false
	t.space()
	kind, ok := t.findText("resourceType")
	if !ok {
		return -1, code.ResourceMalformed
	}
	index, ok := t.engine.kinds[string(kind)]
	if !ok {
		index = -1
	}
	r := t.engine.resources[string(kind)]
	if r == nil {
		return index, code.ResourceTypeNotAllowed
	}
	if id, ok := t.find("id"); ok && id.b[id.i] != '"' {
		return index, code.ResourceMalformed
	}
	t.kind = kind
	t.whose()
	if !t.resource(r) {
		t.reject(code.ResourceMalformed)
	}
	if t.deep {
		t.failed, t.at = code.JSONTooDeep, t.deepAt
	}
	return index, t.failed
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
