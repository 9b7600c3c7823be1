package fhirpath_test

import (
	"errors"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
)

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		expression, context string
		kind                fhirpath.Kind
		offset              int
	}{
		{"name.given.", "", fhirpath.Syntax, 11},
		{"name ? 1", "", fhirpath.Syntax, 5},
		{"'a\xff'", "", fhirpath.Syntax, 0},
		{"name.where(nonsense(1))", "Patient", fhirpath.Unsupported, 11},
		{"Patient.name.given1", "", fhirpath.Semantic, 13},
		{"nme.given", "", fhirpath.Semantic, 0},
		{"name.given1", "", fhirpath.Semantic, 5}, // no type of R4 has it
		{"Patient.birthDate > now()", "", fhirpath.Unsupported, 20},
		{"name", "Nonsense", fhirpath.Semantic, 0},
		{"name", "HumanName", fhirpath.Semantic, 0},
		{strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), "", fhirpath.Limit, 100},
		{strings.Repeat("-", 200) + "1", "", fhirpath.Limit, 99},
		{"name" + strings.Repeat(".first()", 200), "", fhirpath.Limit, 4 + 8*99 + 1},
		{strings.Repeat(" ", fhirpath.MaxExpression+1), "", fhirpath.Limit, 0},
		{"'a'.matches('" + strings.Repeat("a", 2000) + "')", "", fhirpath.Unsupported, 12},
		{"'a'.matches('((a{1000}){1000}){1000}')", "", fhirpath.Unsupported, 12},
		{"'a'.matches('\\\\pL{1000}\\\\pL{1000}')", "", fhirpath.Unsupported, 12},
	} {
		_, err := fhirpath.Compile(c.expression, fhirpath.Options{Type: c.context})
		var e *fhirpath.CompileError
		if !errors.As(err, &e) || e.Kind != c.kind || e.Offset != c.offset {
			t.Errorf("%.60s: got %v, want %s expression at byte %d", c.expression, err, c.kind, c.offset)
		}
	}
}

// Without a type to start from, a path starts with a type, or is checked
// against the names of all.
func TestCompileWithoutType(t *testing.T) {
	patient, observation := resource(t, "patient"), resource(t, "observation")
	for _, c := range []struct{ expression, patient, observation string }{
		{"Patient.name.use", "/name[0].use, /name[1].use", ""},
		{"Resource.id", "/id", "/id"},
		{"DomainResource.contained.id", "/contained[0].id", ""},
		{"id | status", "/id", "/id, /status"},
		{"descendants().where($this is Quantity).unit", "/extension[0].value.unit", "/value.unit, /component[0].value.unit, /component[1].value.unit"},
	} {
		x, err := fhirpath.Compile(c.expression, fhirpath.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		for n, want := range map[*fhirpath.Node]string{patient: c.patient, observation: c.observation} {
			items, err := x.Evaluate(n, fhirpath.Env{})
			if got := literals(items); err != nil || got != want {
				t.Errorf("%s: got %s, %v, want %s", c.expression, got, err, want)
			}
		}
	}
}

func TestNodes(t *testing.T) {
	n := resource(t, "patient")
	for expression, want := range map[string]int{"name.given": 4, "photo": 0, "name.given.first() | 'a'": -1, "birthDate.value": -1} {
		x, err := fhirpath.Compile(expression, fhirpath.Options{Type: "Patient"})
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := x.Nodes(n, fhirpath.Env{})
		if want < 0 && (err == nil || nodes != nil) || want >= 0 && (err != nil || len(nodes) != want) {
			t.Errorf("%s: got %d nodes, %v, want %d", expression, len(nodes), err, want)
		}
	}
}

func TestUnknownElements(t *testing.T) {
	n := resource(t, "patient")
	for expression, want := range map[string]string{
		"Patient.notAvaliable.description": "",
		"TestResource":                     "",
		"shoeSize.value":                   "/?.?[0], /?.?[1]", // what the record has is found
	} {
		x, err := fhirpath.Compile(expression, fhirpath.Options{UnknownElements: true})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		items, err := x.Evaluate(n, fhirpath.Env{})
		if got := literals(items); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", expression, got, err, want)
		}
	}
}

func TestCustomFunctions(t *testing.T) {
	named := fhirpath.CustomFunc{MinArgs: 1, MaxArgs: 1, Call: func(in []*fhirpath.Node, args []string, _ func(int) error) ([]*fhirpath.Node, error) {
		var out []*fhirpath.Node
		for _, n := range in {
			for _, c := range n.Children(nil) {
				if c.Name() == args[0] {
					out = append(out, c)
				}
			}
		}
		return out, nil
	}}
	broken := fhirpath.CustomFunc{Call: func([]*fhirpath.Node, []string, func(int) error) ([]*fhirpath.Node, error) {
		return nil, errors.New("broken")
	}}
	o := fhirpath.Options{Functions: map[string]fhirpath.CustomFunc{"named": named, "broken": broken}}
	n := resource(t, "patient")
	for _, r := range []row{
		{"named('name').use", "/name[0].use, /name[1].use"},
		{"Patient.name.named('family')", "/name[0].family"},
		{"Patient.name.where(named('family').exists()).use", "/name[0].use"},
		{"'a'.named('x')", "!do not fit"},
		{"named('a' & 'b')", "!not a string in quotes"},
		{"named()", "!takes 1 to 1 arguments"},
		{"broken()", "!broken"},
	} {
		got := ""
		x, err := fhirpath.Compile(r.expression, o)
		if err == nil {
			var items []fhirpath.Item
			items, err = x.Evaluate(n, fhirpath.Env{})
			got = literals(items)
		}
		if want, ok := strings.CutPrefix(r.want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %s, %v, want error %q", r.expression, got, err, want)
			}
		} else if err != nil || got != r.want {
			t.Errorf("%s: got %s, %v, want %s", r.expression, got, err, r.want)
		}
	}
}

func TestPrint(t *testing.T) {
	for expression, want := range map[string]string{
		"1+2*-3":                            "1 + (2 * (-3))",
		"a . b [ 0 ]":                       "a.b[0]",
		"a.`div`.`b c`":                     "a.`div`.`b c`",
		"is(FHIR.Patient) or a as Quantity": "is(FHIR.Patient) or (a as Quantity)",
		"'\\u0041\\t\\''":                   `'A\u0009\''`,
		"@2015T | @T10:00 | @2015-01":       "(@2015T | @T10:00) | @2015-01",
		"4 days + 5 'mg'":                   "4 days + 5 'mg'",
		"%'vs-x' in {}":                     "%`vs-x` in {}",
	} {
		if got, err := fhirpath.Print(expression); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", expression, got, err, want)
		}
	}
}
