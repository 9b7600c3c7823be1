package deid

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
)

// transformer rewrites records. It belongs to one goroutine.
type transformer struct {
	scanner
	engine  *Engine
	year    int       // of the reference date
	asOf    time.Time // that date
	keyed   *keyed    // nil where surrogates are counted
	shifter *shifter  // nil where no date is shifted
	out     []byte
	start   int // of the record in out
	sink    *stream.Sink
	trace   func(stream.Touch) // nil but for a person at a desk
	word    [96]byte           // room for a name that is put together

	// The record at hand:
	failed code.Record // why it is rejected
	at     int         // where that was found
	row    int         // of the rule at hand, in the table
	kind   []byte      // its type
	root   int         // where it begins
	entry  bool        // it is in an entry of a Bundle
	full   []byte      // the fullUrl of that entry
	inside bool        // a contained resource of it
	within []byte      // the id of that
	links  []link      // references to contained resources so far
	locals *locals     // its contained resources; nil until one is asked for
	holder int         // where the group at hand begins
	answer bool        // it is an answer, or in one
	offset offset      // of its patient's dates
	// lost is the last modifier of which nothing stayed, and its rule: it takes its holder with it.
	lost struct {
		at   int
		rule *node
	}
	// unit remembers what unitBeside found out.
	unit struct {
		known   bool
		at      int   // the group
		rule    *node // of the number
		perYear float64
	}
	// address remembers what foreign found out.
	address struct {
		known, foreign bool
		at             int
	}
	// facts are what was found out about it.
	facts struct {
		asked, personal bool
		questions       []question
		dated           bool
		oldest          int // year that stays; once dated
		searched        bool
		earliest        int // year that may stay, whatever the rules say; once searched
		nowhere         int // ZIP codes of nowhere so far
		masked          int // reasons for absent values so far
		absent          int // reasons for absent mandatory elements so far
		done            deed
	}
}

// mark is a state of the output to which a rollback returns.
type mark struct {
	out, links int
	sink       stream.Mark
}

func (t *transformer) mark() mark { return mark{len(t.out), len(t.links), t.sink.Mark()} }

func (t *transformer) rollback(m mark) {
	t.out, t.links = t.out[:m.out], t.links[:m.links]
	t.sink.Rollback(m.sink)
}

// undo is rollback of what was only tried: it counts for nothing.
func (t *transformer) undo(m mark) {
	t.out, t.links = t.out[:m.out], t.links[:m.links]
	t.sink.Undo(m.sink)
}

func (t *transformer) reject(c code.Record) bool {
	if t.failed == "" {
		t.failed, t.at = c, t.i
	}
	return false
}

// value applies n to the value at hand: it moves behind it, appends what stays
// of it and reports whether anything did. When it reports false it may have
// appended something, which the caller rolls back.
func (t *transformer) value(n *node) bool {
	in, out := t.i, len(t.out)
	if n.method == drop {
		t.skip()
		return t.applied(n, in, out, false)
	}
	if t.b[t.i] != '[' {
		return t.applied(n, in, out, t.single(n))
	}
	t.out = append(t.out, '[')
	kept := false
	for more := t.enter(); more; more = t.more() {
		if t.stopped() {
			return false
		}
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		in, out := t.i, len(t.out)
		// FHIR has no array in an array.
		if t.b[t.i] == '[' {
			t.skip()
			t.rollback(m)
			t.applied(n, in, out, false)
		} else if t.single(n) {
			kept = t.applied(n, in, out, true)
		} else {
			t.rollback(m)
			t.applied(n, in, out, false)
		}
		if t.failed != "" {
			return false
		}
	}
	t.out = append(t.out, ']')
	return kept
}

// single applies n to a value that is no array.
func (t *transformer) single(n *node) bool {
	switch t.b[t.i] {
	case '{':
		return t.composite(n)
	case '"':
		return t.text(n, t.str())
	}
	v := t.scalar()
	switch n.method {
	case boolean:
		if v[0] != 't' && v[0] != 'f' {
			return false
		}
	case integer:
		if len(v) > 9 || !only(v, digit) || number(v) > n.limit || t.tells(n, v, 1) {
			return false
		}
	case decimal:
		if !isNumber(v) || !measured(v) || n.limit > 0 && math.Abs(value(v)) > float64(n.limit) || t.tells(n, v, 1) {
			return false
		}
	case span:
		if !isNumber(v) || !measured(v) || math.Abs(value(v))/t.unitBeside(n) > ageCap {
			return false
		}
		if t.datesAge(math.Abs(value(v)) / t.unitBeside(n)) {
			return false
		}
	default:
		return false
	}
	t.out = append(t.out, v...)
	return true
}

func isNumber(v []byte) bool {
	return len(v) <= maxNumber && (v[0] == '-' || v[0] >= '0' && v[0] <= '9')
}

// measured reports whether a number may be a measurement. One of more than
// maxWhole digits before the point is a telephone, a record number or a day
// (20010203) in the wrong place, unless it is round.
func measured(v []byte) bool {
	v = bytes.TrimPrefix(v, []byte{'-'})
	if bytes.ContainsAny(v, "eE") {
		return digits(v) <= maxWhole // 5558107e203 is a telephone
	}
	whole, _, _ := bytes.Cut(v, []byte{'.'})
	return len(whole) <= maxWhole || len(bytes.TrimRight(whole, "0")) <= maxDigits
}

func value(number []byte) float64 {
	v, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return math.Inf(1)
	}
	return v
}

// composite applies n to the object at hand.
func (t *transformer) composite(n *node) bool {
	t.row = n.row
	switch n.method {
	case group:
		outer, answer := t.holder, t.answer
		t.holder, t.answer = t.i, answer || n.answers
		t.out = append(t.out, '{')
		kept := t.members(n, false)
		t.holder, t.answer = outer, answer
		t.out = append(t.out, '}')
		return kept
	case identifier:
		return t.identifier()
	case reference:
		return t.reference()
	case coding:
		return t.coding(t.answer || n.answers)
	case quantity, age, ageLow, ageHigh:
		return t.quantity(n)
	case contained:
		return t.contained()
	case claim:
		return t.claim(n)
	}
	t.skip() // an object where FHIR has a string or number
	return false
}

// plainNode stands for an array of extensions, which has no rule of its own.
var plainNode = &node{method: group}

// members applies the rules of n to the members of the object at hand and
// reports whether any stayed. kept says whether one stands before them.
func (t *transformer) members(n *node, kept bool) bool {
	var present presence
	for more := t.enter(); more; more = t.more() {
		if t.stopped() {
			return false
		}
		name := t.name()
		child := n.children[string(name)]
		// Not told by child == n: a type that holds itself has itself for a member.
		extension := child == nil && n.extensions != nil && string(name) == "extension"
		if extension {
			child = plainNode
		}
		if child == nil {
			t.row = n.row
			present.seen |= n.unruled(name)
			if t.unknown(name); t.failed != "" {
				return false
			}
			continue
		}
		if child.method == mustBe {
			if in := t.i; !t.is(child) {
				t.lost.at, t.lost.rule = in, child
				t.leave()
				return false
			}
			continue
		}
		if child.method == deferred {
			t.skip()
			continue
		}
		m, in := t.mark(), t.i
		present.seen |= child.bit
		if kept {
			t.out = append(t.out, ',')
		}
		var ok bool
		if extension {
			ok = t.extensions(n)
		} else {
			t.out = append(t.out, child.head...)
			ok = t.value(child)
		}
		switch {
		case t.failed != "":
			return false
		case ok:
			kept = true
			present.kept |= child.bit
		default:
			if t.rollback(m); child.modifier {
				t.lost.at, t.lost.rule = in, child
				t.leave()
				return false
			}
			if child.masks && t.mask(child, in, kept) {
				kept = true
				present.kept |= child.bit
			}
		}
	}
	if present.seen&^present.kept != 0 {
		if kept = t.absent(n, present, kept); t.failed != "" {
			return false
		}
	}
	if n.late.any() {
		kept = t.late(n, kept)
	}
	return kept
}

// is reports whether the value at hand is the one that it must be, and moves behind it.
func (t *transformer) is(n *node) bool {
	in := t.i
	ok := t.b[in] == 't' && n.set["true"] || t.b[in] == 'f' && n.set["false"]
	t.skip()
	t.applied(n, in, 0, false)
	return ok
}

// unknown passes over a member that has no rule.
func (t *transformer) unknown(name []byte) {
	// A modifier extension changes what its holder says: without it, a "has"
	// could have been a "has not". Nothing of such a record can be kept.
	if string(name) == "modifierExtension" {
		t.reject(code.ModifierExtension)
		return
	}
	if string(name) != "resourceType" { // the engine writes that
		t.sink.Unknown(t.row, name)
		t.facts.done |= removed
	}
	t.skip()
}

// leave passes over the rest of the object at hand, from the end of a member.
func (t *transformer) leave() {
	for t.more() {
		t.name()
		t.skip()
	}
}

// extensions applies the rules of n to the value of "extension".
func (t *transformer) extensions(n *node) bool {
	if t.b[t.i] != '[' {
		t.skip()
		return false
	}
	t.out = append(t.out, `"extension":[`...)
	kept := false
	var said answers
	for more := t.enter(); more; more = t.more() {
		if t.stopped() {
			return false
		}
		m := t.mark()
		if kept {
			t.out = append(t.out, ',')
		}
		if t.extension(n, &said) {
			kept = true
		} else {
			t.rollback(m)
		}
		if t.failed != "" {
			return false
		}
	}
	kept = t.computed(n, kept)
	t.out = append(t.out, ']')
	return kept
}

func (t *transformer) extension(n *node, said *answers) bool {
	url, ok := t.findText("url")
	var rule *node
	if ok {
		rule = n.extensions[string(url)]
	}
	if rule == nil || rule.method == drop || rule.from != "" && said.of(t, rule) {
		if rule == nil {
			t.sink.Unknown(n.row, append(append(append(t.word[:0], "extension('"...), url...), "')"...))
			t.skip()
			return false
		}
		in := t.i
		t.skip()
		return t.applied(rule, in, 0, false)
	}
	outer := t.holder
	t.holder = t.i
	defer func() { t.holder = outer }()
	in, out := t.i, len(t.out)
	t.out = append(t.out, rule.head...)
	m := t.mark()
	ok = t.members(rule, true) && len(t.out) > m.out // or only the address would be left
	t.out = append(t.out, '}')
	return t.applied(rule, in, out, ok)
}
