package engine_test

import (
	"errors"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engine"
)

func TestSetCompilesTheRulesOfItsEnginesOnly(t *testing.T) {
	preset, err := deid.Preset("safe-harbor")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[engine.Kind][]byte{engine.FHIRRules: preset, engine.Microsoft: []byte("\xef\xbb\xbf \n" + `{"fhirVersion":"R4","fhirPathRules":[{"path":"Resource","method":"keep"}]}`)}
	fhir, microsoft := engine.Of(engine.FHIRRules, deid.Compile), engine.Of(engine.Microsoft, anonymizer.Compile)
	for _, c := range []struct {
		name string
		set  engine.Set
		has  map[engine.Kind]bool
	}{
		{"no engine", nil, nil},
		{"fhir-rules", engine.Set{fhir}, map[engine.Kind]bool{engine.FHIRRules: true}},
		{"microsoft", engine.Set{microsoft}, map[engine.Kind]bool{engine.Microsoft: true}},
		{"fhir-rules, microsoft", engine.Set{fhir, microsoft}, map[engine.Kind]bool{engine.FHIRRules: true, engine.Microsoft: true}},
	} {
		if got := c.set.String(); got != c.name {
			t.Errorf("got %q, want %q", got, c.name)
		}
		for kind, text := range rules {
			e, err := c.set.Compile(text)
			switch {
			case c.has[kind] && err != nil:
				t.Errorf("%s: rules for %s: got %v, want an engine", c.name, kind, err)
			case !c.has[kind] && (e != nil || !errors.Is(err, engine.ErrMissing) || !strings.Contains(err.Error(), "the rules need "+string(kind)+", the program has "+c.name)):
				t.Errorf("%s: rules for %s: got %v, %v, want an error that names both", c.name, kind, e, err)
			}
		}
	}
}

func TestCompileReturnsNoEngineWithAnError(t *testing.T) {
	set := engine.Set{engine.Of(engine.FHIRRules, deid.Compile), engine.Of(engine.Microsoft, anonymizer.Compile)}
	for _, rules := range []string{"", "nonsense", "{", `{"fhirPathRules":1}`} {
		if e, err := set.Compile([]byte(rules)); err == nil || e != nil || errors.Is(err, engine.ErrMissing) {
			t.Errorf("%q: got %v, %v, want an error of the engine", rules, e, err)
		}
	}
}
