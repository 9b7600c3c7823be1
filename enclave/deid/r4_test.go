package deid_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"anchorhold/enclave/deid"
)

// A definition says which elements a type of FHIR R4 has, and of which type
// each is: the published definitions, which know nothing of rules.
type definition struct {
	base     string
	elements map[string][]string // types of an element; a choice has many
}

type definitions map[string]definition

// r4 reads the table that package fhirpath generates from them.
var r4 = sync.OnceValue(func() definitions {
	b, err := os.ReadFile(filepath.Join("..", "fhirpath", "r4_gen.txt"))
	if err != nil {
		panic(err)
	}
	all := definitions{}
	var anyOf []string
	for l := range strings.Lines(string(b)) {
		w := strings.Fields(l)
		switch {
		case len(w) < 2 || w[0] == "#":
			continue
		case w[0] == "any":
			anyOf = strings.Split(w[1], "|")
			continue
		}
		d := definition{base: w[1], elements: map[string][]string{}}
		for _, e := range w[2:] {
			name, kinds, ok := strings.Cut(e, ":")
			types := strings.Split(kinds, "|")
			if kinds == "any" {
				types = anyOf
			}
			if ok {
				d.elements[strings.TrimSuffix(name, "*")] = types
			}
		}
		all[w[0]] = d
	}
	return all
})

// typeOf returns the type of an element as JSON spells it, or "".
func (d definitions) typeOf(holder, name string) string {
	for holder != "" && holder != "-" {
		h := d[holder]
		if t := h.elements[name]; len(t) == 1 {
			return t[0]
		}
		for e, types := range h.elements {
			stem, ok := strings.CutSuffix(e, "[x]")
			rest, starts := strings.CutPrefix(name, stem)
			for _, t := range types {
				if ok && starts && strings.EqualFold(rest[:min(1, len(rest))], t[:1]) && len(rest) > 0 && rest[1:] == t[1:] {
					return t
				}
			}
		}
		holder = h.base
	}
	return ""
}

// A leaf is one value of a record, with its place in the definitions.
type leaf struct {
	path         string // from the type of the resource; array places are not in it
	holder, name string // type and element
	kind         string // its type; empty: FHIR has no such element
	value        any
}

// leaves calls f with every leaf of a resource.
func leaves(resource map[string]any, f func(leaf)) {
	kind, _ := resource["resourceType"].(string)
	members(kind, kind, resource, f)
}

func members(path, holder string, object map[string]any, f func(leaf)) {
	for name, v := range object {
		if name == "resourceType" {
			continue
		}
		kind := r4().typeOf(holder, name)
		if plain, ok := strings.CutPrefix(name, "_"); ok && r4().typeOf(holder, plain) != "" {
			kind = "Element"
		}
		value(leaf{path + "." + name, holder, name, kind, nil}, v, f)
	}
}

func value(l leaf, v any, f func(leaf)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			value(l, x, f)
		}
	case map[string]any:
		if r, ok := v["resourceType"].(string); ok && l.kind == "Resource" {
			members(l.path+":"+r, r, v, f)
			return
		}
		members(l.path, l.kind, v, f)
	default:
		l.value = v
		f(l)
	}
}

// sections are the types of which a rule file has a section.
func sections(rules string) map[string]bool {
	all := map[string]bool{}
	for l := range strings.Lines(rules) {
		if w := strings.Fields(l); len(w) == 2 && w[0] == "resource" && w[1] != "*" && !strings.HasPrefix(l, " ") {
			all[w[1]] = true
		}
	}
	return all
}

func rulesOf(tb testing.TB, preset string) string {
	tb.Helper()
	rules, err := deid.Preset(preset)
	if err != nil {
		tb.Fatal(err)
	}
	return string(rules)
}
