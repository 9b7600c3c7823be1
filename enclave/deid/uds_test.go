package deid_test

import (
	"regexp"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

const (
	udsGuide  = `http://fhir.org/guides/hrsa/uds-plus/StructureDefinition/`
	udsAge    = `http://fhir.org/guides/hrsa/uds-plus/StructureDefinition/uds-plus-age-extension`
	udsAbsent = `"_postalCode":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"`
)

func ageExtension(value string) string {
	return `"extension":[{"url":"` + udsAge + `","valueQuantity":{` + value + `,"unit":"a","system":"http://unitsofmeasure.org","code":"a"}}]`
}

// uds returns what becomes of a record, without the claim at its end.
func uds(t *testing.T, in, referenceDate string) string {
	t.Helper()
	return claims.ReplaceAllString(udsWhole(t, in, referenceDate), "}")
}

var claims = regexp.MustCompile(`,"meta":\{"profile":\["` + udsGuide + `[a-z-]+"\]\}\}$`)

func udsWhole(t *testing.T, in, referenceDate string) string {
	t.Helper()
	o := options()
	o.ReferenceDate = referenceDate
	out, _ := runWith(t, engine(t, "uds-plus"), in+"\n", o)
	return strings.TrimSpace(out)
}

// Of meta one profile of the guide stays, whatever the record claims and however.
func TestUDSPlusClaims(t *testing.T) {
	const patientProfile, observation, lab = udsGuide + "de-identified-uds-plus-patient", udsGuide + "uds-plus-observation", udsGuide + "uds-plus-lab-observation"
	for _, test := range []struct{ in, want string }{
		{`"Patient"`, patientProfile},
		{`"Patient","meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"],"lastUpdated":"2024-01-02T03:04:05Z","source":"Smith"}`, patientProfile},
		{`"Patient","meta":{}`, patientProfile},
		{`"Patient","meta":{"profile":"Smith"}`, patientProfile},
		{`"Patient","meta":{"profile":[{"a":["Smith"]},7,null]}`, patientProfile},
		{`"Patient","meta":"Smith"`, patientProfile},
		{`"Patient","meta":[{"profile":["` + patientProfile + `"]},{"profile":["Smith"]}]`, patientProfile},
		{`"Patient","meta":null`, patientProfile},
		{`"Patient","meta":{"profile":["` + lab + `"]}`, patientProfile},
		{`"Observation","meta":{"tag":[{"system":"http://loinc.org","code":"4548-4"}],"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]}`, observation},
		{`"Observation","meta":{"profile":["Smith","` + lab + `|2.0.0","` + observation + `"]}`, lab},
		{`"Observation","meta":{"profile":["` + lab + `/Smith"]}`, observation},
		{`"Observation","meta":{"\u0070rofile":["` + lab + `"]}`, lab},
	} {
		got := udsWhole(t, `{"resourceType":`+test.in+`}`, "2024-12-31")
		kind, _, _ := strings.Cut(test.in, ",")
		if want := `{"resourceType":` + kind + `,"meta":{"profile":["` + test.want + `"]}}`; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.in, got, want)
		}
	}
	for _, kind := range []string{"Location", "Organization", "Practitioner"} {
		if got, want := udsWhole(t, `{"resourceType":"`+kind+`","meta":{"profile":["`+observation+`"]}}`, "2024-12-31"), `{"resourceType":"`+kind+`"}`; got != want {
			t.Errorf("got %s, want %s: its profile requires a name", got, want)
		}
	}
}

// An instant cannot be cut to a year: the guide has an extension for the year of it.
func TestUDSPlusInstants(t *testing.T) {
	extension := func(year string) string {
		return `"extension":[{"url":"` + udsGuide + `uds-plus-deidentified-instant-extension","valueDateTime":"` + year + `"}]`
	}
	for _, test := range []struct{ in, want string }{
		{`"issued":"2024-02-03T04:05:06.789-05:00"`, extension("2024")},
		{`"extension":[{"url":"http://x","valueString":"Smith"}],"issued":"2024-02-03T04:05:06Z"`, extension("2024")},
		{`"issued":"2024-02-03T04:05:06Z",` + extension("2019"), extension("2024")},
		{extension("2019-04-05T06:07:08Z"), extension("2019")},
		{`"issued":"2025-01-01T00:00:00Z"`, ""},
		{`"issued":"1930-01-01T00:00:00Z"`, ""},
		{`"issued":"2024-02-30T00:00:00Z"`, ""},
		{`"issued":"2024-02-03 Smith"`, ""},
		{`"issued":20240203`, ""},
		{`"issued":["2024-02-03T04:05:06Z"]`, ""},
		{`"_issued":{"extension":[{"url":"http://x","valueInstant":"2024-02-03T04:05:06Z"}]}`, ""},
	} {
		want := `{"resourceType":"Observation"`
		if test.want != "" {
			want += "," + test.want
		}
		if got := uds(t, `{"resourceType":"Observation",`+test.in+`}`, "2024-12-31"); got != want+"}" {
			t.Errorf("%s:\ngot  %s\nwant %s", test.in, got, want+"}")
		}
	}
}

func TestUDSPlusPatients(t *testing.T) {
	for _, test := range []struct{ name, date, in, want string }{
		{"age", "2024-12-31", `"birthDate":"1987-05-06","gender":"female"`, ageExtension(`"value":37`)},
		{"birthday on the day", "2024-06-15", `"birthDate":"2000-06-15"`, ageExtension(`"value":24`)},
		{"birthday the day after", "2024-06-15", `"birthDate":"2000-06-16"`, ageExtension(`"value":23`)},
		{"leap day", "2023-02-28", `"birthDate":"2000-02-29"`, ageExtension(`"value":22`)},
		{"89", "2024-12-31", `"birthDate":"1935-01-01"`, ageExtension(`"value":89`)},
		{"90", "2024-12-31", `"birthDate":"1934-12-31"`, ageExtension(`"value":90,"comparator":">="`)},
		{"104", "2024-12-31", `"birthDate":"1920-02-03"`, ageExtension(`"value":90,"comparator":">="`)},
		{"newborn", "2024-12-31", `"birthDate":"2024-12-31"`, ageExtension(`"value":0`)},
		{"unborn", "2024-12-30", `"birthDate":"2024-12-31"`, ""},
		{"only a year, at the end of one", "2024-12-31", `"birthDate":"1987"`, ageExtension(`"value":37`)},
		{"only a year, in the midst of one", "2024-06-15", `"birthDate":"1987"`, ""},
		{"only a month, past", "2024-06-15", `"birthDate":"1987-05"`, ageExtension(`"value":37`)},
		{"only the month of the date", "2024-06-15", `"birthDate":"1987-06"`, ""},
		{"no date", "2024-12-31", `"birthDate":"1987-02-30"`, ""},
		{"an age of the record's own", "2024-12-31", ageExtension(`"value":95`), ageExtension(`"value":90,"comparator":">="`)},
		{"an age beside a date", "2024-12-31", `"birthDate":"1987-05-06",` + ageExtension(`"value":12`), ageExtension(`"value":37`)},
		{"extensions that go beside a date", "2024-12-31", `"extension":[{"url":"http://x","valueString":"y"}],"birthDate":"1987-05-06"`, ageExtension(`"value":37`)},
		{"extension that is no array", "2024-12-31", `"extension":7,"birthDate":"1987-05-06"`, ageExtension(`"value":37`)},
		{
			"sex of US Core", "2024-12-31", `"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"}],"birthDate":"1987-05-06"`,
			`"extension":[{"url":"http://fhir.org/guides/hrsa/uds-plus/StructureDefinition/uds-plus-birthsex-extension","valueCode":"F"},` +
				strings.TrimPrefix(ageExtension(`"value":37`), `"extension":[`),
		},
		{"dead", "2024-12-31", `"deceasedDateTime":"2023-04-05T06:07:08Z"`, `"deceasedDateTime":"2023"`},
		{"dead for long", "2024-12-31", `"deceasedDateTime":"1934-04-05"`, `"deceasedBoolean":true`},
		{"ZIP", "2024-12-31", `"address":[{"line":["1 Main St"],"city":"Amherst","state":"MA","postalCode":"01002-7777","country":"US"}]`, `"address":[{"postalCode":"01000"}]`},
		{"ZIP of few", "2024-12-31", `"address":[{"postalCode":"03601"}]`, `"address":[{"postalCode":"00000",` + udsAbsent + `masked"}]}}]`},
		{"ZIP abroad", "2024-12-31", `"address":[{"postalCode":"12345","country":"DE"}]`, `"address":[{"postalCode":"00000",` + udsAbsent + `unsupported"}]}}]`},
		{"no ZIP", "2024-12-31", `"address":[{"state":"MA"}]`, `"address":[{"postalCode":"00000",` + udsAbsent + `unknown"}]}}]`},
		{"ZIP that is none", "2024-12-31", `"address":[{"postalCode":"Smith"}]`, `"address":[{"postalCode":"00000",` + udsAbsent + `unknown"}]}}]`},
		{"two addresses", "2024-12-31", `"address":[{"postalCode":"03601"},{"postalCode":"10001"}]`, `"address":[{"postalCode":"00000",` + udsAbsent + `masked"}]}},{"postalCode":"10000"}]`},
		{
			"a reason of the record's own", "2024-12-31", `"address":[{"postalCode":"10001","_postalCode":{"extension":[{"url":"http://x","valueString":"Smith"}]}}]`,
			`"address":[{"postalCode":"10000"}]`,
		},
	} {
		want := `{"resourceType":"Patient"`
		if test.want != "" {
			want += "," + test.want
		}
		if got := uds(t, patient(test.in), test.date); got != want+"}" {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, want+"}")
		}
	}
}

// A record of empty addresses does not become fifty times as long.
func TestUDSPlusRecordsDoNotSwell(t *testing.T) {
	for _, address := range []string{`{}`, `{"postalCode":""}`, `{"country":"DE"}`} {
		in := patient(`"address":[` + strings.TrimSuffix(strings.Repeat(address+",", 10_000), ",") + `]`)
		if out := uds(t, in, "2024-12-31"); len(out) > 16<<10 || strings.Count(out, udsAbsent) != 64 {
			t.Errorf("%d bytes with %s became %d, with %d reasons", len(in), address, len(out), strings.Count(out, udsAbsent))
		}
	}
}

// What says that something is not so takes the record with it, where the
// profile has no place for it.
func TestUDSPlusDoesNotTurnRecordsRound(t *testing.T) {
	for member, want := range map[string]bool{`"doNotPerform":false`: true, `"doNotPerform":true`: false, `"doNotPerform":"false"`: false, `"doNotPerform":null`: false} {
		got := uds(t, `{"resourceType":"MedicationRequest","status":"active","intent":"order",`+member+`,"authoredOn":"2024-01-02"}`, "2024-12-31")
		if (got != "") != want || strings.Contains(got, "doNotPerform") {
			t.Errorf("%s: got %q, want a record %t", member, got, want)
		}
	}
	if got := uds(t, patient(`"modifierExtension":[{"url":"http://x","valueBoolean":true}]`), "2024-12-31"); got != "" {
		t.Errorf("got %s, want a reject", got)
	}
	if got := uds(t, `{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p","display":"Smith"}}`, "2024-12-31"); got != `{"resourceType":"Condition","subject":`+masked+`}` {
		t.Errorf("got %s, want nothing contained", got)
	}
}

// New rules are compiled with care.
func TestFaultsOfNewRules(t *testing.T) {
	for rules, want := range map[string]string{
		"  a must-be false\n":                   "must-be is for a modifier",
		"  a modifier must-be no\n":             "must-be wants true or false",
		"  a age-from b\n":                      "age-from is for an extension",
		"  extension http://x age-from B\n":     "no name of an element to take it from",
		"  a year-from b\n":                     "year-from is for an extension",
		"  a claim http://x\n":                  "claim is for meta",
		"  meta claim @x\nset x\n  http://x\n":  "claim has no set",
		"  meta claim\n":                        "no words that may be kept",
		"  extension http://x claim http://y\n": "extension is neither a group nor dropped",
		"  a day\n":                             "day is not Safe Harbor",
		"  a shift\n":                           "shift is not Safe Harbor",
		"  a clock\n":                           "clock is not Safe Harbor",
		"  a place\n":                           "place is not Safe Harbor",
		"  a zip-code\n":                        "zip-code is not Safe Harbor",
		"  a year or B\n":                       "no name of an element to write instead",
		"  a, b, year\n":                        "no method",
		"  a, a year\n":                         `element "a" has two rules`,
		"  a, b zip3-padded 036\n":              "zip3-padded stands twice",
		"  a x\ndefine x group\n":               "is not defined by a method for one value",
		"  a year\ndefine year drop\n":          `"year" cannot be defined`,
		"  a x\ndefine x drop\ndefine x year\n": `"x" is defined twice`,
		"  a year\nsurrogates keyed\n":          "keyed surrogates are derived from identifiers",
		"  a year\nrequires nothing\n":          `unknown section "requires nothing"`,
		"  a year\nrequires data-use-agreement\nrequires expert-determination\n": `"requires" stands twice`,
		"  a year\npatients Subject\n":                                           `"Subject" is not the name of an element`,
		"  a year\npart people\n":                                                `unknown section "part people"`,
		"  a shift\nrequires expert-determination\n":                             "shift has nobody whose dates they are",
	} {
		if _, err := deid.Compile([]byte(minimal + rules)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", rules, err, want)
		}
	}
}
