package deid_test

import (
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

func loincCode(code string) string {
	return `"code":{"coding":[{"system":"http://loinc.org","code":"` + code + `"}]}`
}

func observation(members string) string { return `{"resourceType":"Observation",` + members + `}` }

// answered is a form with one answer.
func answered(link, answer, members string) string {
	return `{"resourceType":"QuestionnaireResponse","item":[{"linkId":"` + link + `","answer":[{` + answer + `}]}]` + members + `}`
}

const inYears = `"unit":"a",` + ucumIs + `,"code":"a"`

// The attack: who was 60 in 1990 is 96 on the reference date. Wherever the number stands, and
// wherever the year, the number goes; who was 50 then is 86, and both stay.
func TestNumbersThatAreAgesInTheYearOfTheRecord(t *testing.T) {
	records := []string{
		observation(loincCode("30525-0") + `,"effectiveDateTime":"1990-05-05","valueQuantity":{"value":%d,` + inYears + `}`),
		observation(`"effectiveDateTime":"1990","valueQuantity":{"value":%d,"unit":"years"}`),
		observation(`"effectiveDateTime":"1990","valueQuantity":{"value":%d,"unit":"yr",` + ucumIs + `,"code":"a_j"}`),
		observation(`"effectiveDateTime":"1990","valueQuantity":{"value":%d}`),
		observation(`"effectiveDateTime":"1990","valueQuantity":{"value":%d,"unit":"{score}",` + ucumIs + `,"code":"{score}"}`),
		observation(`"effectiveDateTime":"1990","valueInteger":%d`),
		observation(`"effectiveTiming":{"event":["1990-01-01"]},"valueInteger":%d`),
		observation(`"valuePeriod":{"end":"1990"},"component":[{"valueInteger":%d}]`),
		observation(`"component":[{"valueDateTime":"1990"},{"valueQuantity":{"value":%d}}]`),
		observation(`"effectivePeriod":{"start":"1990"},"valueRange":{"low":{"value":%d,` + inYears + `}}`),
		observation(`"effectivePeriod":{"start":"1990"},"valueRatio":{"numerator":{"value":%d},"denominator":{"value":1}}`),
		observation(`"contained":[{"resourceType":"Encounter","period":{"start":"1990"}}],"valueInteger":%d`),
		observation(`"contained":[{"resourceType":"Observation","valueInteger":%d}],"effectiveDateTime":"1990"`),
		answered("a", `"valueInteger":%d`, `,"authored":"1990-01-02"`),
		answered("a", `"valueDecimal":%d`, `,"authored":"1990-01-02"`),
		answered("a", `"valueQuantity":{"value":%d}},{"valueDate":"1990-01-01"`, ``),
		`{"resourceType":"Group","characteristic":[{"valueQuantity":{"value":%d},"period":{"start":"1990"}}]}`,
		`{"resourceType":"Claim","created":"1990-02-03","supportingInfo":[{"valueQuantity":{"value":%d,` + inYears + `}}]}`,
		`{"resourceType":"Task","authoredOn":"1990","input":[{"valuePositiveInt":%d}]}`,
		`{"resourceType":"Encounter","period":{"start":"1990"},"length":{"value":%d,` + inYears + `}}`,
		`{"resourceType":"MedicationRequest","authoredOn":"1990","dosageInstruction":[{"timing":{"repeat":{"duration":%d,"durationUnit":"a"}}}]}`,
	}
	for _, preset := range []string{"safe-harbor", "expert-shift"} {
		for _, record := range records {
			// expert-shift moves 1990 to 1989, whose reader would count one year more: 40 is young
			// enough for all.
			for number, want := range map[int]bool{60: false, 40: true} {
				in := fmt.Sprintf(record, number)
				out, _ := run(t, preset, in+"\n")
				if got := strings.Contains(out, fmt.Sprintf(":%d", number)); got != want {
					t.Errorf("%s: %s: got %s, want %d to stay: %t", preset, in, out, number, want)
				}
			}
		}
	}
	in := observation(`"effectiveDateTime":"1990","valueInteger":50`)
	if got := one(t, in); got != in {
		t.Errorf("got %s, want %s", got, in)
	}
}

// UDS+ keeps the year of an instant that goes itself.
func TestNumbersThatAreAgesInTheYearOfAnInstant(t *testing.T) {
	for number, want := range map[int]bool{60: false, 50: true} {
		in := observation(fmt.Sprintf(`"issued":"1990-05-05T00:00:00Z","valueQuantity":{"value":%d,%s}`, number, inYears))
		if out := uds(t, in, "2026-12-31"); strings.Contains(out, fmt.Sprintf(`:%d`, number)) != want || !strings.Contains(out, `"1990"`) {
			t.Errorf("got %s, want the year, and %d to stay: %t", out, number, want)
		}
	}
}

// The attack: a question that no list has. Numbers over 89, years and telephones go unless the
// question is known to be harmless; a number in a unit, or one that FHIR says the meaning of,
// stays.
func TestNumbersUnderUnknownQuestions(t *testing.T) {
	for _, number := range []string{"95", "1931", "6789", "9e1", "90.5", "94110", "5551234"} {
		for _, record := range []string{
			observation(loincCode("80904-6") + `,"valueInteger":%s`),
			observation(loincCode("4548-4") + `,"valueQuantity":{"value":%s}`),
			observation(`"valueQuantity":{"value":%s,"unit":"1",` + ucumIs + `,"code":"1"}`),
			observation(`"valueQuantity":{"value":%s,"unit":"units"}`),
			observation(`"valueQuantity":{"value":%s,"unit":"{titer}",` + ucumIs + `,"code":"{titer}"}`),
			observation(`"valueQuantity":{"value":%s,"system":"http://terminology.hl7.org/CodeSystem/x","code":"yearly"}`),
			observation(`"component":[{` + loincCode("30972-4") + `,"valueInteger":%s}]`),
			observation(loincCode("8867-4") + `,"component":[{"valueInteger":%s}]`),
			observation(loincCode("8867-4") + `,"contained":[{"resourceType":"Observation","valueInteger":%s}]`),
			observation(`"code":{"coding":[{"system":"http://clinic.example","code":"8867-4"}]},"valueInteger":%s`),
			observation(`"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"},{"system":"http://clinic.example","code":"AGE"}]},"valueInteger":%s`),
			observation(`"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"},{"system":"http://loinc.org","code":"30972-4"}]},"valueInteger":%s`),
			observation(`"code":{"coding":[]},"valueInteger":%s`),
			observation(`"code":[{"coding":[{"system":"http://loinc.org","code":"8867-4"}]}],"valueInteger":%s`),
			observation(`"category":[{"coding":[{"system":"http://loinc.org","code":"8867-4"}]}],"valueInteger":%s`),
			answered("a1", `"valueInteger":%s`, ""),
			answered("a1", `"valueDecimal":%s`, ""),
			answered("a1", `"valueQuantity":{"value":%s}`, ""),
			answered("/54127-6/30525-0", `"valueInteger":%s`, ""),
			answered("/54127-6/8867-4", `"valueInteger":%s`, ""),
			answered("8867-4/a", `"valueInteger":%s`, ""),
			answered("8867-4", `"item":[{"linkId":"a","answer":[{"valueInteger":%s}]}]`, ""),
			answered("a1", `"valueInteger":%s`, `,"contained":[{"resourceType":"Questionnaire","item":[{"linkId":"a1","code":[{"system":"http://loinc.org","code":"8867-4"}]}]}]`),
			`{"resourceType":"Task","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"input":[{"valueInteger":%s}]}`,
			`{"resourceType":"Goal","target":[{"detailInteger":%s}]}`,
			`{"resourceType":"Group","characteristic":[{"valueQuantity":{"value":%s}}]}`,
		} {
			in := fmt.Sprintf(record, number)
			forPresets(t, func(t *testing.T, preset string) {
				if out, _ := run(t, preset, in+"\n"); strings.Contains(out, ":"+number) {
					t.Errorf("%s: got %s, want it without %s", in, out, number)
				}
			})
		}
	}
	for _, in := range []string{
		observation(loincCode("8867-4") + `,"valueInteger":95`),
		observation(`"valueInteger":95,` + loincCode("8867-4")),
		observation(loincCode("8867-4") + `,"valueQuantity":{"value":95},"referenceRange":[{"high":{"value":100}}]`),
		observation(loincCode("8480-6") + `,"valueRange":{"low":{"value":95},"high":{"value":120}}`),
		observation(`"component":[{"valueInteger":80},{` + loincCode("8480-6") + `,"valueInteger":120}]`),
		observation(`"valueQuantity":{"value":97,"unit":"%",` + ucumIs + `,"code":"%"}`),
		observation(`"valueQuantity":{"value":97,"unit":"%"}`),
		observation(`"valueQuantity":{"value":1500,"unit":"mg"}`),
		observation(`"valueQuantity":{"value":95,"unit":"bpm"}`),
		observation(`"valueInteger":89`),
		answered("/8867-4", `"valueInteger":95`, ""),
		answered("8480-6", `"valueInteger":120},{"item":[{"linkId":"8462-4","answer":[{"valueInteger":90}]}]`, ""),
		`{"resourceType":"ExplanationOfBenefit","item":[{"sequence":120,"quantity":{"value":180},"net":{"value":1931.50,"currency":"USD"}}]}`,
		`{"resourceType":"ImagingStudy","numberOfInstances":1931}`,
		`{"resourceType":"MedicationRequest","dosageInstruction":[{"doseAndRate":[{"doseQuantity":{"value":500},"rateRatio":{"numerator":{"value":100}}}]}]}`,
	} {
		if got := one(t, in); got != in {
			t.Errorf("got  %s\nwant %s", got, in)
		}
	}
}

// A number may be put into its unit: 9.5 tens are 95.
func TestNumbersInUnitsThatAreNumbers(t *testing.T) {
	for in, want := range map[string]bool{
		`"value":9.5,` + ucumIs + `,"code":"10*"`: false, `"value":9.5,` + ucumIs + `,"code":"10*1{score}"`: false, `"value":4.75,` + ucumIs + `,"code":"20"`: false,
		`"value":9.5,` + ucumIs + `,"code":"1"`: true, `"value":9.5,` + ucumIs + `,"code":"10*3/uL"`: true,
	} {
		if out := one(t, observation(`"valueQuantity":{`+in+`}`)); strings.Contains(out, `"value"`) != want {
			t.Errorf("%s: got %s, want it to stay: %t", in, out, want)
		}
	}
}

// Codes of personal questions win over everything: 8867-4 in the same record does not spare a
// number, nor does "fixed".
func TestPersonalQuestionsAreNeverHarmless(t *testing.T) {
	for _, in := range []string{
		observation(loincCode("8867-4") + `,"valueInteger":95,"component":[{` + loincCode("30525-0") + `,"valueInteger":3}]`),
		observation(loincCode("8867-4") + `,"valueInteger":95,"contained":[{"resourceType":"QuestionnaireResponse","item":[{"linkId":"/a/30525-0/b"}]}]`),
		observation(loincCode("30525-0") + `,"valueQuantity":{"value":95,"unit":"%",` + ucumIs + `,"code":"%"}`),
	} {
		if out := one(t, in); strings.Contains(out, "95") {
			t.Errorf("%s: got %s, want it without 95", in, out)
		}
	}
}

// Each entry of the list is a question that HL7 publishes with a unit, and a measurement in it
// stays.
func TestHarmlessQuestionsComeFromPublishedExamples(t *testing.T) {
	rows, examples := harmlessRows(t), examplesByID(t)
	checked := 0
	for _, r := range rows {
		if r.source == "vital signs" || r.source == "us core" {
			continue
		}
		if !hasAnswer(examples[r.source], r.code, r.unit) {
			t.Errorf("example %s does not answer %s in %s", r.source, r.code, r.unit)
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("got %d rows with an example, want 10 or more", checked)
	}
}

// The list must not spare what it is there to catch.
func TestHarmlessQuestionsAreMeasured(t *testing.T) {
	rules := rulesOf(t, "safe-harbor")
	for _, r := range harmlessRows(t) {
		in := observation(loincCode(r.code) + `,"valueQuantity":{"value":7,"unit":"` + r.unit + `",` + ucumIs + `,"code":"` + r.unit + `"}`)
		if got := one(t, in); r.unit != "g/cm-2" && got != in {
			t.Errorf("got %s, want %s", got, in)
		}
		if r.unit == "a" || r.unit == "1" || strings.HasPrefix(r.unit, "{") || !strings.Contains(rules, " "+r.code) {
			t.Errorf("%s is answered in %q, or is not in the rules", r.code, r.unit)
		}
	}
}

// A latitude and a longitude, in any spelling, are a place below a State.
func TestPositionsGo(t *testing.T) {
	for in, want := range map[string]bool{
		`"value":42.3601,"unit":"deg",` + ucumIs + `,"code":"deg"`: false, `"value":42,"unit":"deg",` + ucumIs + `,"code":"deg"`: false,
		`"value":-71.0589,"unit":"degrees"`: false, `"value":42.36,"unit":"°"`: false, `"value":2541.6,` + ucumIs + `,"code":"'"`: false,
		`"value":152496,` + ucumIs + `,"code":"''"`: false, `"value":0.7393,` + ucumIs + `,"code":"rad"`: false, `"value":739,` + ucumIs + `,"code":"mrad"`: false,
		`"value":47,` + ucumIs + `,"code":"gon"`: false, `"value":42.3601`: false, `"value":-71.0589`: false, `"value":42.3601,"unit":"1",` + ucumIs + `,"code":"1"`: false,
		`"value":1.025`: true, `"value":42.36`: false, `"value":42.4`: true, `"value":-71.1`: false, `"value":-71`: false, `"value":-2.5`: true, `"value":423601e-4`: false, `"value":4.24E1`: false,
		`"value":42.4,` + ucumIs + `,"code":"deg.m/m"`: false, `"value":12.36`: true, `"value":42.3601,"unit":"mg"`: true,
	} {
		if out := one(t, observation(`"valueQuantity":{`+in+`}`)); strings.Contains(out, `"value":`) != want {
			t.Errorf("%s: got %s, want it to stay: %t", in, out, want)
		}
	}
	if out := one(t, answered("lat", `"valueDecimal":42.3601`, "")); strings.Contains(out, "42.3601") {
		t.Errorf("got %s, want it without the latitude", out)
	}
	axis := `{"resourceType":"DeviceRequest","parameter":[{"code":{"coding":[{"system":"http://loinc.org","code":"28844-9"}]},"valueQuantity":{"value":90,"unit":"deg",` + ucumIs + `,"code":"deg"}}]}`
	if got := one(t, axis); got != axis {
		t.Errorf("got %s, want %s: the axis of a lens is no position", got, axis)
	}
}

func TestFaultsOfQuestions(t *testing.T) {
	for rules, want := range map[string]string{
		"anchorhold: rules/v1\nharmless\n":                                                      "line 2: empty list",
		"anchorhold: rules/v1\nharmless\n  http://loinc.org 8867-4\n":                           "line 3: more than the address of a system",
		"anchorhold: rules/v1\nharmless\n  http://loinc.org\n":                                  "line 3: empty list",
		"anchorhold: rules/v1\nharmless\n  http://x\n    a\n  http://x\n    b\n":                `line 5: "http://x" stands twice`,
		minimal + "  a fixed boolean\n":                                                         "line 5: fixed is for integer, decimal and quantity",
		"anchorhold: rules/v1\ndefine fixed year\ntargets\n  Basic\nresource Basic\n  a year\n": `line 2: "fixed" cannot be defined`,
	} {
		if _, err := deid.Compile([]byte(rules)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q for:\n%s", err, want, rules)
		}
	}
}

// The attack: 555-1234 or a record number behind the point of a number without a unit. Measurements
// have units, and may be exact.
func TestTelephonesBehindThePointGo(t *testing.T) {
	for in, want := range map[string]bool{
		observation(`"valueQuantity":{"value":1.5551234}`): false, observation(`"valueQuantity":{"value":0.123456789}`): false,
		observation(`"valueQuantity":{"value":1.2345678,"unit":"1",` + ucumIs + `,"code":"1"}`): false,
		answered("a", `"valueDecimal":1.5551234`, ""):                                           false, answered("a", `"valueDecimal":0.000005551234`, ""): false,
		answered("8302-2", `"valueDecimal":1.23456`, ""): true, observation(`"valueQuantity":{"value":1.025}`): true,
		observation(`"valueQuantity":{"value":1.5551234,"unit":"mg/dL",` + ucumIs + `,"code":"mg/dL"}`): true,
		observation(loincCode("8302-2") + `,"valueQuantity":{"value":1.5551234}`):                       true,
	} {
		if out := one(t, in); (out == in) != want {
			t.Errorf("%s: got %s, want it as it is: %t", in, out, want)
		}
	}
}
