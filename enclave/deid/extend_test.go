package deid_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

// extending is a rule file that extends a preset; lines 4 and on are free.
func extending(preset, rules string) string {
	return "# ours\nanchorhold: rules/v1\nextends " + preset + "\n" + rules
}

func compiled(t *testing.T, rules string) *deid.Engine {
	t.Helper()
	e, err := deid.Compile([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const ours = `set wards
  12345 W2
systems
  http://clinic.example/lab    digits 1 4
  http://clinic.example/ward   one-of @wards
  http://clinic.example/site   match [A-Z0-9/]+
personal
  OUR-AGE
harmless
  http://loinc.org
    72133-2
  http://clinic.example/lab
    77
profiles
  http://clinic.example/StructureDefinition/lab
resource Patient
  extension http://clinic.example/ward group
    valueCoding  coding
  extension http://clinic.example/visit group
    valueDate     date
    valueInteger  integer 9999
    valueString   one-of a b
`

// What an extension adds stays, in the forms of the preset, and all else is as in the preset.
func TestExtensionsOfPresets(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{codedWith("http://clinic.example/lab", "12"), codedWith("http://clinic.example/lab", "12")},
		{codedWith("http://clinic.example/lab", "07"), codedWith("http://clinic.example/lab", "07")},
		{codedWith("http://clinic.example/ward", "12345"), codedWith("http://clinic.example/ward", "12345")},
		{codedWith("http://clinic.example/site", "A/12"), codedWith("http://clinic.example/site", "A/12")},
		// A shape of an extension's own lets no more pass than "code".
		{codedWith("http://clinic.example/lab", "1931"), `{"resourceType":"Observation"}`},
		{codedWith("http://clinic.example/lab", "0095"), `{"resourceType":"Observation"}`},
		{codedWith("http://clinic.example/site", "12/31"), `{"resourceType":"Observation"}`},
		{codedWith("http://clinic.example/site", "A12345"), `{"resourceType":"Observation"}`},
		{codedWith("http://clinic.example/site", "2/3/01"), `{"resourceType":"Observation"}`},
		{codedWith("http://clinic.example/ward", "12346"), `{"resourceType":"Observation"}`},
		{observation(loincCode("72133-2") + `,"valueInteger":95`), observation(loincCode("72133-2") + `,"valueInteger":95`)},
		{observation(loincCode("8867-4") + `,"valueInteger":95`), observation(loincCode("8867-4") + `,"valueInteger":95`)},
		{
			observation(loincCode("8867-4") + `,"valueInteger":95,"component":[{"code":{"coding":[{"code":"OUR-AGE"}]}}]`),
			observation(loincCode("8867-4")),
		},
		{
			patient(`"extension":[{"url":"http://clinic.example/ward","valueCoding":{"system":"http://clinic.example/ward","code":"W2"}},{"url":"http://x","valueString":"Smith"}]`),
			patient(`"extension":[{"url":"http://clinic.example/ward","valueCoding":{"system":"http://clinic.example/ward","code":"W2"}}]`),
		},
		{
			patient(`"extension":[{"url":"http://clinic.example/visit","valueDate":"2020-01-02","valueInteger":95,"valueString":"Smith"}]`),
			patient(`"extension":[{"url":"http://clinic.example/visit","valueDate":"2020"}]`),
		},
		// The numbers of an extension are judged as others.
		{
			patient(`"birthDate":"1990","extension":[{"url":"http://clinic.example/visit","valueInteger":60}]`),
			patient(`"birthDate":"1990"`),
		},
	} {
		whole, err := deid.Expand([]byte(extending("safe-harbor", ours)))
		if err != nil {
			t.Fatal(err)
		}
		for _, rules := range []string{extending("safe-harbor", ours), string(whole)} {
			out, _ := runWith(t, compiled(t, rules), test.in+"\n", options())
			if got := strings.TrimSuffix(out, "\n"); got != test.want {
				t.Errorf("%s:\ngot  %s\nwant %s", test.in, got, test.want)
			}
		}
	}
}

// An extension of nothing changes nothing, byte for byte.
func TestEmptyExtensionsChangeNothing(t *testing.T) {
	in := mixed(t, 50)
	forPresets(t, func(t *testing.T, preset string) {
		want, _ := run(t, preset, in)
		if got, _ := runWith(t, compiled(t, extending(preset, "")), in, options()); got != want {
			t.Errorf("got another output than that of %s", preset)
		}
	})
}

// The attack: an extension that takes away what the preset protects. Each line is refused, with its
// number.
func TestWhatExtensionsMayNotLoosen(t *testing.T) {
	for rules, want := range map[string]string{
		"resource Patient\n  name group\n    family one-of Smith\n":                                   "line 5: an extension of the rules adds extensions, not elements",
		"resource Patient\n  birthDate date\n":                                                        "line 5: an extension of the rules adds extensions",
		"resource *\n  extension http://x.example group\n    valueBoolean boolean\n":                  "line 4: an extension of the rules cannot add to all resources",
		"resource AuditEvent\n  id surrogate\n":                                                       "line 5: an extension of the rules adds extensions",
		"resource AuditEvent\n  extension http://x.example group\n    valueBoolean boolean\n":         `line 4: resource "AuditEvent" is not one of the preset`,
		"resource Smith\n  extension http://x.example group\n    valueBoolean boolean\n":              `line 4: resource "Smith" is not among the targets`,
		"systems\n  http://x.example/* code\n":                                                        "line 5: an extension lists its addresses one by one",
		"systems\n  http://loinc.org match .*\n":                                                      `line 5: the preset judges the codes of "http://loinc.org" already`,
		"systems\n  http://terminology.hl7.org/CodeSystem/v3-TribalEntityUS code\n":                   "line 5: the preset judges the codes of",
		"systems\n  http://terminology.hl7.org/CodeSystem/v3-ActCode match .*\n":                      "line 5: the preset judges the codes of",
		"systems\n  HTTP://terminology.hl7.org/CodeSystem/v3-tribalentityus code\n":                   "line 5: the preset judges the codes of",
		"systems\n  http://loinc.org/ code\n":                                                         "line 5: the preset judges the codes of",
		"systems\n  http://loinc.org|2.7 code\n":                                                      "line 5: the preset judges the codes of",
		"systems\n  https://loinc.org code\n":                                                         "line 5: the preset judges the codes of",
		"systems\n  http://x.example/o oid @sop-classes\n":                                            `line 5: the shape "oid" is for the systems of the preset`,
		"identifiers\n  http://x.example/*\n":                                                         "line 5: an extension lists its addresses one by one",
		"systems\n  http://x.example/ndc ndc\n":                                                       `line 5: the shape "ndc" is for the systems of the preset`,
		"profiles\n  http://x.example/*\n":                                                            "line 5: an extension lists its addresses one by one",
		"define date day\n":                                                                           `line 4: an extension cannot have a section "define"`,
		"requires expert-determination\n":                                                             `line 4: an extension cannot have a section "requires"`,
		"surrogates keyed\n":                                                                          `line 4: an extension cannot have a section "surrogates"`,
		"patients subject\n":                                                                          `line 4: an extension cannot have a section "patients"`,
		"targets\n  Smith\n":                                                                          `line 4: an extension cannot have a section "targets"`,
		"type HumanName\n  family one-of Smith\n":                                                     `line 4: an extension cannot have a section "type"`,
		"extends uds-plus\n":                                                                          `line 4: an extension cannot have a section "extends"`,
		"set zip3-suppressed\n  000\n":                                                                `line 4: set "zip3-suppressed" is declared twice`,
		"harmless\n  http://loinc.org\n    30525-0\n":                                                 "line 6: 30525-0 of http://loinc.org is personal and cannot be harmless",
		"personal\n  8867-4\n":                                                                        "line 5: 8867-4 of http://loinc.org is personal and cannot be harmless",
		"resource Patient\n  extension http://x.example group\n    valueInteger fixed integer 9999\n": "line 6: an extension cannot say that a number is fixed",
		"resource Patient\n  extension http://x.example group\n    valueDate day\n":                   `line 6: an extension cannot use the method "day"`,
		// A unit of the record's own choice would let 1931 pass as seconds.
		"resource Patient\n  extension http://x.example group\n    valueDecimal span valueCode\n":           `line 6: an extension cannot use the method "span"`,
		"resource Patient\n  extension http://x.example group\n    valueString place\n":                     `line 6: an extension cannot use the method "place"`,
		"resource Patient\n  extension http://x.example group\n    valueString zip-code\n":                  `line 6: an extension cannot use the method "zip-code"`,
		"resource Patient\n  extension http://x.example contained\n":                                        `line 5: an extension cannot use the method "contained"`,
		"resource Patient\n  extension http://hl7.org/fhir/us/core/StructureDefinition/us-core-race drop\n": "line 5: extension \"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race\" has two rules",
		"option keep\n":                  `line 4: unknown section "option keep"`,
		"option labels\noption labels\n": `line 5: "option" stands twice`,
		"identifiers\n":                  "line 4: empty list",
	} {
		_, err := deid.Compile([]byte(extending("safe-harbor", rules)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q for:\n%s", err, want, rules)
		}
	}
	for rules, want := range map[string]string{
		extending("none", ""):             `line 3: extends "none", want one of expert-shift`,
		extending("safe-harbor x", ""):    `line 3: extends "safe-harbor x", want`,
		extending("", ""):                 `line 3: extends "", want`,
		extending("safe-harbor\n  a", ""): "line 4: indented too deep",
	} {
		if _, err := deid.Compile([]byte(rules)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// What a file adds can be listed, and so can that it does not begin with the preset that it names.
func TestAdditionsAreListed(t *testing.T) {
	e := compiled(t, extending("safe-harbor", ours+"option labels\nidentifiers\n  http://mrn.example\n"))
	for _, want := range []string{
		"systems http://clinic.example/lab digits 1 4", "personal OUR-AGE", "harmless http://loinc.org 72133-2", "profiles http://clinic.example/StructureDefinition/lab",
		"resource Patient extension http://clinic.example/visit group valueInteger integer 9999", "option labels", "identifiers http://mrn.example",
	} {
		if !slices.Contains(e.Additions(), want) {
			t.Errorf("got additions %q, want %q among them", e.Additions(), want)
		}
	}
	if e.Extends() != "safe-harbor" || len(e.Warnings()) != 0 {
		t.Errorf("got %q and warnings %q, want safe-harbor and none", e.Extends(), e.Warnings())
	}
	whole, err := deid.Expand([]byte(extending("safe-harbor", ours)))
	if err != nil {
		t.Fatal(err)
	}
	if e := compiled(t, string(whole)); e.Extends() != "safe-harbor" || len(e.Warnings()) != 0 || len(e.Additions()) == 0 {
		t.Errorf("got %q, warnings %q, additions %q, want what the file says", e.Extends(), e.Warnings(), e.Additions())
	}
	forged := strings.Replace(string(whole), "  name                                      drop [A]\n", "", 1)
	if forged == string(whole) {
		t.Fatal("nothing was changed")
	}
	if w := compiled(t, forged).Warnings(); len(w) != 1 || !strings.Contains(w[0], "do not begin with its text") {
		t.Errorf("got warnings %q of rules that are not the preset's, want one", w)
	}
	if e := safeHarbor(t); e.Extends() != "" || len(e.Additions()) != 0 || len(e.Warnings()) != 0 {
		t.Errorf("got %q, %q, %q of a preset, want nothing", e.Extends(), e.Additions(), e.Warnings())
	}
	for _, rules := range []string{"", "{}", "anchorhold: rules/v1\ntargets\n  Basic\n", "\x00"} {
		if got, err := deid.Expand([]byte(rules)); string(got) != rules || err != nil {
			t.Errorf("got %q, %v, want %q as it is", got, err, rules)
		}
	}
}

// The reason stands in the place of what identifies, in a form that fits the value.
func TestReasonsForAbsentValues(t *testing.T) {
	const reason = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`
	e := compiled(t, extending("safe-harbor", "option masked\n"))
	for _, test := range []struct{ in, want string }{
		{patient(`"name":[{"family":"Smith"}]`), patient(`"name":[` + reason + `]`)},
		{patient(`"birthDate":"1900-01-02"`), patient(`"_birthDate":` + reason)},
		{patient(`"birthDate":"1990-01-02"`), patient(`"birthDate":"1990"`)},
		{patient(`"birthDate":"1900-01-02","_birthDate":{"extension":[{"url":"x","valueString":"Smith"}]}`), patient(`"_birthDate":` + reason)},
		{patient(`"address":[{"line":["1 Main St"],"city":"X","state":"KS"}]`), patient(`"address":[{"_line":[` + reason + `],"_city":` + reason + `,"state":"KS"}]`)},
		{patient(`"deceasedDateTime":"1900"`), patient(`"deceasedBoolean":true`)},
		{patient(`"name":[],"photo":null,"telecom":[[]]`), `{"resourceType":"Patient"}`},
		{patient(`"text":{"div":"Smith"},"x":1,"gender":"Smith"`), `{"resourceType":"Patient"}`},
		{`{"resourceType":"Condition","code":{"text":"Smith","coding":[{"system":"http://snomed.info/sct","code":"44054006"}]}}`, `{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"44054006"}]}}`},
		{`{"resourceType":"Condition","onsetAge":{"value":30,"unit":"a",` + ucumIs + `,"code":"a"},"recordedDate":"1960"}`, `{"resourceType":"Condition","onsetAge":` + reason + `,"recordedDate":"1960"}`},
	} {
		out, _ := runWith(t, e, test.in+"\n", options())
		if got := strings.TrimSuffix(out, "\n"); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.in, got, test.want)
		}
	}
	in := patient(`"contact":[` + strings.TrimSuffix(strings.Repeat(`{"name":1},`, 5000), ",") + `]`)
	if out, _ := runWith(t, e, in+"\n", options()); len(out) > len(in)+300*len(reason) {
		t.Errorf("got %d bytes of %d, want no more reasons than 256", len(out), len(in))
	}
}

// Labels say what was done, after what the record says itself.
func TestLabelsSayWhatWasDone(t *testing.T) {
	label := func(code, display string) string {
		return `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"` + code + `","display":"` + display + `"}`
	}
	redacted, abstracted, pseudonymized, anonymized := label("REDACTED", "redacted"), label("ABSTRED", "abstracted"), label("PSEUDED", "pseudonymized"), label("ANONYED", "anonymized")
	security := func(l ...string) string { return `"security":[` + strings.Join(l, ",") + `]` }
	const profile = `"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]`
	for _, test := range []struct{ preset, in, want string }{
		{"safe-harbor", patient(`"gender":"male"`), patient(`"gender":"male","meta":{` + security(anonymized) + `}`)},
		{"safe-harbor", patient(`"meta":{` + profile + `},"name":[{}]`), patient(`"meta":{` + profile + `,` + security(redacted, anonymized) + `}`)},
		{"safe-harbor", patient(`"id":"1","birthDate":"1990-01-02"`), patient(`"id":"<0>","birthDate":"1990","meta":{` + security(abstracted, pseudonymized, anonymized) + `}`)},
		{
			"safe-harbor", patient(`"meta":{"versionId":"1","security":[{"system":"http://x","code":"y"},{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R","display":"Smith"},7]}`),
			patient(`"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"},` + redacted + `,` + anonymized + `]}`),
		},
		{
			"safe-harbor", patient(`"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"ANONYED"}]}`),
			patient(`"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"ANONYED"}]}`),
		},
		{
			"safe-harbor", `{"resourceType":"Encounter","status":"finished","contained":[{"resourceType":"Patient","meta":{` + profile + `}}]}`,
			`{"resourceType":"Encounter","status":"finished","contained":[{"resourceType":"Patient","meta":{` + profile + `}}],"meta":{` + security(anonymized) + `}}`,
		},
		{"limited-data-set", patient(`"gender":"male"`), patient(`"gender":"male"`)},
		{"limited-data-set", patient(`"meta":"Smith","gender":"male"`), patient(`"gender":"male"`)},
		{"expert-shift", patient(`"birthDate":"1990-07-02"`), patient(`"birthDate":"1989","meta":{` + security(`{"code":"PERTURBED","display":"exact value is replaced with another exact value"}`) + `}`)},
		{"uds-plus", `{"resourceType":"Location","meta":{"source":"Smith"}}`, `{"resourceType":"Location","meta":{` + security(anonymized) + `}}`},
	} {
		in := test.in
		if test.preset == "expert-shift" {
			continue // below
		}
		out, _ := runWith(t, compiled(t, extending(test.preset, "option labels\n")), in+"\n", options())
		if got := strings.TrimSuffix(spelt.ReplaceAllString(out, "<0>"), "\n"); got != test.want {
			t.Errorf("%s: %s:\ngot  %s\nwant %s", test.preset, test.in, got, test.want)
		}
	}
	out, _ := runWith(t, compiled(t, extending("expert-shift", "option labels\n")), `{"resourceType":"Encounter","status":"finished","subject":{"reference":"Patient/1"},"period":{"start":"2020-01-02"}}`+"\n", options())
	if !strings.Contains(out, "PSEUDED") || !strings.Contains(out, `"PERTURBED"`) || strings.Contains(out, "ANONYED") || strings.Contains(out, "REDACTED") {
		t.Errorf("got %s, want labels for ids and dates alone", out)
	}
	uds, _ := runWith(t, compiled(t, extending("uds-plus", "option labels\n")), `{"resourceType":"Observation","status":"final"}`+"\n", options())
	if want := `"meta":{"profile":["` + udsGuide + `uds-plus-observation"],"security":[`; !strings.Contains(uds, want) {
		t.Errorf("got %s, want %s", uds, want)
	}
}

// The value of an identifier goes; its type, and its system where the rules list it, can stay.
func TestIdentifiersKeepTypeAndSystem(t *testing.T) {
	e := compiled(t, extending("safe-harbor", "identifiers\n  http://mrn.example\n"))
	kind := `"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}`
	in := patient(`"identifier":[{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR","display":"Smith"}],"text":"Smith"},"system":"http://mrn.example","value":"123"},`+
		`{"type":{"text":"Smith"},"system":"http://smith.example","value":"124"},{"type":"Smith","value":"125"}]`) + "\n" +
		`{"resourceType":"Encounter","status":"finished","subject":{"reference":"Patient?identifier=http://mrn.example|123"},"participant":[{"individual":{"identifier":{"value":"123","system":"http://mrn.example"}}}]}` + "\n"
	out, _ := runWith(t, e, in, options())
	names := map[string]string{}
	got := spelt.ReplaceAllStringFunc(out, func(s string) string {
		if names[s] == "" {
			names[s] = fmt.Sprintf("<%d>", len(names))
		}
		return names[s]
	})
	want := patient(`"identifier":[{`+kind+`,"system":"http://mrn.example","value":"<0>"},{"system":"urn:anchorhold:surrogate","value":"<1>"},{"system":"urn:anchorhold:surrogate","value":"<2>"}]`) + "\n" +
		`{"resourceType":"Encounter","status":"finished","subject":{"reference":"Patient?identifier=http://mrn.example|<0>"},"participant":[{"individual":{"identifier":{"system":"http://mrn.example","value":"<0>"}}}]}` + "\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
