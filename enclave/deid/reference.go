package deid

import (
	"bytes"
	"unicode/utf8"

	"anchorhold/enclave/deid/stream"
)

// surrogateSystem is the system of identifiers that the engine issued.
const surrogateSystem = "urn:anchorhold:surrogate"

// noSurrogate stands where a surrogate would, in the output of a record that is rejected.
const noSurrogate = "-"

// put appends the place of a surrogate, or the surrogate where a key makes it.
func (t *transformer) put(k stream.Kind, scope, id []byte) {
	// A record's own id is the scope of each reference to what it contains: one of a million bytes
	// would be hashed, and kept for the crosswalk, as often.
	if !t.steps.Spend(len(scope) + len(id)) {
		t.out = append(t.out, noSurrogate...)
		return
	}
	if t.keyed != nil {
		t.out = t.sink.Keyed(t.out, k, scope, id, t.keyed.of(k, scope, id))
		return
	}
	t.out = t.sink.Surrogate(t.out, k, scope, id)
}

// identifier replaces an Identifier by one of the engine's. System and value
// alone make the identity: a logical reference often does not say the type of
// what it means, and must meet the same surrogate.
func (t *transformer) identifier() bool {
	system, value, kind := t.identified()
	if t.failed != "" || len(value) == 0 {
		return false
	}
	t.out = append(t.out, '{')
	if kind.b != nil {
		t.identifierKind(kind)
	}
	t.member("system", t.issuer(system))
	t.out = append(t.out, `,"value":"`...)
	t.put(stream.Identifier, system, value)
	t.out = append(t.out, `"}`...)
	return true
}

// issuer is the system of a surrogate: the engine's, unless the rules list that of the identifier.
func (t *transformer) issuer(system []byte) []byte {
	if t.engine.issuers[string(system)] {
		return system
	}
	return []byte(surrogateSystem)
}

// identifierKind appends what stays of the type of an identifier.
func (t *transformer) identifierKind(s scanner) {
	m, outer := t.mark(), t.scanner
	t.scanner = s
	n := t.engine.identifierType
	t.out = append(t.out, n.head...)
	if !t.value(n) {
		t.rollback(m)
	}
	t.scanner = outer
}

func (t *transformer) identified() (system, value []byte, kind scanner) {
	for more := t.enter(); more; more = t.more() {
		switch name := t.name(); {
		case string(name) == "system" && t.b[t.i] == '"':
			system = t.str()
		case string(name) == "value" && t.b[t.i] == '"':
			value = t.str()
		case string(name) == "type" && t.b[t.i] == '{' && t.engine.identifierType != nil:
			kind = t.scanner
			t.skip()
		default:
			if t.unknown(name); t.failed != "" {
				return nil, nil, kind
			}
		}
	}
	return system, value, kind
}

// reference keeps the target of a Reference, as a literal, search or logical
// reference to surrogates. All else in it is dropped; so is the whole when it
// has no target that can be mapped.
func (t *transformer) reference() bool {
	t.out = append(t.out, '{')
	kept := false
	for more := t.enter(); more; more = t.more() {
		name := t.name()
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		ok := false
		switch {
		case string(name) == "reference" && t.b[t.i] == '"':
			t.out = append(t.out, `"reference":"`...)
			ok = t.target(t.str())
			t.out = append(t.out, '"')
		case string(name) == "identifier" && t.b[t.i] == '{':
			t.out = append(t.out, `"identifier":`...)
			ok = t.identifier()
		default:
			t.unknown(name)
		}
		if t.failed != "" {
			return false
		}
		if ok {
			kept = true
		} else {
			t.rollback(m)
		}
	}
	t.out = append(t.out, '}')
	return kept
}

// target appends what a reference refers to. Not mapped, and so dropped, are
// urn:uuid and urn:oid outside a Bundle (NDJSON has nothing that they resolve
// to), fragments to nothing that stays, and searches by anything but one identifier.
func (t *transformer) target(ref []byte) bool {
	if len(ref) > 0 && ref[0] == '#' {
		return t.fragment(ref[1:])
	}
	if t.entry && isURN(ref) {
		t.urn(ref)
		return true
	}
	path, query, search := bytes.Cut(ref, []byte("?"))
	if bytes.IndexByte(ref, '#') >= 0 && !search {
		return false
	}
	if search {
		kind := lastSegment(path)
		if !t.base(path[:len(path)-len(kind)]) || !t.isKind(kind) {
			return false
		}
		return t.search(kind, query)
	}
	kind, id, ok := t.literal(path)
	if !ok {
		return false
	}
	t.out = append(t.out, kind...)
	t.out = append(t.out, '/')
	t.put(stream.ID, kind, id)
	return true
}

// literal takes [base/]Type/id apart, and leaves out of which version it is: of
// one version there is nothing in the output.
func (t *transformer) literal(path []byte) (kind, id []byte, ok bool) {
	id = lastSegment(path)
	path = path[:len(path)-len(id)]
	if rest, ok := bytes.CutSuffix(path, []byte("/_history/")); ok {
		id = lastSegment(rest)
		path = rest[:len(rest)-len(id)]
	}
	path, ok = bytes.CutSuffix(path, []byte("/"))
	kind = lastSegment(path)
	return kind, id, ok && len(id) > 0 && !bytes.ContainsAny(id, "?#") && t.isKind(kind) && t.base(path[:len(path)-len(kind)])
}

// base reports whether b may stand before Type/id: nothing, or the address of
// a server. All servers are taken for the one that the records come from.
func (t *transformer) base(b []byte) bool {
	return len(b) == 0 || bytes.HasPrefix(b, []byte("https://")) || bytes.HasPrefix(b, []byte("http://"))
}

func (t *transformer) isKind(b []byte) bool {
	_, ok := t.engine.kinds[string(b)]
	return ok
}

func lastSegment(b []byte) []byte { return b[bytes.LastIndexByte(b, '/')+1:] }

// search maps Type?identifier=system|value.
func (t *transformer) search(kind, query []byte) bool {
	t.out = append(t.out, kind...)
	t.out = append(t.out, '?')
	return t.searched(query)
}

// searched maps `identifier=system|value`. Without a bar any system would do,
// and no surrogate can mean that.
func (t *transformer) searched(query []byte) bool {
	token, ok := bytes.CutPrefix(query, []byte("identifier="))
	if !ok || bytes.IndexByte(token, '&') >= 0 {
		return false
	}
	if token, ok = unescapePercent(token); !ok {
		return false
	}
	system, value, ok := bytes.Cut(token, []byte("|"))
	if !ok || len(value) == 0 || bytes.ContainsAny(value, `|,\`) {
		return false
	}
	t.out = append(t.out, "identifier="...)
	t.out = append(append(t.out, t.issuer(system)...), '|')
	t.put(stream.Identifier, system, value)
	return true
}

// unescapePercent decodes %XX.
func unescapePercent(b []byte) ([]byte, bool) {
	if bytes.IndexByte(b, '%') < 0 {
		return b, true
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' {
			if i+2 >= len(b) {
				return nil, false
			}
			hi, ok1 := hexDigit(b[i+1])
			lo, ok2 := hexDigit(b[i+2])
			if !ok1 || !ok2 {
				return nil, false
			}
			c, i = hi<<4|lo, i+2
		}
		out = append(out, c)
	}
	return out, utf8.Valid(out) // no record has an identifier that is not
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
