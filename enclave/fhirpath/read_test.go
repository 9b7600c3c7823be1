package fhirpath_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/fhirpath"
)

func TestModel(t *testing.T) {
	types, elements := fhirpath.CheckModel(t.Errorf)
	if types != 682 || elements != 7446 {
		t.Errorf("got %d types with %d elements, want 682 with 7446", types, elements)
	}
}

// walk calls f for n and every node below it.
func walk(n *fhirpath.Node, f func(*fhirpath.Node)) {
	f(n)
	for _, c := range n.Children(nil) {
		walk(c, f)
	}
}

// The span and the pointer of a node name the same value, and no two nodes
// are at one place: a rule that changes a node changes that and nothing else.
func TestNodesHavePlaces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if vectors := os.Getenv("VECTORS"); vectors != "" {
		more, _ := filepath.Glob(filepath.Join(vectors, "fhirpath/inputs/*.json"))
		files = append(files, more...)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkPlaces(t, file, b)
	}
}

func checkPlaces(t *testing.T, file string, b []byte) {
	t.Helper()
	root, err := fhirpath.Read(b)
	if err != nil {
		t.Errorf("%s: %v", file, err)
		return
	}
	var document any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&document); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	walk(root, func(n *fhirpath.Node) {
		p := n.Pointer()
		if seen[p] {
			t.Errorf("%s: two nodes at %s", file, p)
		}
		seen[p] = true
		v := n.Value()
		if v == (fhirpath.Span{}) {
			if n.HasValue() || n.Extra() == v && n.Kind() != 'n' {
				t.Errorf("%s: %s has a value and no span", file, p)
			}
			return
		}
		var span any
		d := json.NewDecoder(bytes.NewReader(b[v.Start:v.End]))
		d.UseNumber()
		if err := d.Decode(&span); err != nil {
			t.Errorf("%s: span of %s: %v", file, p, err)
			return
		}
		got, _ := json.Marshal(span)
		want, _ := json.Marshal(resolve(document, p))
		if !bytes.Equal(got, want) {
			t.Errorf("%s: span of %s is %.40s, pointer says %.40s", file, p, got, want)
		}
	})
}

func resolve(v any, pointer string) any {
	for token := range jsontext.Pointer(pointer).Tokens() {
		switch x := v.(type) {
		case map[string]any:
			v = x[token]
		case []any:
			var i int
			if json.Unmarshal([]byte(token), &i) != nil || i >= len(x) {
				return "nowhere"
			}
			v = x[i]
		}
	}
	return v
}

func TestNode(t *testing.T) {
	n := resource(t, "patient")
	at := map[string]*fhirpath.Node{}
	walk(n, func(n *fhirpath.Node) { at[n.Pointer()] = n })
	for pointer, path := range map[string]string{
		"/birthDate":                            "Patient.birthDate",
		"/_birthDate/extension/0":               "Patient.birthDate.extension[0]",
		"/_name/given":                          "",
		"/name/1/given/0":                       "Patient.name[1].given[0]",
		"/name/1/_given/0/extension/0/url":      "Patient.name[1].given[0].extension[0].url",
		"/contained/0/telecom/0/value":          "Patient.contained[0].telecom[0].value",
		"/extension/0/valueAge":                 "Patient.extension[0].value",
		"/shoeSize/value/1":                     "Patient.?.?[1]",
		"/deceasedBoolean":                      "Patient.deceased",
		"/name/1/_given/0/extension/0":          "Patient.name[1].given[0].extension[0]",
		"/_birthDate/extension/0/valueDateTime": "Patient.birthDate.extension[0].value",
	} {
		got := ""
		if at[pointer] != nil {
			got = at[pointer].Path()
		}
		if got != path {
			t.Errorf("%s: got %q, want %q", pointer, got, path)
		}
	}
	telecom := at["/contained/0/telecom/0"]
	if r := telecom.Resource(); r != at["/contained/0"] || r.Type().String() != "FHIR.Organization" || r.Parent() != n || !r.IsResource() {
		t.Errorf("got resource %s of a contained telecom", r.Path())
	}
	if d := at["/birthDate"]; d.Extra() == (fhirpath.Span{}) || d.Name() != "birthDate" || d.Index() != -1 {
		t.Errorf("birthDate has extra %v, name %s, index %d", d.Extra(), d.Name(), d.Index())
	}
	if a := at["/extension/0/valueAge"]; a.Member() != "valueAge" || a.Type().Name() != "Age" || !a.Type().Is("Quantity") {
		t.Errorf("got member %s of type %s", a.Member(), a.Type())
	}
	if v, ok := at["/multipleBirthInteger"].Text(); v != "2" || !ok {
		t.Errorf("got text %q, %t", v, ok)
	}
}

// Number text survives, whatever its form.
func TestNumberText(t *testing.T) {
	n, err := fhirpath.Read([]byte(`{"resourceType":"Observation","valueQuantity":{"value":1.50e+2}}`))
	if err != nil {
		t.Fatal(err)
	}
	walk(n, func(n *fhirpath.Node) {
		if n.Name() != "value" || n.Type().Name() != "decimal" {
			return
		}
		if v, _ := n.Text(); v != "1.50e+2" {
			t.Errorf("got %s, want 1.50e+2", v)
		}
	})
	if got, err := evaluate(n, "value.value = 150"); got != "true" || err != nil {
		t.Errorf("got %s, %v, want true", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	deep := `{"resourceType":"Patient"` + strings.Repeat(`,"extension":[{"url":"a"`, 40) + strings.Repeat(`}]`, 40) + `}`
	for _, c := range []struct {
		json string
		want error
	}{
		{``, fhirpath.ErrMalformed},
		{`[]`, fhirpath.ErrMalformed},
		{`{}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Nonsense"}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Resource"}`, fhirpath.ErrMalformed},
		{`{"resourceType":"HumanName"}`, fhirpath.ErrMalformed},
		{`{"resourceType":1}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient"} {}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","id":"a","id":"b"}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","resourceType":"Observation"}`, fhirpath.ErrMalformed},
		{"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}", fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","name":["a"]}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","active":{}}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","active":null}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","name":[null]}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","name":[[{}]]}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","_active":[{}],"active":true}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","_active":true}`, fhirpath.ErrMalformed},
		{`{"resourceType":"Patient","contained":[{"id":"a"}]}`, fhirpath.ErrMalformed},
		{deep, fhirpath.ErrTooDeep},
	} {
		if _, err := fhirpath.Read([]byte(c.json)); !errors.Is(err, c.want) {
			t.Errorf("%.60s: got %v, want %v", c.json, err, c.want)
		}
	}
	late := `{"id":"a","contained":[{"id":"b","resourceType":"Group"}],"resourceType":"Patient","name":[]}`
	if n, err := fhirpath.Read([]byte(late)); err != nil || n.Type().Name() != "Patient" {
		t.Errorf("resourceType that comes last: got %v", err)
	}
}
