package anonymizer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
)

// tidy makes a tree what upstream's reader makes of the same JSON: strings without space around
// them, values in the JSON type of their element, nothing that is empty. An element that R4 doesn't
// define is an error: no rule could find it.
func tidy(n *fhirpath.Node) error {
	switch {
	case n.Type() == nil:
		return &placeError{n, errUnknown}
	case !n.Repeats() && n.Index() > 0:
		return &placeError{n, errRepeated}
	}
	drop := func(c *fhirpath.Node) bool { return empty(c) && (!c.IsResource() || c.Kind() == 'n') }
	some := false
	for c := range n.All() {
		if err := tidy(c); err != nil {
			return err
		}
		some = some || drop(c)
	}
	if some {
		n.Remove(drop)
	}
	if !n.HasValue() {
		return nil
	}
	text, _ := n.Text()
	text = strings.TrimSpace(text)
	if text == "" {
		n.ClearValue()
		return nil
	}
	kind := jsontext.Kind('"')
	switch n.Type().Value() {
	case "Boolean":
		if text != "true" && text != "false" {
			return &placeError{n, errBoolean}
		}
		kind = jsontext.Kind(text[0])
	case "Integer":
		if _, err := strconv.ParseInt(text, 10, 32); err != nil {
			return &placeError{n, errInteger}
		}
		kind = '0'
	case "Decimal":
		if v := jsontext.Value(text); v.Kind() != '0' || !v.IsValid() {
			return &placeError{n, errDecimal}
		}
		kind = '0'
	}
	n.SetValue(kind, text)
	return nil
}

func empty(n *fhirpath.Node) bool { return !n.HasValue() && !holds(n) }

// holds reports whether anything is below n.
func holds(n *fhirpath.Node) bool {
	for range n.All() {
		return true
	}
	return false
}

// prune takes away what the rules have emptied. Of a resource its type stays.
func prune(n *fhirpath.Node) {
	drop := func(c *fhirpath.Node) bool { return empty(c) && !c.IsResource() }
	some := false
	for c := range n.All() {
		prune(c)
		some = some || drop(c)
	}
	if some {
		n.Remove(drop)
	}
}

// writer writes a tree as JSON.
type writer struct {
	b []byte
	// at is where elements stand in b; nil where nobody asks.
	at map[*fhirpath.Node]stream.Span
}

// object appends a complex value or a resource.
func (w *writer) object(n *fhirpath.Node) {
	w.b = append(w.b, '{')
	first := true
	// Names are those of R4: nothing in them is escaped.
	name := func(prefix, member string) {
		if !first {
			w.b = append(w.b, ',')
		}
		first = false
		w.b = append(w.b, '"')
		w.b = append(w.b, prefix...)
		w.b = append(w.b, member...)
		w.b = append(w.b, '"', ':')
	}
	if n.IsResource() {
		name("", "resourceType")
		w.b = quote(w.b, n.Type().Name())
	}
	for member, nodes := range n.Members() {
		if slices.ContainsFunc(nodes, inMain) {
			name("", member)
			w.list(nodes, hasMain, w.main)
		}
		if slices.ContainsFunc(nodes, hasExtra) {
			name("_", member)
			w.list(nodes, hasExtra, w.object)
		}
	}
	w.b = append(w.b, '}')
}

// hasMain: something of n stands in the member without the underscore.
func hasMain(n *fhirpath.Node) bool { return n.HasValue() || !n.Type().Primitive() }

// inMain: the member without the underscore is written for n. An array of nulls alone stays, next
// to the one that says why.
func inMain(n *fhirpath.Node) bool { return hasMain(n) || n.Repeats() && n.Null() }

func hasExtra(n *fhirpath.Node) bool { return n.Type().Primitive() && holds(n) }

func (w *writer) main(n *fhirpath.Node) {
	start := len(w.b)
	switch text, ok := n.Text(); {
	case !ok:
		w.object(n)
	case n.Kind() == '"':
		// a replacement or the value of a case may have space around it
		w.b = quote(w.b, strings.TrimSpace(text))
	default:
		w.b = append(w.b, text...)
	}
	if w.at != nil {
		w.at[n] = stream.Span{Start: start, End: len(w.b)}
	}
}

// list appends the halves of an element, in an array where R4 lets it repeat.
func (w *writer) list(nodes []*fhirpath.Node, has func(*fhirpath.Node) bool, one func(*fhirpath.Node)) {
	if !nodes[0].Repeats() {
		one(nodes[0])
		return
	}
	w.b = append(w.b, '[')
	for i, n := range nodes {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if has(n) {
			one(n)
		} else {
			w.b = append(w.b, "null"...)
		}
	}
	w.b = append(w.b, ']')
}
