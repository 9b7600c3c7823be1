package deid_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/protocoltest/cputime"
)

// spelt matches a surrogate.
var spelt = regexp.MustCompile(`[b-df-hj-np-t]{32}`)

// one returns the record that the preset makes of one record, its surrogates
// numbered, or the code of the rejection.
func one(t *testing.T, in string) string {
	t.Helper()
	out, report := process(t, in+"\n")
	if len(report.Rejects) > 0 {
		return report.Rejects[0].Code
	}
	names := map[string]string{}
	return strings.TrimSuffix(spelt.ReplaceAllStringFunc(out, func(s string) string {
		if names[s] == "" {
			names[s] = string(rune('0' + len(names)))
		}
		return "<" + names[s] + ">"
	}), "\n")
}

// patient puts members into a Patient; want is without it too.
func patient(members string) string { return `{"resourceType":"Patient",` + members + `}` }

func TestTransform(t *testing.T) {
	const empty = `{"resourceType":"Patient"}`
	snomed := `{"system":"http://snomed.info/sct","code":"44054006"}`
	tests := []struct{ name, in, want string }{
		{"nothing stays but the type", patient(`"name":[{"family":"Smith"}],"x":1`), empty},
		{"id", patient(`"id":"a"`), patient(`"id":"<0>"`)},
		{"type need not come first", `{"id":"a","gender":"male","resourceType":"Patient"}`, patient(`"id":"<0>","gender":"male"`)},
		{"white space", "{ \"resourceType\" : \"Patient\" ,\t\"active\" : true }", patient(`"active":true`)},
		{"escaped names are names", patient(`"\u0067ender":"m\u0061le","\u006eame":[{"family":"x"}]`), patient(`"gender":"male"`)},
		{"word not of the set", patient(`"gender":"Smith"`), empty},
		{"null, object and number for a string", patient(`"gender":null,"birthDate":{"a":"2000"},"maritalStatus":7`), empty},
		{"array in an array", patient(`"address":[[{"state":"KS"}]]`), empty},
		{"primitive extension", patient(`"birthDate":"2000-01-02","_birthDate":{"extension":[{"url":"x","valueDateTime":"2000-01-02T11:12:13Z"}]}`), patient(`"birthDate":"2000"`)},
		{"year", patient(`"birthDate":"1990"`), patient(`"birthDate":"1990"`)},
		{"dateTime", patient(`"deceasedDateTime":"2001-02-03T04:05:06.789+10:00"`), patient(`"deceasedDateTime":"2001"`)},
		{"no date", patient(`"birthDate":"1990 Smith"`), empty},
		{"no date 2", patient(`"birthDate":"1990-Smith"`), empty},
		{"89 years before", patient(`"birthDate":"1937-01-01"`), patient(`"birthDate":"1937"`)},
		{"90 years before", patient(`"birthDate":"1936-12-31"`), empty},
		{"death long ago", patient(`"deceasedDateTime":"1930-01-01"`), patient(`"deceasedBoolean":true`)},
		{"death twice", patient(`"deceasedDateTime":"1930-01-01","deceasedBoolean":true`), patient(`"deceasedBoolean":true`)},
		{"ZIP", patient(`"address":[{"line":["1 Road"],"city":"X","state":"KS","postalCode":"66801","country":"US"}]`), patient(`"address":[{"state":"KS","postalCode":"668","country":"US"}]`)},
		{"ZIP+4", patient(`"address":[{"postalCode":"66801-1234"},{"postalCode":"668011234"}]`), patient(`"address":[{"postalCode":"668"},{"postalCode":"668"}]`)},
		{"ZIP of few", patient(`"address":[{"postalCode":"03601"},{"postalCode":"89301"},{"postalCode":"09601"}]`), patient(`"address":[{"postalCode":"000"},{"postalCode":"000"},{"postalCode":"000"}]`)},
		{"ZIP elsewhere", patient(`"address":[{"postalCode":"10115","country":"DE"},{"postalCode":"SW1A 1AA"}]`), patient(`"address":[{"country":"DE"}]`)},
		{"ZIP of another country that is not named", patient(`"address":[{"state":"Bayern","postalCode":"80331"},{"state":["KS"],"postalCode":"66801"}]`), patient(`"address":[{"state":["KS"]}]`)},
		{"ZIP of a State by name", patient(`"address":[{"state":"MASSACHUSETTS","postalCode":"02139","country":"United States"},{"state":"ks","postalCode":"66801","country":"usa"}]`), patient(`"address":[{"state":"MA","postalCode":"021"},{"state":"KS","postalCode":"668"}]`)},
		{"profile", patient(`"meta":{"versionId":"7","lastUpdated":"2020-01-01T00:00:00Z","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|3.1.1","https://clinic.example/p"]}`), patient(`"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]}`)},
		{"profile that is a record", patient(`"meta":{"profile":["http://hl7.org/fhir/Patient/smith","http://hl7.org/fhir/StructureDefinition/x|2020-01","http://hl7.org/fhir/StructureDefinition/66801"]}`), empty},
		{"coding", patient(`"maritalStatus":{"text":"x","coding":[{"code":"M","display":"y","system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","userSelected":true}]}`), patient(`"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","userSelected":true}]}`)},
		{"codes that are none", patient(`"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"John Smith"},{"system":"http://terminology.hl7.org/CodeSystem/x","code":"555-810-7203"},{"system":"http://snomed.info/sct","code":"smith"},{"code":"M"},{"system":"http://hl7.org/fhir/sid/us-ssn","code":"M"},{"system":"http://clinic.example","code":"M"}]}`), empty},
		{"known extension", patient(`"extension":[{"valueCode":"F","url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"},{"url":"http://x","valueString":"y"}]`), patient(`"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"}]`)},
		{"extension without value", patient(`"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"Smith"}]`), empty},
		{"modifier extension", patient(`"modifierExtension":[{"url":"x"}]`), "modifier-extension"},
		{"modifier extension deep", patient(`"contact":[{"gender":"male","modifierExtension":[{"url":"x"}]}]`), "modifier-extension"},
		{"modifier extension in what is dropped", patient(`"name":[{"modifierExtension":[{"url":"x"}]}]`), empty},
		{"modifier that cannot stay", `{"resourceType":"Encounter","status":"smith"}`, "resource-malformed"},
		{"modifier that cannot stay below", patient(`"gender":"male","address":[{"state":"KS","use":"smith"}]`), patient(`"gender":"male"`)},
		{"modifier that cannot stay, first", patient(`"address":[{"use":"smith","state":"KS","x":[{"y":1}]},{"state":"KS"}],"gender":"male"`), patient(`"address":[{"state":"KS"}],"gender":"male"`)},
		{"identifier", patient(`"identifier":[{"use":"usual","type":{"text":"SSN"},"system":"s","value":"1"},{"system":"s","value":"1"},{"system":"t","value":"1"},{"system":"s"}]`), patient(`"identifier":[{"system":"urn:anchorhold:surrogate","value":"<0>"},{"system":"urn:anchorhold:surrogate","value":"<0>"},{"system":"urn:anchorhold:surrogate","value":"<1>"}]`)},
		{"integer", patient(`"multipleBirthInteger":2`), patient(`"multipleBirthInteger":2`)},
		{"integer too large", patient(`"multipleBirthInteger":999265555`), empty},
		{"number text is kept", `{"resourceType":"Device","property":[{"type":{"coding":[` + snomed + `]},"valueQuantity":[{"value":1.500}]}]}`, `{"resourceType":"Device","property":[{"type":{"coding":[` + snomed + `]},"valueQuantity":[{"value":1.500}]}]}`},
		{"attachment", `{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain; charset=utf-8; name=smith","data":"QQ==","url":"http://x","title":"t","creation":"2001-02-03"}}]}`, `{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain","creation":"2001"}}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := one(t, test.in); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// Work must grow with the size of a record, not with its square.
func TestHostileRecordsTakeLinearTime(t *testing.T) {
	many := func(s string) string { return strings.Repeat(s+",", 300_000) + s }
	for name, in := range map[string]string{
		"ZIP codes":  patient(`"address":[{"postalCode":[` + many(`"66801"`) + `],"x":"` + strings.Repeat("y", 1<<20) + `","country":"US"}]`),
		"deaths":     patient(`"deceasedDateTime":[` + many(`"1900"`) + `]`),
		"extensions": patient(`"extension":[` + many(`{"valueCode":"x"}`) + `]`),
		"fragments":  `{"resourceType":"Encounter","status":"finished","basedOn":[` + many(`{"reference":"#"}`) + `],"contained":[` + many("{}") + `]}`,
		"escapes":    patient(`"gender":"` + strings.Repeat(`\\`, 3<<20) + `"`),
		"brackets":   patient(`"x":` + strings.Repeat("[", 60) + many("0") + strings.Repeat("]", 60)),
	} {
		// Processor time: a busy machine must not fail the test. Quadratic work on this many
		// elements takes many minutes.
		before := cputime.Self()
		one(t, in)
		if used := cputime.Self() - before; used > time.Minute {
			t.Errorf("%s: took %v of processor time for %d bytes", name, used, len(in))
		}
	}
}

func TestAges(t *testing.T) {
	const ucum = `"system":"http://unitsofmeasure.org"`
	years := func(v string) string { return `{"value":` + v + `,"unit":"a",` + ucum + `,"code":"a"}` }
	const bucket = `{"value":90,"comparator":">=","unit":"a",` + ucum + `,"code":"a"}`
	tests := []struct{ in, want string }{
		{`{"value":42,"unit":"years",` + ucum + `,"code":"a"}`, years("42")},
		{years("89"), years("89")},
		{years("89.1"), bucket},
		{years("123"), bucket},
		{`{"value":1069,` + ucum + `,"code":"mo"}`, bucket},
		{`{"value":400,` + ucum + `,"code":"mo"}`, `{"value":400,"unit":"mo",` + ucum + `,"code":"mo"}`},
		{`{"value":4650,` + ucum + `,"code":"wk"}`, bucket},
		{`{"value":32600,` + ucum + `,"code":"d"}`, bucket},
		{`{"value":800000,` + ucum + `,"code":"h"}`, bucket},
		{`{"value":47000000,` + ucum + `,"code":"min"}`, bucket},
		{`{"value":1e400,` + ucum + `,"code":"min"}`, bucket},
		{`{"value":95,"unit":"a"}`, bucket},
		{`{"value":95,"comparator":">",` + ucum + `,"code":"a"}`, bucket},
		{`{"value":89,"comparator":">",` + ucum + `,"code":"a"}`, bucket},
		{`{"value":89,"comparator":">=",` + ucum + `,"code":"a"}`, `{"value":89,"comparator":">=","unit":"a",` + ucum + `,"code":"a"}`},
		{`{"value":95,"comparator":"<",` + ucum + `,"code":"a"}`, ""},
		{`{"value":95,"unit":"yr"}`, ""},
		{`{"value":95}`, ""},
		{`{"value":95,` + ucum + `,"code":"s"}`, ""},
		{`{"value":95,"system":"http://clinic.example","code":"a"}`, ""},
		{`{"value":"95",` + ucum + `,"code":"a"}`, ""},
	}
	for _, test := range tests {
		want := `{"resourceType":"Condition"}`
		if test.want != "" {
			want = `{"resourceType":"Condition","onsetAge":` + test.want + `}`
		}
		if got := one(t, `{"resourceType":"Condition","onsetAge":`+test.in+`}`); got != want {
			t.Errorf("%s: got %s, want %s", test.in, got, want)
		}
	}
	in := `{"resourceType":"Condition","onsetRange":{"low":` + years("92") + `,"high":` + years("95") + `}}`
	if got, want := one(t, in), `{"resourceType":"Condition","onsetRange":{"low":`+years("90")+`}}`; got != want {
		t.Errorf("range: got %s, want %s", got, want)
	}
}

func TestQuantities(t *testing.T) {
	const ucum = `"system":"http://unitsofmeasure.org"`
	tests := []struct{ in, want string }{
		{`{"value":5.0,"unit":"mg",` + ucum + `,"code":"mg"}`, `{"value":5.0,"unit":"mg",` + ucum + `,"code":"mg"}`},
		{`{"value":5,"unit":"per Dr Smith",` + ucum + `,"code":"mg"}`, `{"value":5,` + ucum + `,"code":"mg"}`},
		{`{"value":5,"unit":"tablet"}`, `{"value":5,"unit":"tablet"}`},
		{`{"value":5}`, `{"value":5}`},
		{`{"value":5,"unit":"Smith"}`, ""},
		{`{"value":5,"system":"http://clinic.example","code":"smith"}`, ""},
		{`{"value":5,"comparator":"about"}`, ""},
		{`{"value":5,"comparator":7}`, ""},
		{`{"value":5,"comparator":"<"}`, `{"value":5,"comparator":"<"}`},
		{`{"value":99,` + ucum + `,"code":"a"}`, `{"value":90,"comparator":">=","unit":"a",` + ucum + `,"code":"a"}`},
		{`{"unit":"mg"}`, ""},
	}
	for _, test := range tests {
		want := `{"resourceType":"Encounter"}`
		if test.want != "" {
			want = `{"resourceType":"Encounter","length":` + test.want + `}`
		}
		if got := one(t, `{"resourceType":"Encounter","length":`+test.in+`}`); got != want {
			t.Errorf("%s: got %s, want %s", test.in, got, want)
		}
	}
}

func TestReferences(t *testing.T) {
	const system = "urn:anchorhold:surrogate"
	tests := []struct{ in, want string }{
		{`"reference":"Patient/1","display":"Smith","type":"Patient"`, `"reference":"Patient/<0>"`},
		{`"reference":"https://ehr.example/fhir/Patient/1"`, `"reference":"Patient/<0>"`},
		{`"reference":"Patient/1/_history/2"`, `"reference":"Patient/<0>"`},
		{`"reference":"Patient?identifier=s|1"`, `"reference":"Patient?identifier=` + system + `|<0>"`},
		{`"reference":"Patient?identifier=s%7C1"`, `"reference":"Patient?identifier=` + system + `|<0>"`},
		{`"identifier":{"system":"s","value":"1","assigner":{"display":"x"}}`, `"identifier":{"system":"` + system + `","value":"<0>"}`},
		{`"reference":"Patient/1","identifier":{"value":"1"}`, `"reference":"Patient/<0>","identifier":{"system":"` + system + `","value":"<1>"}`},
		{`"reference":"Patient?identifier=1"`, ""},
		{`"reference":"Patient?identifier=s|1&name=Smith"`, ""},
		{`"reference":"Patient?name=Smith"`, ""},
		{`"reference":"Patient?identifier=s|%zz"`, ""},
		{`"reference":"Smith/1"`, ""},
		{`"reference":"a/b/Patient/1"`, ""},
		{`"reference":"Patient/"`, ""},
		{`"reference":"Patient"`, ""},
		{`"reference":""`, ""},
		{`"reference":"#"`, ""},
		{`"reference":"#p"`, ""},
		{`"reference":"Patient/1#p"`, ""},
		{`"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"`, ""},
		{`"display":"Smith"`, ""},
		{`"reference":["Patient/1"]`, ""},
	}
	for _, test := range tests {
		want := `{"resourceType":"Condition","subject":` + masked + `}`
		if test.want != "" {
			want = `{"resourceType":"Condition","subject":{` + test.want + `}}`
		}
		if got := one(t, `{"resourceType":"Condition","subject":{`+test.in+`}}`); got != want {
			t.Errorf("%s: got %s, want %s", test.in, got, want)
		}
	}
}

// All records are taken for those of one server, whatever address a reference
// gives it, and a reference may come before what it means.
func TestOneServer(t *testing.T) {
	in := `{"resourceType":"Condition","subject":{"reference":"https://a.example/fhir/Patient/1"},"recorder":{"reference":"http://b.example/Practitioner/1"}}` + "\n" +
		`{"resourceType":"Condition","subject":{"reference":"http://b.example/Patient/1/_history/3"},"recorder":{"reference":"Practitioner/1"}}` + "\n" +
		patient(`"id":"1"`) + "\n" + `{"resourceType":"Practitioner","id":"1"}` + "\n"
	out, _ := process(t, in)
	s := spelt.FindAllString(out, -1)
	if len(s) != 6 || s[0] == s[1] || s[2] != s[0] || s[3] != s[1] || s[4] != s[0] || s[5] != s[1] {
		t.Errorf("got %s, want the surrogate of the record in each reference", out)
	}
}

func TestContainedResources(t *testing.T) {
	in := `{"resourceType":"Condition","id":"c","contained":[{"resourceType":"Practitioner","id":"p","name":[{"family":"Smith"}],"gender":"male"},` +
		`{"resourceType":"Library","id":"b"},{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"q"}]},7],` +
		`"recorder":{"reference":"#p"},"asserter":{"reference":"#b"},"subject":{"reference":"Practitioner/p"}}`
	want := `{"resourceType":"Condition","id":"<0>","contained":[{"resourceType":"Practitioner","id":"<1>","gender":"male"},{"resourceType":"Patient"}],` +
		`"recorder":{"reference":"#<1>"},"subject":{"reference":"Practitioner/<2>"}}`
	if got := one(t, in); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	in = `{"resourceType":"Condition","contained":[{"resourceType":"Encounter","id":"e","status":"smith"},{"resourceType":"Encounter","id":"f"}],` +
		`"encounter":{"reference":"#e"},"evidence":[{"detail":[{"reference":"#f"}]}]}`
	want = `{"resourceType":"Condition","contained":[{"resourceType":"Encounter","id":"<0>"}],"evidence":[{"detail":[{"reference":"#<0>"}]}]}`
	if got := one(t, in); got != want {
		t.Errorf("reference to one that a modifier took away:\ngot  %s\nwant %s", got, want)
	}
	in = `{"resourceType":"Condition","contained":[{"resourceType":"Patient","modifierExtension":[{"url":"x"}]}]}`
	if got, want := one(t, in), "modifier-extension"; got != want {
		t.Errorf("modifier extension in a contained resource: got %s, want %s", got, want)
	}
}
