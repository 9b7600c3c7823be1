package fhirpath_test

import (
	"slices"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
	"anchorhold/enclave/steps"
)

func TestExact(t *testing.T) {
	const family = `{"resourceType":"FamilyMemberHistory","condition":[{"onsetAge":{"value":1}},{"onsetString":"two"},{"onsetAge":{"value":3}}],
		"note":[{"text":"same"},{"text":"same"}],"name":"same"}`
	n, err := fhirpath.Read([]byte(family))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expression, spec, exact string }{
		{"condition.onset as Age", "error", "2"},
		{"condition.onset.as(Age)", "error", "2"},
		{"condition.onset.ofType(Quantity)", "2", "0"}, // an Age is a Quantity
		{"(condition.onset as Age).value", "error", "2"},
		{"note.text | name", "1", "3"}, // equal values in three elements
		{"note.text.union(name)", "1", "3"},
		{"'a' | 'b' | 'a'", "2", "2"},
		{"condition.first().onset is Quantity", "true", "false"},
		{"condition.onset is Age", "error", "error"},
	} {
		for exact, want := range map[bool]string{false: c.spec, true: c.exact} {
			x, err := fhirpath.Compile(c.expression, fhirpath.Options{Type: "FamilyMemberHistory", Exact: exact})
			if err != nil {
				t.Fatalf("%s: %v", c.expression, err)
			}
			items, err := x.Evaluate(n, fhirpath.Env{})
			got := "error"
			if err == nil {
				got = strings.TrimPrefix(literals(items), "x")
				if got != "true" && got != "false" {
					got = string(rune('0' + len(items)))
				}
			}
			if got != want {
				t.Errorf("%s, exact %t: got %s, want %s", c.expression, exact, got, want)
			}
		}
	}
}

func TestTypesOfResults(t *testing.T) {
	for expression, want := range map[string]string{
		"Patient.name":              "HumanName",
		"Patient.deceased":          "boolean dateTime",
		"Patient.name | Patient.id": "HumanName id",
		"Patient.contained":         "?",
		"descendants()":             "?",
		"name.where(use='x').given": "string",
		"contact":                   "Patient.contact",
	} {
		x, err := fhirpath.Compile(expression, fhirpath.Options{Type: "Patient"})
		if err != nil {
			t.Fatal(err)
		}
		types, known := x.Types()
		var names []string
		for _, t := range types {
			names = append(names, t.Name())
		}
		got := strings.Join(names, " ")
		if !known {
			got = "?"
		}
		if got != want {
			t.Errorf("%s: got types %s, want %s", expression, got, want)
		}
	}
}

// What is found depends on the tree as it is.
func TestEdits(t *testing.T) {
	n, err := fhirpath.ReadLoose([]byte(`{"resourceType":"Patient","active":null,"name":[{"use":"old","family":"A"},{"family":"B"}],"birthDate":"2000","id":"1"}`), 8)
	if err != nil {
		t.Fatal(err)
	}
	want := func(expression, want string) {
		t.Helper()
		if got, err := evaluate(n, expression); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", expression, got, err, want)
		}
	}
	at := map[string]*fhirpath.Node{}
	walk(n, func(n *fhirpath.Node) { at[n.Pointer()] = n })
	want("name.where(use='old').family.value", "'A'")
	at["/name/0/use"].SetValue('"', "new")
	want("name.where(use='old').family.value", "")
	at["/name/1/family"].ClearValue()
	want("name.family.value", "'A'")
	want("name.family.exists()", "true")
	want("active.exists() and active.hasValue().not()", "true")

	n.Remove(func(c *fhirpath.Node) bool { return c == at["/name/0"] || c.Name() == "active" })
	want("name.count()", "1")
	want("active.exists()", "false")
	more, err := fhirpath.ReadAs([]byte(`{"name":[{"family":"C"},{"family":"D"}],"meta":{"versionId":"7"}}`), n.Type())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range more.Children(nil) {
		if c.Name() == "meta" || c.Index() == 1 {
			n.Adopt(c)
		}
	}
	want("name.family.value", "'D'")
	if got := len(more.Children(nil)); got != 1 || more.Children(nil)[0].Parent() != more {
		t.Errorf("got %d elements left behind, want 1", got)
	}
	n.First("meta", "id")
	n.First("photo")
	var order []string
	for _, c := range n.Children(nil) {
		if c.Parent() != n {
			t.Errorf("%s has another parent", c.Name())
		}
		order = append(order, c.Name())
	}
	if !slices.Equal(order, []string{"meta", "name", "name", "birthDate", "id"}) {
		t.Errorf("got order %v", order)
	}
}

// A budget that evaluations share ends them all.
func TestSharedBudget(t *testing.T) {
	n := resource(t, "patient")
	x, err := fhirpath.Compile("descendants().count()", fhirpath.Options{})
	if err != nil {
		t.Fatal(err)
	}
	budget, ran := steps.New(nil), 0
	budget.Start(10_000)
	for ; ran < 10_000; ran++ {
		if _, err := x.Evaluate(n, fhirpath.Env{Budget: budget}); err != nil {
			break
		}
	}
	if ran == 0 || ran > 500 || budget.Err() != steps.ErrSpent {
		t.Errorf("got %d evaluations and %v, want some and 10,000 steps spent", ran, budget.Err())
	}
}

func TestReadLoose(t *testing.T) {
	for json, want := range map[string]string{
		`{"resourceType":"Patient","active":null,"name":null,"birthDate":null,"_birthDate":{"id":"a"}}`: "",
		`{"resourceType":"Patient","name":{"given":"A","_given":[{"id":"b"}]}}`:                         "",
		`{"resourceType":"Patient","contained":[null]}`:                                                 "",
		`{"resourceType":"Patient","name":"A"}`:                                                         "malformed",
		`{"resourceType":"Patient","active":{}}`:                                                        "malformed",
		`{"resourceType":"Patient","contact":[{"name":{"given":["A"]}}]}`:                               "deep",
	} {
		_, err := fhirpath.ReadLoose([]byte(json), 5)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", json, err, want)
		}
	}
	if _, err := fhirpath.ReadAs([]byte(`"a"`), fhirpath.TypeNamed("string")); err == nil {
		t.Error("ReadAs made a primitive")
	}
	if r := fhirpath.Resources(); len(r) != 146 || !slices.Contains(r, "Patient") || slices.Contains(r, "Resource") {
		t.Errorf("got %d resource types, want the 146 of R4", len(r))
	}
}
