package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid/stream"
)

// traced is an engine whose one worker tells what it does.
type traced struct {
	stream.Engine
	pieces []*tracedPiece // in the order of the input; what is no JSON is not among them
	blocks [][]byte       // what was written: each block of pieces of which anything stays
	used   bool           // the block at hand has such a piece
	block  int
}

// tracedPiece is a record, the frame of a Bundle or an entry of one.
type tracedPiece struct {
	in      []byte
	touches []stream.Touch
	verdict stream.Verdict
	entry   bool
	// Where its output stands, once surrogates are in their places.
	block, start, end int
}

// Write takes a block of output. Surrogates have been put in by then.
func (t *traced) Write(b []byte) (int, error) {
	t.blocks = append(t.blocks, bytes.Clone(b))
	return len(b), nil
}

func (t *traced) NewWorker(j *stream.Job) (stream.Worker, error) {
	w, err := t.Engine.NewWorker(j)
	if err != nil {
		return nil, err
	}
	tracer, ok := w.(stream.Tracer)
	if !ok {
		// unreachable: all kinds of rules do
		return nil, fmt.Errorf("%T tells nothing of its records", w)
	}
	one := &tracedWorker{tracer, t}
	if b, ok := w.(stream.BundleWorker); ok {
		return &tracedBundles{one, b}, nil
	}
	return one, nil
}

// piece runs one call of a worker.
func (t *traced) piece(w stream.Tracer, call func(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict), entry bool, dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	if len(dst) == 0 && t.used { // a new block: output begins anew
		t.block, t.used = t.block+1, false
	}
	p := &tracedPiece{in: bytes.Clone(r), entry: entry, block: t.block, start: len(dst)}
	t.pieces = append(t.pieces, p)
	w.Trace(func(x stream.Touch) { p.touches = append(p.touches, x) })
	dst, p.verdict = call(dst, r, s)
	p.end = len(dst)
	t.used = t.used || p.verdict.Code == ""
	return dst, p.verdict
}

// after is what stays of a piece.
func (t *traced) after(p *tracedPiece) []byte {
	if p.verdict.Code != "" || p.block >= len(t.blocks) {
		return nil
	}
	b := t.blocks[p.block]
	return b[min(p.start, len(b)):min(p.end, len(b))]
}

type tracedWorker struct {
	stream.Tracer
	run *traced
}

func (w *tracedWorker) Resource(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return w.run.piece(w.Tracer, w.Tracer.Resource, false, dst, r, s)
}

// tracedBundles is a tracedWorker that takes Bundles apart.
type tracedBundles struct {
	*tracedWorker
	of stream.BundleWorker
}

func (w *tracedBundles) Frame(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return w.run.piece(w.Tracer, w.of.Frame, false, dst, r, s)
}

func (w *tracedBundles) Entry(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return w.run.piece(w.Tracer, w.of.Entry, true, dst, r, s)
}

// oneDocument returns a file that is one piece of JSON on several lines as one line.
func oneDocument(b []byte) (lines []byte, whole bool) {
	first, rest, _ := bytes.Cut(bytes.TrimSpace(b), []byte{'\n'})
	if len(rest) == 0 || jsontext.Value(bytes.TrimSpace(first)).IsValid() {
		return bytes.TrimSuffix(b, []byte{'\n'}), false
	}
	v := jsontext.Value(bytes.Clone(b))
	if v.Compact() != nil {
		// the engine says what is wrong, line by line
		return bytes.TrimSuffix(b, []byte{'\n'}), false
	}
	return v, true
}

// leaf is a value in a record that is no object or array.
type leaf struct {
	pointer    string
	start, end int
}

// leaves finds all of them. The record is valid JSON.
func leaves(b []byte) []leaf {
	var list []leaf
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		holder, n := d.StackIndex(d.StackDepth())
		switch kind := d.PeekKind(); {
		case kind == '{', kind == '[', kind == '}', kind == ']', holder == '{' && n%2 == 0:
			// a name
			if _, err := d.ReadToken(); err != nil {
				return list
			}
			continue
		}
		v, err := d.ReadValue()
		if err != nil {
			return list
		}
		end := int(d.InputOffset())
		list = append(list, leaf{string(d.StackPointer()), end - len(v), end})
	}
}

// ANSI colours of a diff.
const (
	red, green, yellow, dim = "31", "32", "33", "2"
)

func (a *app) paint(colour, s string) string {
	if !isTerminal(a.out) {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// printDiff prints every record value by value.
func (a *app) printDiff(run *traced, places places, in []byte) {
	rules, deny := run.Rules(), run.DefaultDeny()
	lines := recordLines(in)
	line, entry := int64(0), 0
	for _, p := range run.pieces {
		title := ""
		if p.entry {
			title = fmt.Sprintf("%s entry %d", places.name(line), entry)
			entry++
		} else {
			if line, entry = 0, 0; len(lines) > 0 {
				line, lines = lines[0], lines[1:]
			}
			title = places.name(line)
		}
		if p.verdict.Code != "" {
			fmt.Fprintf(a.out, "%s %s\n", safe(title), a.paint(red, "rejected: "+string(p.verdict.Code)))
			continue
		}
		kind := "Bundle"
		if p.verdict.Type >= 0 {
			kind = run.Types()[p.verdict.Type]
		}
		fmt.Fprintf(a.out, "%s %s\n", safe(title), kind)
		a.printRecord(p, run.after(p), rules, deny)
	}
}

// recordLines are the numbers of the lines that come before a worker.
func recordLines(in []byte) []int64 {
	var list []int64
	n := int64(0)
	for line := range bytes.Lines(in) {
		n++
		if line = bytes.TrimRight(line, "\r\n"); len(line) <= tryRecord && jsontext.Value(line).IsValid() {
			list = append(list, n)
		}
	}
	return list
}

// printRecord prints one record: - for what is gone, ~ for what is another, + for what is new, and
// nothing for what is as before.
func (a *app) printRecord(r *tracedPiece, after []byte, rules []stream.Rule, deny bool) {
	units := unitsOf(r.touches)
	pointers := leaves(r.in)
	for i := 0; i < len(pointers); {
		l := pointers[i]
		u := enclosing(units, l)
		if u == nil {
			a.printUntouched(r, l, rules, deny)
			i++
			continue
		}
		var now []byte
		if u.Out.End > u.Out.Start && u.Out.End <= len(after) {
			now = after[u.Out.Start:u.Out.End]
		}
		a.printChange(holder(l, u.In, r.in), bytes.TrimSpace(r.in[u.In.Start:u.In.End]), now, ruleText(u.Rule, rules, deny))
		for i++; i < len(pointers) && pointers[i].end <= u.In.End; i++ {
		}
	}
	if deny {
		return // what such rules add stands in place of something
	}
	for _, l := range leaves(after) {
		covered := slices.ContainsFunc(units, func(u stream.Touch) bool { return u.Out.Start <= l.start && l.end <= u.Out.End })
		if !covered && !l.isType() {
			fmt.Fprintf(a.out, "%s\n", a.paint(green, "+ "+safe(l.pointer)+"  "+safe(string(after[l.start:l.end]))))
		}
	}
}

// printUntouched prints a value that no rule was applied to.
func (a *app) printUntouched(r *tracedPiece, l leaf, rules []stream.Rule, deny bool) {
	value := r.in[l.start:l.end]
	if l.isType() {
		return
	}
	if !deny {
		a.printChange(l.pointer, value, value, ruleText(-1, rules, deny))
		return
	}
	// The address of an extension that has a rule is the rule's own.
	if g := innermost(r.touches, l); g != nil && l.pointer == holder(l, g.In, r.in)+"/url" && strings.HasSuffix(rules[g.Rule].Path, "')") {
		now := value
		if gone(r.touches, *g) {
			now = nil
		}
		a.printChange(l.pointer, value, now, ruleText(g.Rule, rules, deny))
		return
	}
	a.printChange(l.pointer, value, nil, ruleText(-1, rules, deny))
}

// isType reports whether the leaf says what type a resource has: that stays.
func (l leaf) isType() bool { return strings.HasSuffix(l.pointer, "/resourceType") }

// ruleText names a rule: by its number where the author numbers them, by the element where they
// name one each.
func ruleText(rule int, rules []stream.Rule, deny bool) string {
	switch {
	case rule < 0 && deny:
		return "no rule: dropped"
	case rule < 0:
		return "no rule: stays"
	case deny:
		return fmt.Sprintf("%s (%s)", rules[rule].Method, rules[rule].Path)
	}
	return fmt.Sprintf("%s (rule %d: %s)", rules[rule].Method, rule+1, rules[rule].Path)
}

// holder is the pointer of the value that a rule was applied to, which the leaf is or lies in
// first.
func holder(l leaf, in stream.Span, b []byte) string {
	if l.start == in.Start || len(b) == 0 {
		return l.pointer
	}
	// One name or index goes for each bracket between.
	p := l.pointer
	depth := 0
	quoted := false
	for i := in.Start; i < l.start; i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	for range depth {
		p = p[:max(strings.LastIndexByte(p, '/'), 0)]
	}
	return p
}

// unitsOf are the touches that say what became of a value: those of groups only say whether their
// parts' count.
func unitsOf(all []stream.Touch) []stream.Touch {
	var units []stream.Touch
	for _, t := range all {
		if t.Parts || t.Reason != "" {
			continue
		}
		if gone(all, t) {
			t.Out = stream.Span{}
		}
		units = append(units, t)
	}
	slices.SortFunc(units, func(a, b stream.Touch) int { return a.In.Start - b.In.Start })
	return units
}

func within(in stream.Span, outer stream.Span) bool {
	return outer.Start <= in.Start && in.End <= outer.End
}

// gone reports whether nothing stays of what a value lies in, or of itself.
func gone(all []stream.Touch, t stream.Touch) bool {
	return slices.ContainsFunc(all, func(g stream.Touch) bool { return g.Parts && g.Out == (stream.Span{}) && within(t.In, g.In) })
}

// innermost is the smallest group that a leaf lies in.
func innermost(all []stream.Touch, l leaf) *stream.Touch {
	var found *stream.Touch
	for i := range all {
		g := &all[i]
		if g.Parts && within(stream.Span{Start: l.start, End: l.end}, g.In) && (found == nil || within(g.In, found.In)) {
			found = g
		}
	}
	return found
}

func enclosing(units []stream.Touch, l leaf) *stream.Touch {
	for i := range units {
		if within(stream.Span{Start: l.start, End: l.end}, units[i].In) {
			return &units[i]
		}
	}
	return nil
}

func (a *app) printChange(pointer string, before, after []byte, who string) {
	sign, colour, text := " ", "", safe(string(before))
	switch {
	case after == nil:
		sign, colour = "-", red
	case !bytes.Equal(before, after):
		sign, colour = "~", yellow
		text += " -> " + safe(string(after))
	}
	line := fmt.Sprintf("%s %s  %s", sign, safe(pointer), text)
	if colour != "" {
		line = a.paint(colour, line)
	}
	fmt.Fprintf(a.out, "%s  %s\n", line, a.paint(dim, safe(who)))
}
