package anonymizer

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/fhirpath"
)

// tidy makes a tree what upstream's reader makes of the same JSON: strings without space around them, values in the JSON type of
// their element, nothing that is empty. An element that R4 doesn't define is an error: no rule could find it.
func tidy(n *fhirpath.Node) error {
	for _, c := range n.Children(nil) {
		if err := tidy(c); err != nil {
			return err
		}
	}
	n.Remove(func(c *fhirpath.Node) bool { return empty(c) && (!c.IsResource() || c.Kind() == 'n') })
	if n.Type() == nil || !n.Repeats() && n.Index() > 0 {
		return errMalformed
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
			return errMalformed
		}
		kind = jsontext.Kind(text[0])
	case "Integer":
		if _, err := strconv.ParseInt(text, 10, 32); err != nil {
			return errMalformed
		}
		kind = '0'
	case "Decimal":
		if v := jsontext.Value(text); v.Kind() != '0' || !v.IsValid() {
			return errMalformed
		}
		kind = '0'
	}
	n.SetValue(kind, text)
	return nil
}

func empty(n *fhirpath.Node) bool { return !n.HasValue() && len(n.Children(nil)) == 0 }

// prune takes away what the rules have emptied. Of a resource its type stays.
func prune(n *fhirpath.Node) {
	for _, c := range n.Children(nil) {
		prune(c)
	}
	n.Remove(func(c *fhirpath.Node) bool { return empty(c) && !c.IsResource() })
}

// write appends a complex value or a resource as JSON.
func write(b []byte, n *fhirpath.Node) []byte {
	b = append(b, '{')
	first := true
	name := func(prefix, member string) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = quote(b, prefix+member)
		b = append(b, ':')
	}
	if n.IsResource() {
		name("", "resourceType")
		b = quote(b, n.Type().Name())
	}
	all := n.Children(nil)
	for len(all) > 0 {
		same := 1
		for same < len(all) && all[same].Member() == all[0].Member() {
			same++
		}
		nodes := all[:same]
		all = all[same:]
		if some(nodes, hasMain) {
			name("", nodes[0].Member())
			b = list(b, nodes, hasMain, writeMain)
		}
		if some(nodes, hasExtra) {
			name("_", nodes[0].Member())
			b = list(b, nodes, hasExtra, write)
		}
	}
	return append(b, '}')
}

func some(nodes []*fhirpath.Node, has func(*fhirpath.Node) bool) bool {
	for _, n := range nodes {
		if has(n) {
			return true
		}
	}
	return false
}

// hasMain: something of n stands in the member without the underscore.
func hasMain(n *fhirpath.Node) bool { return n.HasValue() || !n.Type().Primitive() }

func hasExtra(n *fhirpath.Node) bool { return n.Type().Primitive() && len(n.Children(nil)) > 0 }

func writeMain(b []byte, n *fhirpath.Node) []byte {
	if !n.HasValue() {
		return write(b, n)
	}
	text, _ := n.Text()
	if n.Kind() == '"' {
		b = quote(b, text)
		return b
	}
	return append(b, text...)
}

// list appends the halves of an element, in an array where R4 lets it repeat.
func list(b []byte, nodes []*fhirpath.Node, has func(*fhirpath.Node) bool, one func([]byte, *fhirpath.Node) []byte) []byte {
	if !nodes[0].Repeats() {
		return one(b, nodes[0])
	}
	b = append(b, '[')
	for i, n := range nodes {
		if i > 0 {
			b = append(b, ',')
		}
		if has(n) {
			b = one(b, n)
		} else {
			b = append(b, "null"...)
		}
	}
	return append(b, ']')
}
