package deid_test

import (
	"bytes"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/code"
)

// masked is written in the place of a mandatory element that goes.
const masked = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`

func TestMandatoryElementsAreMasked(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{"resourceType":"Goal","description":{"text":"walk to Smith's"}}`, `{"resourceType":"Goal","description":` + masked + `}`},
		{`{"resourceType":"Goal","description":{"text":null}}`, `{"resourceType":"Goal","description":` + masked + `}`},
		{`{"resourceType":"Goal"}`, `{"resourceType":"Goal"}`},
		{`{"resourceType":"Slot","start":"2024-01-02T03:04:05Z"}`, `{"resourceType":"Slot","_start":` + masked + `}`},
		// A choice keeps the name that says its type.
		{`{"resourceType":"MedicationRequest","medicationReference":{"display":"Smith"}}`, `{"resourceType":"MedicationRequest","medicationReference":` + masked + `}`},
		// An optional element of which only reasons would be left goes.
		{`{"resourceType":"Observation","component":[{"code":{"text":"Smith"}}]}`, `{"resourceType":"Observation"}`},
		{`{"resourceType":"Observation","component":[{"code":{"text":"Smith"},"valueBoolean":true}]}`, `{"resourceType":"Observation","component":[{"valueBoolean":true,"code":` + masked + `}]}`},
		// A mandatory one stays: its holder would not be valid without it.
		{`{"resourceType":"DocumentReference","content":[{"attachment":{"title":"Smith"}}]}`, `{"resourceType":"DocumentReference","content":[{"attachment":` + masked + `}]}`},
		// A modifier takes one away with its members, for which no reason can be written.
		{`{"resourceType":"ImmunizationRecommendation","recommendation":[{"forecastStatus":{"text":"Smith"}}]}`, "mandatory-removed"},
		// Modifiers that have only extensions.
		{`{"resourceType":"Flag","_status":{"extension":[{"url":"urn:x","valueString":"Smith"}]}}`, `{"resourceType":"Flag","_status":` + masked + `}`},
		{`{"resourceType":"Slot","start":null,"_start":{"id":"Smith"}}`, `{"resourceType":"Slot","_start":` + masked + `}`},
		{`{"resourceType":"Observation","code":null}`, `{"resourceType":"Observation"}`},
		// A name says the type of a choice only where FHIR has that type.
		{`{"resourceType":"MedicationRequest","medicationSmith":{}}`, `{"resourceType":"MedicationRequest"}`},
		{`{"resourceType":"Task","input":[{"type":{"text":"x"},"valueMeta":{},"valueInteger":7}]}`, `{"resourceType":"Task","input":[{"valueInteger":7,"type":` + masked + `}]}`},
		// One of several will do.
		{`{"resourceType":"Organization","name":"Smith","identifier":[{"value":"1"}]}`, `{"resourceType":"Organization","identifier":[{"system":"urn:anchorhold:surrogate","value":"<0>"}]}`},
		{`{"resourceType":"Organization","name":"Smith","identifier":[{"value":""}]}`, `{"resourceType":"Organization","identifier":[` + masked + `]}`},
		{`{"resourceType":"Patient","contact":[{"relationship":[],"name":{"text":"Smith"},"telecom":[{"value":"1"}]}]}`, `{"resourceType":"Patient"}`},
		// The elements of a type, wherever it is used.
		{`{"resourceType":"ClaimResponse","item":[{"detail":[{"adjudication":[{"category":{"text":"Smith"},"value":3}]}]}]}`, `{"resourceType":"ClaimResponse","item":[{"detail":[{"adjudication":[{"value":3,"category":` + masked + `}]}]}]}`},
		{`{"resourceType":"Organization","name":"Smith"}`, `{"resourceType":"Organization","_name":` + masked + `}`},
	} {
		if got := one(t, test.in); got != test.want {
			t.Errorf("%s: got %s, want %s", test.in, got, test.want)
		}
	}
}

// A reason is longer than the value that it replaces: a record must not grow by as many as it has
// values.
func TestReasonsOfARecordAreBounded(t *testing.T) {
	record := func(n int) string {
		c := strings.Repeat(`,{"code":{"text":"x"},"valueBoolean":true}`, n)
		return `{"resourceType":"Observation","component":[` + c[1:] + `]}`
	}
	if got := one(t, record(256)); strings.Count(got, masked) != 256 {
		t.Errorf("got %d reasons, want 256", strings.Count(got, masked))
	}
	short := func(n int) string { return strings.ReplaceAll(record(n), `"text":"x"`, "") }
	if got := one(t, short(257)); got != string(code.MandatoryRemoved) {
		t.Errorf("got %.100s, want %s", got, code.MandatoryRemoved)
	}
	// A long record gets one for each 256 bytes.
	long := strings.Replace(short(300), `"component"`, `"note":[{"text":"`+strings.Repeat("x", 80_000)+`"}],"component"`, 1)
	if got := one(t, long); strings.Count(got, masked) != 300 {
		t.Errorf("got %d reasons of a long record, want 300", strings.Count(got, masked))
	}
}

func TestMandatoryNamesPaths(t *testing.T) {
	rules := safeHarborText(t)
	for _, line := range []string{"Goal", "Windmill.name", "Goal.description mask"} {
		changed := bytes.Replace(rules, []byte("\nmandatory\n"), []byte("\nmandatory\n  "+line+"\n"), 1)
		if _, err := deid.Compile(changed); err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%s: got %v, want an error that names it", line, err)
		}
	}
	if _, err := deid.Compile(append(rules, "mandatory\n  Goal.description\n"...)); err == nil {
		t.Error("got no error for two sections, want one")
	}
}

func safeHarborText(t *testing.T) []byte {
	t.Helper()
	rules, err := deid.Preset("safe-harbor")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deid.Compile(rules); err != nil {
		t.Fatal(err)
	}
	return rules
}
