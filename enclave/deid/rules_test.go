package deid_test

import (
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

func TestPresetsCompile(t *testing.T) {
	names := deid.Presets()
	if len(names) == 0 {
		t.Fatal("got no presets, want some")
	}
	for _, name := range names {
		rules, err := deid.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := deid.Compile(rules); err != nil {
			t.Errorf("preset %s: %v", name, err)
		}
	}
	for _, name := range []string{"", "none", "../deid", "safe-harbor.rules"} {
		if _, err := deid.Preset(name); err == nil {
			t.Errorf("got a preset %q, want none", name)
		}
	}
}

// minimal is a rule file in which lines 5 and on are free.
const minimal = "anchorhold: rules/v1\ntargets\n  Patient Basic\nresource Patient\n"

// Every fault is reported at once, each with its line.
func TestFaultsOfRuleFiles(t *testing.T) {
	tests := []struct{ name, rules, want string }{
		{"nothing", "", "line 1: first line is not"},
		{"other version", "anchorhold: rules/v2\n", "line 1: first line is not"},
		{"indented header", "  anchorhold: rules/v1\n", "line 1: first line is not"},
		{"tab", minimal + "\tid surrogate", "line 1: rule file is not plain text"},
		{"no resource", "anchorhold: rules/v1\n", "line 1: no resource section"},
		{"empty resource", minimal, "line 4: nothing stands below it"},
		{"unknown section", minimal + "  id surrogate\nrules Patient\n", `line 6: unknown section "rules Patient"`},
		{"unknown resource", minimal + "  id surrogate\nresource Smith\n  id surrogate\n", `line 6: resource "Smith" is not among the targets`},
		{"resource twice", minimal + "  id surrogate\nresource Patient\n  id surrogate\n", `line 6: resource "Patient" is declared twice`},
		{"unknown method", minimal + "  id keep\n", `line 5: unknown method "keep"`},
		{"no method", minimal + "  id\n", "line 5: no method"},
		{"no method but a letter", minimal + "  id [R]\n", "line 5: no method"},
		{"unknown letter", minimal + "  id surrogate [S]\n", `line 5: "[S]" is not a list of letters`},
		{"arguments too many", minimal + "  id surrogate now\n", `line 5: "surrogate" takes no arguments`},
		{"unknown type", minimal + "  meta Meta\n", `line 5: unknown type "Meta"`},
		{"unknown set", minimal + "  gender one-of @genders\n", `line 5: unknown set "@genders"`},
		{"empty set", "anchorhold: rules/v1\nset a\n", "line 2: empty list"},
		{"set twice", "anchorhold: rules/v1\nset a\n  b\nset a\n  b\n", `line 4: set "a" is declared twice`},
		{"no words", minimal + "  gender one-of\n", "line 5: no words"},
		{"quote in a word", minimal + "  gender one-of a\"b\n", `is not plain ASCII`},
		{"word twice", minimal + "  gender one-of a a\n", `line 5: "a" stands twice`},
		{"element twice", minimal + "  id surrogate\n  id drop\n", `line 6: element "id" has two rules`},
		{"element of all resources twice", minimal + "  id surrogate\nresource *\n  id drop\n", `line 4: element "id" has a rule in resource * too`},
		{"name of a type", minimal + "  Id surrogate\n", `line 5: "Id" is not the name of an element`},
		{"name with a quote", minimal + "  i\"d surrogate\n", `is not the name of an element`},
		{"resourceType", minimal + "  resourceType drop\n", "line 5: resourceType cannot have a rule"},
		{"modifierExtension", minimal + "  modifierExtension drop\n", "line 5: modifierExtension cannot have a rule"},
		{"members of a leaf", minimal + "  id surrogate\n    value drop\n", "line 6: only a group has members"},
		{"empty group", minimal + "  contact group\n", "line 5: nothing stands below it"},
		{"odd indentation", minimal + "   id surrogate\n", "line 5: indentation is not"},
		{"indentation too deep", minimal + "      id surrogate\n", "line 5: indented too deep"},
		{"large number", minimal + "  a integer 1234567890\n", "line 5: largest number"},
		{"no number", minimal + "  a integer x\n", "line 5: largest number"},
		{"dropped modifier", minimal + "  a modifier drop\n", "line 5: a modifier that is always dropped"},
		{"extension without address", minimal + "  extension\n", "line 5: extension without an address"},
		{"extension that is a leaf", minimal + "  extension http://x code\n", `line 5: unknown method "code"`},
		{"extension kept", minimal + "  extension http://x boolean\n", "line 5: extension is neither a group nor dropped"},
		{"short prefix", "anchorhold: rules/v1\nsystems\n  http*  code\n", "line 3: \"http*\" is not an address"},
		{"prefix without a host", "anchorhold: rules/v1\nprofiles\n  https://*\n", "line 3: \"https://*\" is not an address"},
		{"prefix within a name", "anchorhold: rules/v1\nsystems\n  http://hl7.org* code\n", "line 3: \"http://hl7.org*\" is not an address"},
		{"words with commas", minimal + "  a one-of b,c\n", `line 5: "b,c" holds a comma`},
		{"two stars", "anchorhold: rules/v1\nsystems\n  http://x.example/*/y*  code\n", "line 3: \"http://x.example/*/y*\" is not an address"},
		{"system without shape", "anchorhold: rules/v1\nsystems\n  http://x.example\n", "line 3: shape \"\" is not"},
		{"bad shape", "anchorhold: rules/v1\nsystems\n  http://x.example digits 9 1\n", "line 3: shape \"digits 9 1\" is not"},
		{"bad expression", "anchorhold: rules/v1\nsystems\n  http://x.example match (\n", "line 3: shape \"match (\" is not"},
		{"system twice", "anchorhold: rules/v1\nsystems\n  http://x.example code\n  http://x.example code\n", "line 4: \"http://x.example\" stands twice"},
		{"target twice", "anchorhold: rules/v1\ntargets\n  Patient Patient\n", `line 3: "Patient" stands twice`},
		{"no target", "anchorhold: rules/v1\ntargets\n  patient\n", `line 3: "patient" is not the name of a resource`},
	}
	for _, test := range tests {
		e, err := deid.Compile([]byte(test.rules))
		if e != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want %q", test.name, err, test.want)
		}
	}
	_, err := deid.Compile([]byte(minimal + "  id keep\n  meta Meta\n   x drop\n"))
	if err == nil || strings.Count(err.Error(), "line ") != 3 {
		t.Errorf("got %v, want three faults at once", err)
	}
	if _, err := deid.Compile([]byte(minimal + "# " + strings.Repeat("x", 1<<20))); err == nil {
		t.Error("got a rule file of more than 1 MiB accepted")
	}
	if _, err := deid.Compile([]byte(minimal + "  id surrogate [A,R]  # all\n\n# end\n")); err != nil {
		t.Errorf("got %v for a good rule file", err)
	}
}

// No shape that a rule file gives lets a month pass.
func TestNoShapeLetsDatesPass(t *testing.T) {
	e, err := deid.Compile([]byte(minimal + "  a coding\nsystems\n  http://x.example match [0-9-]+\n"))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]bool{"2001-02-03": false, "12001-02": false, "2001-1": true, "1-02-2001": true} {
		out := checkOutput(t, e, patient(`"a":{"system":"http://x.example","code":"`+code+`"}`))
		if got := strings.Contains(out, code); got != want {
			t.Errorf("%s: got kept %t, want %t", code, got, want)
		}
	}
}

// FuzzCompile finds rule files that make the compiler panic, or an engine that
// does or writes what is not JSON.
func FuzzCompile(f *testing.F) {
	rules, err := deid.Preset("safe-harbor")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(rules))
	for _, s := range []string{
		minimal + "  id surrogate\n  a group\n    b one-of c\n    extension http://x group\n      valueCode one-of y\n",
		minimal + "  contained contained\n  a A\ntype A\n  a A\n  b coding\nsystems\n  http://x.example/* match [a-z]+\n",
		minimal + "  meta claim http://a http://b\n  extension http://x year-from a\n  a drop\n  b decimal 99\n  c span d\npersonal\n  1-8 z\n",
		"anchorhold: rules/v1\nset x\n  a\nresource *\n  id surrogate\n",
	} {
		f.Add(s)
	}
	in := mixed(f, 20) + `{"resourceType":"Patient","id":"1","a":{"a":{"b":{"system":"http://x.example/y","code":"z"}},"extension":[{"url":"http://x","valueCode":"y"}]}}`
	f.Fuzz(func(t *testing.T, rules string) {
		if e, err := deid.Compile([]byte(rules)); err == nil {
			checkOutput(t, e, in)
		}
	})
}
