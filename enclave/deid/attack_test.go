package deid_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

// hidden are records by which somebody tries to carry QUIXOTE, or a number that
// is like nothing else, past Safe Harbor. What of the record must stay says that
// the attack has reached the rules.
var hidden = []struct{ name, record, keep string }{
	{"narrative", `{"resourceType":"Patient","gender":"male","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">QUIXOTE</div>"}}`, "Patient"},
	{"address of an extension", `{"resourceType":"Patient","extension":[{"url":"http://clinic.example/QUIXOTE/5558107203","valueBoolean":true}]}`, "Patient"},
	{
		"address behind one that is listed", `{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race/QUIXOTE","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3"}}]}]}`,
		"Patient",
	},
	{
		"member beside the value of an extension", `{"resourceType":"Patient","extension":[{"id":"QUIXOTE","url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","QUIXOTE":1,"valueString":"QUIXOTE","extension":[{"url":"text","valueString":"QUIXOTE"},{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3","display":"QUIXOTE","version":"QUIXOTE"}}]}]}`,
		"Patient",
	},
	{"contained", `{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"QUIXOTE","name":[{"family":"QUIXOTE"}],"text":{"div":"QUIXOTE"},"contained":[{"resourceType":"Patient","gender":"QUIXOTE"}]},{"resourceType":"QUIXOTE","id":"q"},"QUIXOTE"],"subject":{"reference":"#QUIXOTE"}}`, "Condition"},
	{"Reference.identifier", `{"resourceType":"Condition","subject":{"identifier":{"use":"official","type":{"text":"QUIXOTE"},"system":"urn:QUIXOTE","value":"5558107203","assigner":{"display":"QUIXOTE"},"period":{"start":"2001-02-03"}},"display":"QUIXOTE","type":"QUIXOTE"}}`, "Condition"},
	{"Reference.reference", `{"resourceType":"Condition","subject":{"reference":"Patient/QUIXOTE/_history/5558107203"},"encounter":{"reference":"https://QUIXOTE.example/5558107203/Encounter/QUIXOTE"}}`, `"Patient/`},
	{"reference that is a search", `{"resourceType":"Condition","subject":{"reference":"Patient?identifier=urn:QUIXOTE|5558107203"},"encounter":{"reference":"Encounter?name=QUIXOTE"}}`, "identifier="},
	{"reference of an odd form", `{"resourceType":"Condition","subject":{"reference":"QUIXOTE/Patient/5558107203"},"encounter":{"reference":"urn:uuid:QUIXOTE"}}`, "Condition"},
	{
		"attachment", `{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"contentType":"text/plain; name=QUIXOTE","language":"QUIXOTE","title":"QUIXOTE","url":"http://QUIXOTE.example","size":5558107203,"hash":"UVVJWE9URQ==","data":"` +
			base64.StdEncoding.EncodeToString([]byte("Mr. QUIXOTE, 555-810-7203")) + `"}}]}`, "",
	},
	{"JSON in a string", `{"resourceType":"Patient","gender":"{\"name\":\"QUIXOTE\"}","language":"\"QUIXOTE\"","maritalStatus":{"text":"{\"tel\":5558107203}"}}`, "Patient"},
	{
		"canonical", `{"resourceType":"Condition","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/QUIXOTE","http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient-QUIXOTE","http://hl7.org/fhir/us/core/StructureDefinition/us-core-condition|QUIXOTE","http://hl7.org/fhir/us/core/StructureDefinition/us-core-condition#QUIXOTE","http://fhir.org/guides/hrsa/StructureDefinition/QUIXOTE"],"source":"urn:QUIXOTE","tag":[{"system":"urn:QUIXOTE","code":"QUIXOTE"}],"versionId":"5558107203"}}`,
		"Condition",
	},
	{"siblings of primitives", `{"resourceType":"Patient","gender":"male","_gender":{"id":"QUIXOTE","extension":[{"url":"http://x","valueString":"QUIXOTE"}]},"_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime","valueDateTime":"2001-02-03T04:05:06Z"}]},"_QUIXOTE":"QUIXOTE"}`, "Patient"},
	{"escapes", `{"resourceType":"Patient","\u0067ender":"\u0051UIXOTE","\u0051UIXOTE":"QUIXO\u0054E","n\u0061me":[{"f\u0061mily":"QU\u0049XOTE"}],"maritalStatus":{"coding":[{"system":"http:\/\/loinc.org","code":"\u0051UIXOTE"}]}}`, "Patient"},
	{"letters of another case", `{"resourceType":"Patient","Gender":"QUIXOTE","ID":"QUIXOTE","Name":"QUIXOTE","birthdate":"2001-02-03","RESOURCETYPE":"QUIXOTE"}`, "Patient"},
	{
		"codes", `{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"5558107203"},{"system":"http://loinc.org","code":"QUIXOTE"},{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"QUIXOTE"},{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"5558107203"},{"system":"urn:oid:1.2.840.QUIXOTE","code":"1","userSelected":true},{"system":"urn:uuid:QUIXOTE","code":"1"},{"system":"http://clinic.example/QUIXOTE","code":"MRN","userSelected":true},{"code":"QUIXOTE"},{"system":"http://terminology.hl7.org/CodeSystem/x","code":"5558107203"},{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"QUIXOTE"},{"system":"http://unitsofmeasure.org","code":"{QUIXOTE}"},{"system":"http://www.cms.gov/Medicare/Coding/ICD10","code":"QUIXOTE"},{"system":"http://snomed.info/sct","code":"44054006","userSelected":"QUIXOTE","display":"QUIXOTE","version":"http://snomed.info/sct/QUIXOTE"}],"text":"QUIXOTE"}}`,
		"44054006",
	},
	{"dates as codes", `{"resourceType":"Condition","code":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/x","code":"2001-02-03"},{"system":"http://terminology.hl7.org/CodeSystem/x","code":"02.03.01"},{"system":"http://terminology.hl7.org/CodeSystem/x","code":"20010203"},{"system":"http://snomed.info/sct","code":"20010203"},{"system":"http://snomed.info/sct","code":"44054006"}]}}`, "44054006"},
	{"units", `{"resourceType":"Observation","status":"final","valueQuantity":{"value":1,"unit":"QUIXOTE","system":"http://unitsofmeasure.org","code":"mg"},"component":[{"valueQuantity":{"value":2,"unit":"QUIXOTE"}},{"valueQuantity":{"value":3,"unit":"mg","system":"http://QUIXOTE.example","code":"QUIXOTE"}},{"valueQuantity":{"value":4,"code":"mg{QUIXOTE}","system":"http://unitsofmeasure.org"}}]}`, `"value":1`},
	{"numbers", `{"resourceType":"Observation","status":"final","valueQuantity":{"value":5558107203},"valueInteger":5558107203,"component":[{"valueQuantity":{"value":5558107e203,"code":"mg","system":"http://unitsofmeasure.org"}},{"valueQuantity":{"value":"QUIXOTE","code":"mg","system":"http://unitsofmeasure.org"}},{"valueQuantity":{"value":[5558107203],"unit":"mg"}},{"valueInteger":"QUIXOTE"},{"valueBoolean":"QUIXOTE"},{"valueBoolean":5558107203}]}`, "Observation"},
	{"objects and arrays in the wrong place", `{"resourceType":"Patient","gender":{"QUIXOTE":"QUIXOTE"},"birthDate":["QUIXOTE"],"address":[["QUIXOTE"]],"id":"QUIXOTE","maritalStatus":"QUIXOTE","communication":[{"language":["QUIXOTE"]}]}`, "Patient"},
	{"dates", `{"resourceType":"Condition","onsetDateTime":"2001-02-03 QUIXOTE","recordedDate":"QUIXOTE","abatementDateTime":"2001-02-03T04:05:06.5558107203Z"}`, `"2001"`},
	{"address", `{"resourceType":"Patient","address":[{"id":"QUIXOTE","use":"home","text":"1 QUIXOTE St 02139","line":["QUIXOTE"],"city":"QUIXOTE","district":"QUIXOTE","state":"QUIXOTE","postalCode":"QUIXOTE","country":"QUIXOTE","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/geolocation","extension":[{"url":"latitude","valueDecimal":42.5558107203}]}]}]}`, ""},
	{"place of a location", `{"resourceType":"Location","status":"active","name":"QUIXOTE","position":{"latitude":42.5558107203,"longitude":-71.5558107203},"address":{"line":["QUIXOTE"]},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/location-boundary-geojson","valueAttachment":{"data":"UVVJWE9URQ=="}}]}`, "active"},
	{"text everywhere", `{"resourceType":"Observation","status":"final","valueString":"QUIXOTE","note":[{"authorString":"QUIXOTE","text":"QUIXOTE"}],"method":{"text":"QUIXOTE"},"valueSampledData":{"data":"QUIXOTE","origin":{"value":5558107203}},"code":{"coding":[{"system":"http://loinc.org","code":"4548-4","display":"QUIXOTE"}]}}`, "4548-4"},
}

// carried are the forms in which the secrets of hidden are searched for.
func carried(out string) []string {
	var found []string
	all := strings.ToLower(string(unfold([]byte(out))))
	for _, s := range []string{"quixote", "5558107", "555-810", "2001-02", "20010203", "02.03.01", "02139", "42.55", "71.55", "uvvjwe9urq"} {
		if strings.Contains(all, s) {
			found = append(found, s)
		}
	}
	return found
}

func TestNothingIsCarriedPastSafeHarbor(t *testing.T) {
	for _, preset := range []string{"safe-harbor", "uds-plus"} {
		for _, h := range hidden {
			entry := `{"fullUrl":"https://QUIXOTE.example/Condition/5558107203","link":[{"url":"QUIXOTE"}],"QUIXOTE":"QUIXOTE","search":{"mode":"QUIXOTE"},"resource":` + h.record +
				`,"request":{"method":"POST","url":"QUIXOTE?5558107203","ifNoneExist":"QUIXOTE"},"response":{"status":"200 QUIXOTE","location":"QUIXOTE","outcome":{"resourceType":"OperationOutcome","id":"QUIXOTE"}}}`
			bundle := `{"resourceType":"Bundle","id":"QUIXOTE","identifier":{"value":"QUIXOTE"},"total":5558107203,"type":"QUIXOTE","timestamp":"2001-02-03T04:05:06Z","entry":[` + entry + `],"signature":{"data":"UVVJWE9URQ=="}}`
			for _, in := range []string{h.record, bundle} {
				out, report := run(t, preset, in+"\n")
				if !json.Valid([]byte(strings.TrimSpace(out))) && report.RecordsOut > 0 {
					t.Errorf("%s, %s: no JSON: %s", preset, h.name, out)
				}
				if found := carried(out); len(found) > 0 {
					t.Errorf("%s, %s: %q in %s", preset, h.name, found, out)
				}
				if preset == "safe-harbor" && !strings.Contains(out, h.keep) {
					t.Errorf("%s: %s does not hold %s", h.name, out, h.keep)
				}
			}
		}
	}
}

// A name twice is two records, one for each reader: with escapes, at any depth.
func TestNamesTwiceAreRejected(t *testing.T) {
	for _, in := range []string{
		`{"resourceType":"Patient","gender":"male","gender":"QUIXOTE"}`,
		`{"resourceType":"Patient","gender":"male","\u0067ender":"QUIXOTE"}`,
		`{"resourceType":"Patient","resourceType":"QUIXOTE"}`,
		`{"resourceType":"Patient","maritalStatus":{"text":"QUIXOTE","t\u0065xt":"x"}}`,
		`{"resourceType":"Patient","zebra":[{"a":1,"a":"QUIXOTE"}]}`,
	} {
		out, report := process(t, in+"\n")
		if out != "" || len(report.Rejects) != 1 || report.Rejects[0].Code != "json-duplicate-name" {
			t.Errorf("%s: got %q, %v", in, out, report.Rejects)
		}
	}
}

const ucumIs = `"system":"http://unitsofmeasure.org"`

// An age over 89 does not pass in any unit, type or place. Each is tried at 95
// years, which must go or be the bucket, and at 42, which shows that it is read.
func TestAgesOverTheCapInAnySpelling(t *testing.T) {
	units := map[string]float64{ // how many make a year
		`"unit":"a",` + ucumIs + `,"code":"a"`: 1, `"unit":"years"`: 1, `"unit":"year"`: 1, `"code":"mo",` + ucumIs: 12, `"unit":"months"`: 12,
		`"code":"wk",` + ucumIs: 52.17857, `"code":"d",` + ucumIs: 365.25, `"unit":"days"`: 365.25, `"code":"h",` + ucumIs: 8766, `"code":"min",` + ucumIs: 525960,
		`"code":"10.a",` + ucumIs: 0.1, `"code":"a.10",` + ucumIs: 0.1, `"code":"10*-1.a",` + ucumIs: 10, `"code":"(mo)",` + ucumIs: 12, `"code":"a.mg/mg",` + ucumIs: 1,
		`"code":"a{total}",` + ucumIs: 1, `"code":"d/(1)",` + ucumIs: 365.25, `"code":"/(/a)",` + ucumIs: 1, `"code":"/a-1",` + ucumIs: 1, `"code":"a2/a",` + ucumIs: 1,
		`"code":"%.a",` + ucumIs: 100, `"code":"Gs",` + ucumIs: 0.0315576, `"code":"ks",` + ucumIs: 31557.6,
		`"system":"http://snomed.info/sct","code":"258707000"`: 1, `"unit":"year(s)","system":"http://snomed.info/sct","code":"258706009"`: 12,
	}
	places := []string{
		`{"resourceType":"Observation","valueQuantity":%s}`,
		`{"resourceType":"Observation","component":[{"valueQuantity":%s}]}`,
		`{"resourceType":"Observation","valueRange":{"low":%s}}`,
		`{"resourceType":"Observation","valueRange":{"high":%s}}`,
		`{"resourceType":"Observation","valueRatio":{"numerator":%s}}`,
		`{"resourceType":"Condition","onsetAge":%s}`,
		`{"resourceType":"Condition","onsetRange":{"low":%s}}`,
		`{"resourceType":"Condition","onsetRange":{"high":%s}}`,
		`{"resourceType":"Procedure","performedAge":%s}`,
		`{"resourceType":"Encounter","length":%s}`,
		`{"resourceType":"MedicationRequest","dosageInstruction":[{"timing":{"repeat":{"boundsDuration":%s}}}]}`,
	}
	young := 0
	for unit, per := range units {
		for _, place := range places {
			for _, years := range []float64{95, -95, 42} {
				text := fmt.Sprintf("%.5g", years*per)
				if years*per > 1e5 {
					text = fmt.Sprintf("%.0f", float64(int(years*per/1e5))*1e5+1e5)
				}
				in := fmt.Sprintf(place, `{"value":`+text+`,`+unit+`}`)
				out := one(t, in)
				if strings.Contains(out, text) {
					young++
				}
				if years != 42 && strings.Contains(out, text) {
					t.Errorf("%s became %s", in, out)
				}
			}
		}
	}
	if young < len(units)*3 {
		t.Errorf("%d young ages stay, want more: are these quantities at all?", young)
	}
}

// Numbers without a unit are ages, dates of birth or ZIP codes where the record says so.
func TestNumbersThatAnswerPersonalQuestions(t *testing.T) {
	for _, test := range []struct{ in, number string }{
		{`{"resourceType":"Observation","code":{"coding":[{"system":"http://loinc.org","code":"30525-0"}]},"valueQuantity":{"value":%s}}`, "95"},
		{`{"resourceType":"Observation","valueInteger":%s,"code":{"coding":[{"system":"http://snomed.info/sct","code":"397669002"}]}}`, "95"},
		{`{"resourceType":"Observation","code":{"coding":[{"system":"http://loinc.org","code":"21612-7"}]},"valueQuantity":{"value":%s,"unit":"score","code":"{score}",` + ucumIs + `}}`, "95"},
		{`{"resourceType":"Observation","code":{"coding":[{"system":"http://clinic.example","\u0063ode":"3\u00305\u00325-0"}]},"valueInteger":%s}`, "95"},
		{`{"resourceType":"Observation","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"30525-0"}]},"valueInteger":%s}]}`, "95"},
		{`{"resourceType":"Observation","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"30525-0"}]},"valueRange":{"low":{"value":%s}}}]}`, "95"},
		{`{"resourceType":"QuestionnaireResponse","item":[{"linkId":"/30525-0","answer":[{"valueInteger":%s}]}]}`, "95"},
		{`{"resourceType":"QuestionnaireResponse","item":[{"linkId":"21112-8","answer":[{"valueDecimal":%s}]}]}`, "1931"},
		{`{"resourceType":"QuestionnaireResponse","item":[{"linkId":"45401-7","answer":[{"valueInteger":%s}]}]}`, "2139"},
		{`{"resourceType":"QuestionnaireResponse","item":[{"linkId":"45401-7","answer":[{"valueQuantity":{"value":%s}}]}]}`, "94305"},
		{`{"resourceType":"QuestionnaireResponse","item":[{"linkId":"zip","answer":[{"valueDecimal":%s}]}]}`, "94305"},
	} {
		if out := one(t, fmt.Sprintf(test.in, test.number)); strings.Contains(out, test.number) {
			t.Errorf("%s is in %s", test.number, out)
		}
		if out := one(t, fmt.Sprintf(test.in, "42")); !strings.Contains(out, "42") {
			t.Errorf("42 is not in %s", out)
		}
	}
	for _, in := range []string{
		`{"resourceType":"Observation","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"valueInteger":95}`,
		`{"resourceType":"Observation","code":{"coding":[{"system":"http://loinc.org","code":"30525-0"}]},"component":[{"valueQuantity":{"value":120,"unit":"kg",` + ucumIs + `,"code":"kg"}}]}`,
	} {
		if out := one(t, in); out != in {
			t.Errorf("got %s, want %s", out, in)
		}
	}
}

// A number whose unit stands beside it.
func TestSpans(t *testing.T) {
	for in, want := range map[string]bool{
		`"duration":95,"durationUnit":"a"`: false, `"durationUnit":"a","duration":95`: false, `"duration":9e1,"durationUnit":"a"`: false,
		`"periodMax":1200,"periodUnit":"mo"`: false, `"durationMax":35000,"durationUnit":"d"`: false, `"duration":95`: false, `"duration":95,"durationUnit":"years"`: false,
		`"duration":95,"durationUnit":7`: false, `"duration":95,"durationUnit":"d"`: true, `"period":10,"periodUnit":"a"`: true, `"duration":1800,"durationUnit":"s"`: true,
	} {
		record := `{"resourceType":"MedicationRequest","dosageInstruction":[{"timing":{"repeat":{` + in + `}}}]}`
		number := strings.TrimLeft(in[strings.Index(in, ":")+1:], `"a,durtion:`)
		number, _, _ = strings.Cut(number, ",")
		if out := one(t, record); strings.Contains(out, ":"+number) != want {
			t.Errorf("%s: got %s, want it to stay %t", in, out, want)
		}
	}
}

// An age and a year of one record tell an age on the reference date.
func TestAgesWithYearsOfTheSameRecord(t *testing.T) {
	age := func(n int) string { return fmt.Sprintf(`{"value":%d,"unit":"a",%s,"code":"a"}`, n, ucumIs) }
	for _, test := range []struct {
		in   string
		want bool
	}{
		{`{"resourceType":"Condition","onsetAge":` + age(30) + `,"recordedDate":"1966-02-03"}`, false},
		{`{"resourceType":"Condition","recordedDate":"1966-02-03","onsetAge":` + age(30) + `}`, false},
		{`{"resourceType":"Condition","recordedDate":"1967-02-03","onsetAge":` + age(30) + `}`, true},
		{`{"resourceType":"Condition","onsetAge":` + age(30) + `}`, true},
		// goes itself
		{`{"resourceType":"Condition","onsetAge":` + age(30) + `,"recordedDate":"1930-01-01"}`, true},
		// as well
		{`{"resourceType":"Condition","onsetAge":` + age(30) + `,"onsetString":"1950-01-01"}`, true},
		{`{"resourceType":"Condition","onsetAge":` + age(30) + `,"onsetPeriod":{"end":"1966"}}`, false},
		{`{"resourceType":"Condition","onsetRange":{"low":` + age(30) + `},"recordedDate":"1966"}`, false},
		{`{"resourceType":"Condition","onsetAge":{"value":360,` + ucumIs + `,"code":"mo"},"recordedDate":"1966"}`, false},
		{`{"resourceType":"FamilyMemberHistory","condition":[{"onsetAge":` + age(30) + `}],"bornDate":"1966"}`, false},
		{`{"resourceType":"Condition","onsetAge":` + age(30) + `,"contained":[{"resourceType":"Encounter","period":{"start":"1966"}}]}`, false},
	} {
		if out := one(t, test.in); strings.Contains(out, `"value":3`) != test.want {
			t.Errorf("%s: got %s, want the age %t", test.in, out, test.want)
		}
	}
	// 89 in a visit of the year before is 90 or older at the end of this one.
	for date, want := range map[string]bool{"2023-05-06": false, "2024-05-06": true} {
		out := uds(t, `{"resourceType":"Encounter","period":{"start":"`+date+`"},`+ageExtension(`"value":89`)+`}`, "2024-12-31")
		if strings.Contains(out, `"value":89`) != want {
			t.Errorf("%s: got %s, want the age %t", date, out, want)
		}
	}
}

// No two years that stay are so far apart, or so long ago, that they tell an
// age over 89 by themselves.
func TestYearsThatStayTellNoAge(t *testing.T) {
	var in strings.Builder
	for y := 1880; y < 2040; y++ {
		fmt.Fprintf(&in, `{"resourceType":"Patient","birthDate":"%d-12-31","deceasedDateTime":"%d-01-01"}`+"\n", y, y)
		fmt.Fprintf(&in, `{"resourceType":"Encounter","period":{"start":"%d","end":"%d-06"}}`+"\n", y, y)
	}
	out, _ := process(t, in.String())
	first, last := 9999, 0
	for _, r := range decode(t, []byte(out)) {
		walk("", r, func(path string, leaf any) {
			var y int
			if s, ok := leaf.(string); ok && len(s) == 4 {
				if _, err := fmt.Sscanf(s, "%d", &y); err == nil {
					first, last = min(first, y), max(last, y)
				}
			}
		})
	}
	if first != 2026-89 || last != 2026 {
		t.Errorf("years from %d to %d stay, want 1937 to 2026", first, last)
	}
}

// ZIP codes in all forms: three digits of a populous prefix and no more.
func TestZIPCodesInAnySpelling(t *testing.T) {
	for address, want := range map[string]string{
		`"postalCode":"02139"`: "021", `"postalCode":"02139-4307"`: "021", `"postalCode":"021394307"`: "021", `"postalCode":"03601"`: "000", `"postalCode":"036014307"`: "000",
		`"postalCode":"02139 "`: "", `"postalCode":" 02139"`: "", `"postalCode":"MA 02139"`: "", `"postalCode":"0213"`: "", `"postalCode":"02139-"`: "", `"postalCode":"02139-43"`: "",
		`"postalCode":2139`: "", `"postalCode":["02139"]`: "021", `"postalCode":"０２１３９"`: "", `"postalCode":"\u0030\u00322139"`: "2139"[:0],
		`"postalCode":"80331","country":"DE"`: "", `"postalCode":"80331","state":"Bayern"`: "", `"postalCode":"K1A 0B1"`: "", `"postalCode":"SW1A 1AA","country":"GB"`: "",
		`"postalCode":"02139","country":"usa"`: "021", `"postalCode":"02139","country":" United States "`: "021", `"postalCode":"02139","country":""`: "", `"postalCode":"02139","country":7`: "",
		`"_postalCode":{"extension":[{"url":"x","valueString":"02139"}]},"text":"02139","line":["02139"],"city":"02139","district":"02139"`: "",
	} {
		out := one(t, `{"resourceType":"Patient","address":[{`+address+`}]}`)
		if strings.Contains(address, `\u0030`) {
			want = "" // 022139 has six digits
		}
		if want == "" && strings.Contains(out, "postalCode") || want != "" && !strings.Contains(out, `"`+want+`"`) || strings.Contains(out, "2139") || strings.Contains(out, "80331") {
			t.Errorf("%s: got %s, want %q", address, out, want)
		}
	}
}

// A rule file of somebody else's has the same guards, whatever words it keeps.
func TestUnitsOfOtherRuleFiles(t *testing.T) {
	e, err := deid.Compile([]byte("anchorhold: rules/v1\ntargets\n  Patient\npersonal\n  30525-0\nresource Patient\n  a quantity yr Yrs Y annos\n  code one-of 30525-0\n  b fixed decimal\n  c decimal\n"))
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]bool{
		`"a":{"value":95,"unit":"yr"}`: false, `"a":{"value":95,"unit":"Yrs"}`: false, `"a":{"value":95,"unit":"Y"}`: false, `"a":{"value":42,"unit":"Yrs"}`: true,
		`"a":{"value":95,"unit":"annos"}`: true, `"a":{"value":95,"unit":"annos"},"code":"30525-0"`: false, `"b":95`: true, `"b":95,"code":"30525-0"`: false,
		`"c":95`: false, `"c":1931`: false, `"c":1e2`: false, `"c":-95`: false, `"c":89`: true,
		`"b":1e2,"code":"30525-0"`: false, `"b":-95,"code":"30525-0"`: false, `"b":89,"code":"30525-0"`: true,
	} {
		out := checkOutput(t, e, patient(in))
		number := strings.TrimLeft(strings.TrimPrefix(in, `"a":{"value":`), `"bc:`)
		number = number[:strings.IndexAny(number+",", ",}")]
		if strings.Contains(out, ":"+number) != want {
			t.Errorf("%s: got %s, want the number to stay %t", in, out, want)
		}
	}
}
