package deid

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/code"
)

// record rewrites one record and appends it to the output with a newline. It
// returns the place of its type in the list, or -1, and the code with which
// the record is rejected: then the output is as before.
func (t *transformer) record(b []byte) (int, code.Record) {
	// jsontext is the judge: grammar, UTF-8 and duplicate names, in what is
	// dropped too. A duplicate name is an attack: two readers, two records.
	if !jsontext.Value(b).IsValid() {
		return -1, classify(b, t.max)
	}
	t.scanner = scanner{b: b, max: t.max, scratch: t.scratch[:0]}
	t.failed, t.inside, t.locals, t.address.known = "", false, nil, false
	if cap(t.scratch) > 1<<20 {
		t.scratch = nil
	}
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
	m := t.mark()
	if !t.resource(r) {
		t.reject(code.ResourceMalformed)
	}
	if t.deep {
		t.failed = code.JSONTooDeep
	}
	if t.failed != "" {
		t.rollback(m)
		return index, t.failed
	}
	t.out = append(t.out, '\n')
	return index, ""
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

// classify says what is wrong with a record that is no valid JSON.
func classify(b []byte, maxDepth int) code.Record {
	if !utf8.Valid(b) {
		return code.UTF8Invalid
	}
	if nesting(b) > maxDepth {
		return code.JSONTooDeep
	}
	_, err := jsontext.NewDecoder(bytes.NewReader(b)).ReadValue()
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return code.JSONDuplicateName
	}
	return code.JSONMalformed
}

// nesting is how deep brackets lie in text that need not be JSON.
func nesting(b []byte) int {
	deepest, depth := 0, 0
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
