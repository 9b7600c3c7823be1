package anonymizer_test

import (
	"strings"
	"testing"
)

func TestOrderOfRules(t *testing.T) {
	record := patient(`"name":[{"use":"official","family":"A","given":["B"]}],"contact":[{"name":{"use":"old","family":"C"}}]`)
	redact := `"path":"nodesByType('HumanName')","method":"redact"`
	check(t, rules("", `"path":"nodesByType('HumanName').use","method":"keep"`, redact), record, `{"contact":[{"name":{"use":"old"}}],"name":[{"use":"official"}]}`)
	check(t, rules("", redact, `"path":"nodesByType('HumanName').use","method":"keep"`), record, `{}`)
	// A keep of the parent keeps all of it.
	check(t, rules("", `"path":"Patient.name","method":"keep"`, redact), record, `{"name":[{"family":"A","given":["B"],"use":"official"}]}`)
	// Paths are read on what earlier rules have left.
	check(t, rules("", `"path":"Patient.name.use","method":"redact"`, `"path":"Patient.name.where(use='official')","method":"redact"`), record,
		`{"contact":[{"name":{"family":"C","use":"old"}}],"name":[{"family":"A","given":["B"]}]}`)
	check(t, rules("", `"path":"Patient.name.use","method":"substitute","replaceWith":"temp"`, `"path":"Patient.name.where(use='temp').family","method":"redact"`), record,
		`{"contact":[{"name":{"family":"C","use":"old"}}],"name":[{"given":["B"],"use":"temp"}]}`)
	// What no rule names stays.
	check(t, rules("", `"path":"Observation.status","method":"redact"`), record, bare(t, record))
}

// A rule for a union must not leave a person because another has the same name.
func TestEqualValuesAreAllChanged(t *testing.T) {
	record := patient(`"name":[{"given":["Ann"]},{"given":["Ann"]}],"contact":[{"name":{"given":["Ann"]}}]`)
	for _, path := range []string{
		"Patient.name.given | Patient.contact.name.given", "Patient.name.given.union(Patient.contact.name.given)",
		"nodesByType('HumanName').given", "nodesByName('given') | Patient.id", "Patient.descendants().where($this is string) | Patient.id",
	} {
		if got := one(t, rules("", `"path":"`+path+`","method":"redact"`), record); strings.Contains(got, "Ann") {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

const bundle = `{"resourceType":"Bundle","id":"b","type":"collection","entry":[
	{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","name":[{"family":"A"}],
		"contained":[{"resourceType":"Organization","id":"o","name":"B","contact":[{"name":{"family":"C"}}]}]}},
	{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Observation","id":"v","status":"final","valueQuantity":{"value":1.00}}}]}`

func TestScopes(t *testing.T) {
	for _, c := range []struct{ name, rule, gone, stays string }{
		{"every resource has its turn", `"path":"nodesByType('HumanName')","method":"redact"`, `"A" "C"`, `"B" "p" "o"`},
		{"a rule for a type is for it alone", `"path":"Patient.nodesByType('HumanName')","method":"redact"`, `"A"`, `"C"`},
		{"nodesByType does not cross into entries", `"path":"Bundle.nodesByType('HumanName')","method":"redact"`, ``, `"A" "C"`},
		{"nor does redact", `"path":"Bundle","method":"redact"`, `"b" collection urn:uuid:1`, `"A" "B" "p" final`},
		{"nor out of an entry", `"path":"Bundle.entry","method":"redact"`, `urn:uuid:1`, `"b" collection "A" "B" "p"`},
		{"a path may", `"path":"Bundle.entry.resource.name","method":"redact"`, `"A"`, `"B" "C" "p"`},
		{"a resource found by its type is one, without those in it", `"path":"nodesByType('Patient')","method":"redact"`, `"A" "p"`, `"B" "C" "o" "v"`},
		{"the resource itself is not below itself", `"path":"nodesByType('Bundle')","method":"redact"`, ``, `"b" collection`},
		{"unless the path goes on", `"path":"nodesByType('Bundle').first()","method":"redact"`, `"b" collection`, `"A"`},
		{"names are those of paths", `"path":"nodesByName('value')","method":"redact"`, `1.00`, `final`},
		{"and of resources below", `"path":"nodesByName('resource')","method":"redact"`, `"A" "p" final 1.00`, `"B" "C" "b"`},
		{"contained", `"path":"Organization","method":"redact"`, `"B" "C" "o"`, `"A" "p"`},
		{"any resource", `"path":"Resource.id","method":"redact"`, `"b" "p" "o" "v"`, `"A" "B" "C"`},
		{"upstream does not ask what a DomainResource is", `"path":"DomainResource.id","method":"redact"`, `"b" "p" "o" "v"`, `"A"`},
		{"backbones have one name", `"path":"nodesByType('BackboneElement')","method":"redact"`, `"C" urn:uuid:1`, `"A" "B"`},
		{"ids of resources are no strings", `"path":"nodesByType('string')","method":"redact"`, `"A" "B" "C"`, `"p" "o"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := one(t, rules("", c.rule), bundle)
			for _, w := range strings.Fields(c.gone) {
				if strings.Contains(got, w) {
					t.Errorf("%s is there: %s", w, got)
				}
			}
			for _, w := range strings.Fields(c.stays) {
				if !strings.Contains(got, w) {
					t.Errorf("%s is gone: %s", w, got)
				}
			}
		})
	}
}

func TestSecurityLabels(t *testing.T) {
	got := one(t, rules("", `"path":"Patient.name","method":"redact"`, `"path":"Organization.name","method":"cryptoHash"`), bundle)
	// A bundle tells what was done to its entries, a resource what was done to those it contains,
	// which tell nothing.
	if codes(t, got) != "REDACTED CRYTOHASH" || strings.Count(got, `"security"`) != 2 {
		t.Errorf("got %s: %s", codes(t, got), got)
	}
	if _, observation, _ := strings.Cut(got, `"Observation"`); strings.Contains(observation, "meta") {
		t.Errorf("an entry that is unchanged has a label: %s", observation)
	}
	all := rules(`"encryptKey":"0123456789abcdef",`+partial, `"path":"Patient.id","method":"cryptoHash"`, `"path":"Patient.language","method":"encrypt"`,
		`"path":"Patient.multipleBirth","method":"perturb","span":1`, `"path":"Patient.gender","method":"substitute","replaceWith":"other"`,
		`"path":"Patient.active","method":"generalize","cases":{"true":"true"}`, `"path":"Patient.address","method":"redact"`)
	record := patient(`"id":"a","language":"en","multipleBirthInteger":2,"gender":"male","active":false,"address":[{"city":"A","postalCode":"12345"}]`)
	const order = "REDACTED ABSTRED CRYTOHASH MASKED PERTURBED SUBSTITUTED GENERALIZED"
	if got := codes(t, one(t, all, record)); got != order {
		t.Errorf("got %s, want %s", got, order)
	}
	// What is there already stays, and is not added, in whatever case of letters.
	old := patient(`"id":"a","active":true,"meta":{"versionId":"1","security":[{"system":"x","code":"redacted"},{"code":"OTHER"}],"lastUpdated":"2020-01-02T03:04:05.1200Z"}`)
	got = one(t, rules("", `"path":"Patient.active","method":"redact"`, `"path":"Patient.id","method":"cryptoHash"`), old)
	if codes(t, got) != "redacted OTHER CRYTOHASH" || !strings.Contains(got, `"versionId":"1"`) || !strings.Contains(got, `"system":"x"`) {
		t.Errorf("got %s", got)
	}
	// Meta that is rewritten has its instant in the form of upstream's library.
	if !strings.Contains(got, `"lastUpdated":"2020-01-02T03:04:05.12+00:00"`) {
		t.Errorf("got %s", got)
	}
	for _, rule := range []string{`"path":"Patient.active","method":"keep"`, `"path":"Patient.photo","method":"redact"`} {
		if got := one(t, rules("", rule), old); !strings.Contains(got, "05.1200Z") || codes(t, got) != "redacted OTHER" {
			t.Errorf("%s: got %s", rule, got)
		}
	}
	got = one(t, rules(partial, `"path":"nodesByType('instant')","method":"redact"`), old)
	if !strings.Contains(got, `"lastUpdated":"2020-01-01T00:00:00+00:00"`) {
		t.Errorf("got %s", got)
	}
	// Redacted meta is labeled all the same.
	if got := one(t, rules("", `"path":"Resource","method":"redact"`), old); got != `{"resourceType":"Patient","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED","display":"redacted"}]}}` {
		t.Errorf("got %s", got)
	}
}

func TestProcessingErrors(t *testing.T) {
	fail := `"path":"Patient.name.family","method":"generalize","cases":{"$this > 1":"'a'"}`
	record := patient(`"id":"a","name":[{"family":"A"}]`)
	config := func(option string) string {
		return `{` + option + `"fhirPathRules":[{"path":"Patient.id","method":"cryptoHash"},{` + fail + `}]}`
	}
	for option, want := range map[string]string{"": "", `"processingErrors":"raise",`: "", `"processingErrors":"Skip",`: "{}"} {
		e, values := configure(t, config(option))
		out, report, err := run(e, job(values), record+"\n"+patient(`"id":"b"`)+"\n")
		if want == "" {
			if err == nil || err.Error() != "failed: record-rejected" || report != nil {
				t.Errorf("%s: got %s, %v", option, out, err)
			}
			continue
		}
		first, second, _ := strings.Cut(out, "\n")
		if err != nil || bare(t, first) != "{}" || codes(t, first) != "REDACTED" || codes(t, second) != "CRYTOHASH" || report.RecordsOut != 2 {
			t.Errorf("%s: got %s, %v", option, out, err)
		}
	}
	// Generalize on what has no value is a fault of the configuration: skip does not cover it.
	e, values := configure(t, `{"processingErrors":"skip","fhirPathRules":[{"path":"nodesByName('name')","method":"generalize","cases":{"true":"1"}}]}`)
	if _, _, err := run(e, job(values), record); err == nil {
		t.Error("generalize of a HumanName was skipped")
	}
}

// Records as they are found: what upstream's reader lets pass, and what no rule could find.
func TestReading(t *testing.T) {
	keepAll := rules("", `"path":"Patient","method":"keep"`)
	for in, want := range map[string]string{
		`"birthDate":null,"name":null,"active":true`:                      `{"active":true}`,
		`"name":[{},{"family":""},{"family":"  "},{"family":" A\u00a0"}]`: `{"name":[{"family":"A"}]}`,
		`"name":{"given":"A"}`:                                            `{"name":[{"given":["A"]}]}`,
		`"gender":["male"]`:                                               `{"gender":"male"}`,
		`"gender":["male","female"]`:                                      "resource-malformed",
		`"active":"true","multipleBirthInteger":"2"`:                      `{"active":true,"multipleBirthInteger":2}`,
		`"name":[{"family":5}]`:                                           `{"name":[{"family":"5"}]}`,
		`"active":1`:                                                      "resource-malformed",
		`"multipleBirthInteger":1.5`:                                      "resource-malformed",
		`"multipleBirthInteger":"x"`:                                      "resource-malformed",
		`"shoeSize":5`:                                                    "resource-malformed",
		`"name":[{"shoeSize":5}]`:                                         "resource-malformed",
		`"_name":[{"id":"a"}]`:                                            "resource-malformed",
		`"contained":[{"resourceType":"Shoe"}]`:                           "resource-malformed",
		`"contained":[null]`:                                              `{}`,
		`"name":[{"family":"\u003cb\u003e \"\\ \ud83d\ude00"}]`:           `{"name":[{"family":"\u003cb\u003e \"\\ 😀"}]}`,
	} {
		check(t, keepAll, patient(in), want)
	}
	for in, want := range map[string]string{
		`{"resourceType":"Shoe"}`: "resource-malformed", `{}`: "resource-malformed", `[]`: "resource-malformed", `5`: "resource-malformed", `{"resourceType":"Patient"`: "json-malformed",
		`{"resourceType":"Patient","id":"a","id":"b"}`: "json-duplicate-name",
	} {
		e, values := configure(t, keepAll)
		_, report, err := run(e, job(values), in)
		if err != nil || len(report.Rejects) != 1 || report.Rejects[0].Code != want {
			t.Errorf("%s: got %+v, %v, want %s", in, report, err, want)
		}
	}
	// The order of members is kept.
	got := one(t, rules("", `"path":"Patient.id","method":"cryptoHash"`), `{"gender":"male","resourceType":"Patient","_active":{"id":"x"},"id":"a","name":[{"given":["B"],"family":"A"}],"active":true}`)
	at := -1
	for _, m := range []string{`"resourceType"`, `"meta"`, `"gender"`, `"active"`, `"_active"`, `"id":"`, `"name"`, `"given"`, `"family"`} {
		i := strings.Index(got[at+1:], m)
		if i < 0 && m != `"meta"` {
			t.Errorf("%s is not behind the one before: %s", m, got)
		}
		if m != `"meta"` {
			at += 1 + i
		}
	}
}
