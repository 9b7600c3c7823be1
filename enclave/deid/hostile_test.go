package deid_test

import (
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

// A year after the reference date would tell an age that nobody has judged:
// born in 1936, kept at 89, seen in 2026. It also is where 9999 and four
// digits of something else stand.
func TestYearsAfterTheReferenceDateGo(t *testing.T) {
	o := options()
	o.ReferenceDate = "2025-06-30"
	in := patient(`"birthDate":"1936-07-01"`) + "\n" +
		`{"resourceType":"Encounter","status":"finished","period":{"start":"2025-12-31","end":"2026-01-01"}}` + "\n" +
		patient(`"deceasedDateTime":"2026-02-03"`) + "\n" + patient(`"birthDate":"6789-01-01"`) + "\n"
	want := patient(`"birthDate":"1936"`) + "\n" +
		`{"resourceType":"Encounter","status":"finished","period":{"start":"2025","_end":` + masked + `}}` + "\n" +
		patient(`"deceasedBoolean":true`) + "\n" + `{"resourceType":"Patient"}` + "\n"
	if got, _ := processWith(t, in, o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Record numbers, telephones and dates put where a number belongs. Digits are
// measured, so a round number of any size stays.
func TestNumbersThatAreIdentifiersGo(t *testing.T) {
	for value, want := range map[string]bool{
		"5558107203": false, "123456789": false, "20010203": false, "20011010": false, "-20011010": false,
		"20010203.5": false, "123456789e0": false, "1234567890E-3": false, "5558107203.0": false,
		"1234567": false, "123456": true, "20000000": true, "12500000.0": true, "0.123456789012": true, "1e3": true, "-5": true, "2.5E+6": true,
	} {
		for _, in := range []string{
			`{"resourceType":"Encounter","length":{"value":` + value + `}}`,
			`{"resourceType":"Media","duration":` + value + `}`,
		} {
			if got := strings.Contains(one(t, in), value); got != want {
				t.Errorf("%s: got kept %t, want %t", in, got, want)
			}
		}
	}
	in := `{"resourceType":"Condition","onsetAge":{"value":20010203,"system":"http://unitsofmeasure.org","code":"min"}}`
	if got, want := one(t, in), `{"resourceType":"Condition"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A time over 89 years is an age, perhaps, whatever it is called.
func TestTimesOverTheCapInAnyUnit(t *testing.T) {
	const ucum = `"system":"http://unitsofmeasure.org"`
	const bucket = `{"value":90,"comparator":">=","unit":"a",` + ucum + `,"code":"a"}`
	for _, unit := range []string{
		`"value":95,"unit":"years"`, `"value":95,"unit":"a"`, `"value":1200,"unit":"months"`, `"value":40000,"unit":"days"`,
		`"value":95,` + ucum + `,"code":"a_j"`, `"value":95,` + ucum + `,"code":"a{tot}"`, `"value":3000000000,` + ucum + `,"code":"s"`,
		`"value":3,` + ucum + `,"code":"Gs"`, `"value":95,"system":"http://terminology.hl7.org/CodeSystem/x","code":"a"`, `"value":-95,` + ucum + `,"code":"a"`,
	} {
		in := `{"resourceType":"Encounter","length":{` + unit + `}}`
		if got, want := one(t, in), `{"resourceType":"Encounter","length":`+bucket+`}`; got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	in := `{"resourceType":"Encounter","length":{"value":30,"unit":"days"}}`
	if got := one(t, in); got != in {
		t.Errorf("got %s, want %s", got, in)
	}
}

// Codes have a form and a check digit: most numbers that are no code do not pass for one.
func TestNumbersThatAreNoCodes(t *testing.T) {
	for code, want := range map[string]bool{
		"http://snomed.info/sct|44054006": true, "http://snomed.info/sct|22298006": true, "http://snomed.info/sct|428191000124101": true,
		"http://snomed.info/sct|44054007": false, "http://snomed.info/sct|5558107203": false, "http://snomed.info/sct|123456789": false,
		"http://snomed.info/sct|20010203": false, "http://snomed.info/sct|66801": false, "http://snomed.info/sct|044054006": false,
		"http://snomed.info/sct|2970104019": false, // a description, not a concept
		"http://loinc.org|29463-7":          true, "http://loinc.org|LA6576-8": true, "http://loinc.org|34133-9": true, "http://loinc.org|LP29684-5": true,
		"http://loinc.org|29463-8": false, "http://loinc.org|JOHNSMIT-1": false, "http://loinc.org|555-8": false,
		"http://www.nlm.nih.gov/research/umls/rxnorm|1234567": true, "http://www.nlm.nih.gov/research/umls/rxnorm|20010203": false,
	} {
		system, c, _ := strings.Cut(code, "|")
		in := patient(`"maritalStatus":{"coding":[{"system":"` + system + `","code":"` + c + `"}]}`)
		if got := strings.Contains(one(t, in), c); got != want {
			t.Errorf("%s: got kept %t, want %t", code, got, want)
		}
	}
}

// Rules that would write a member twice make an engine whose output two
// readers understand differently.
func TestRulesThatWriteAMemberTwice(t *testing.T) {
	for rules, want := range map[string]string{
		minimal + "  extension http://x.example group\n    url one-of a\n":                  "line 5: url cannot have a rule",
		minimal + "  extension http://x.example A\ntype A\n  url one-of a\n  b boolean\n":   "line 5: url cannot have a rule",
		minimal + "  a year or x\n  b year or x\n":                                          `line 6: "x" is written instead of two elements`,
		minimal + "  extension http://x.example group\n    a boolean\n    extension drop\n": "line 7: no method",
		"anchorhold: rules/v1\nresource *\n  id surrogate\n":                                "no resource section",
	} {
		if _, err := deid.Compile([]byte(rules)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q for:\n%s", err, want, rules)
		}
	}
}
