package anonymizer_test

import (
	"strings"
	"testing"

	"anchorhold/enclave/deid/anonymizer"
)

// What this file asks was read from upstream's engine and the FHIR library under it, where their
// own tests say nothing.

// The library calls the ids of elements string and the addresses of extensions uri, and a rule for
// these types means them, too.
func TestTypesOfIdsAndAddresses(t *testing.T) {
	record := patient(`"id":"p","name":[{"id":"n","family":"A"}],"extension":[{"id":"e","url":"http://u","valueUri":"http://v"}]`)
	check(t, rules("", `"path":"nodesByType('string')","method":"redact"`), record, `{"extension":[{"url":"http://u","valueUri":"http://v"}],"id":"p"}`)
	check(t, rules("", `"path":"nodesByType('uri')","method":"redact"`), record, `{"extension":[{"id":"e"}],"id":"p","name":[{"family":"A","id":"n"}]}`)
	check(t, rules("", `"path":"nodesByType('id')","method":"redact"`), record,
		`{"extension":[{"id":"e","url":"http://u","valueUri":"http://v"}],"name":[{"family":"A","id":"n"}]}`)
	check(t, rules("", `"path":"Patient.name.id","method":"generalize","cases":{"true":"'x'"}`), patient(`"name":[{"id":"n"}]`), `{"name":[{"id":"x"}]}`)
}

// nodesByType and nodesByName find what stood in the record before the rules, even what a
// replacement took out of it since: nothing comes of that, but the labels tell it.
func TestWhatAReplacementTookAway(t *testing.T) {
	name := `"path":"Patient.name","method":"substitute","replaceWith":{"family":"F"}`
	record := patient(`"name":[{"family":"A","given":["B"],"extension":[{"url":"u","valueString":"v"}]}]`)
	for second, want := range map[string]string{
		`"path":"nodesByName('given')","method":"redact"`:                       "REDACTED SUBSTITUTED",
		`"path":"nodesByType('Extension').value","method":"cryptoHash"`:         "CRYTOHASH SUBSTITUTED",
		`"path":"nodesByName('given')","method":"substitute","replaceWith":"x"`: "SUBSTITUTED",
		// it was exchanged, not taken away
		`"path":"nodesByName('family')","method":"redact"`: "SUBSTITUTED",
		// a path is read on the record as it is now
		`"path":"Patient.nodesByName('given')","method":"redact"`:                    "SUBSTITUTED",
		`"path":"nodesByName('given')","method":"keep"`:                              "SUBSTITUTED",
		`"path":"Patient.name.given","method":"redact"`:                              "SUBSTITUTED",
		`"path":"nodesByType('HumanName')","method":"redact"`:                        "SUBSTITUTED",
		`"path":"nodesByType('Extension')","method":"encrypt"`:                       "MASKED SUBSTITUTED",
		`"path":"nodesByName('given')","method":"generalize","cases":{"1":"1"}`:      "SUBSTITUTED GENERALIZED",
		`"path":"nodesByName('extension').url","method":"redact"`:                    "REDACTED SUBSTITUTED",
		`"path":"nodesByType('Extension')","method":"substitute","replaceWith":null`: "SUBSTITUTED",
	} {
		got := one(t, rules(`"encryptKey":"0123456789abcdef"`, name, second), record)
		if bare(t, got) != `{"name":[{"family":"F"}]}` || codes(t, got) != want {
			t.Errorf("%s: got %s", second, got)
		}
	}
	// Nobody counts what is gone.
	e, values := configure(t, rules("", name, `"path":"nodesByName('given')","method":"redact"`))
	_, report, err := run(e, job(values), record)
	if err != nil || len(report.ByRule) != 1 || report.ByRule[0].Count != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
}

// skip covers a case of generalize that fails on a value, and no other failure.
func TestWhatSkipCovers(t *testing.T) {
	condition := `{"resourceType":"Condition","onsetAge":{"value":45.5}}`
	for _, c := range []struct{ rule, record, want string }{
		{`"path":"Patient.birthDate","method":"generalize","cases":{"$this > 1":"1"}`, patient(`"birthDate":"2000"`), "{}"},
		{`"path":"Patient.birthDate","method":"generalize","cases":{"true":"1 | 2"}`, patient(`"birthDate":"2000"`), "{}"},
		{`"path":"Patient.birthDate","method":"generalize","cases":{"true":"4 'mg'"}`, patient(`"birthDate":"2000"`), "{}"},
		{`"path":"nodesByType('Age')","method":"redact"`, condition, ""},
		{`"path":"Patient.birthDate","method":"dateShift"`, patient(`"birthDate":"9999-12-31"`), ""},
		{`"path":"Patient.multipleBirth","method":"substitute","replaceWith":true`, patient(`"multipleBirthInteger":1`), ""},
		{`"path":"Patient.where(name.single().exists())","method":"redact"`, patient(`"name":[{},{"family":"A"},{"family":"B"}]`), ""},
		{`"path":"Patient.birthDate","method":"redact"`, patient(`"birthDate":"soon"`), "resource-malformed"},
	} {
		for _, option := range []string{"raise", "skip"} {
			want := c.want
			if want == "" || option == "raise" && want == "{}" {
				want = "failed: record-rejected"
			}
			parameters := partial
			if strings.Contains(c.rule, "dateShift") {
				parameters = `"dateShiftFixedOffsetInDays":1`
			}
			config := `{"processingErrors":"` + option + `",` + strings.TrimPrefix(rules(parameters, c.rule), "{")
			if got := bare(t, one(t, config, c.record)); got != want {
				t.Errorf("%s, %s: got %s, want %s", option, c.rule, got, want)
			}
		}
	}
}

// Settings in the forms that upstream's reader of JSON takes for the same.
func TestFormsOfSettings(t *testing.T) {
	birth := `"path":"Patient.birthDate","method":"redact"`
	for parameters, want := range map[string]string{
		`"enablePartialDatesForRedact":"true"`: `{"birthDate":"2000"}`, `"EnablePartialDatesForRedact":true`: `{"birthDate":"2000"}`,
		`"enablePartialDatesForRedact":" False "`: `{}`, `"restrictedZipCodeTabulationAreas":null`: `{}`,
	} {
		check(t, rules(parameters, birth), patient(`"birthDate":"2000-01-01"`), want)
	}
	for _, days := range []string{`2`, `"2"`, `" +2 "`, `2.0`, `0.2e1`, `200e-2`} {
		check(t, rules(`"dateShiftFixedOffsetInDays":`+days, `"path":"Patient.birthDate","method":"dateShift"`), patient(`"birthDate":"2000-01-01"`), `{"birthDate":"2000-01-03"}`)
	}
	check(t, `{"FHIRPathRules":[{`+birth+`}],"Parameters":{"enablepartialdatesforredact":true},"FHIRVERSION":"r4"}`, patient(`"birthDate":"2000-01-01"`), `{"birthDate":"2000"}`)
	zip := rules(`"enablePartialZipCodesForRedact":true,"restrictedZipCodeTabulationAreas":[""]`, `"path":"Patient.address.postalCode","method":"redact"`)
	check(t, zip, patient(`"address":[{"postalCode":"98052"}]`), `{"address":[{"postalCode":"00000"}]}`)
	e, _ := configure(t, zip)
	if w := strings.Join(e.Warnings(), "\n"); !strings.Contains(w, "every postal code begins with it") {
		t.Errorf("got warnings %s", w)
	}
	for config, want := range map[string]string{
		`{"fhirPathRules":[{` + birth + `}],"parameters":{},"Parameters":{}}`:                       "parameters: is given twice",
		rules(`"dateShiftFixedOffsetInDays":"2.0"`, birth):                                          "parameters: dateShiftFixedOffsetInDays: want a whole number",
		rules(`"enablePartialDatesForRedact":1`, birth):                                             "parameters: enablePartialDatesForRedact: is a number, want true or false",
		rules("", `"path":"Patient.id","method":"perturb","span":1,"roundTo":null`):                 "roundTo is null",
		rules("", `"path":"Patient.id","method":"perturb","span":1,"rangeType":null`):               "rangeType: is null, want fixed or proportional",
		rules("", `"path":"Patient.id","method":"generalize","cases":{"1":"1"},"otherValues":null`): "otherValues: is null, want redact or keep",
		rules("", `"path":"Patient.id","method":"generalize","cases":null`):                         "cases is null, want an object",
		// names in a rule are exact
		rules("", `"Path":"Patient.id","method":"redact"`): "path is missing",
		rules("", `"path":null,"method":null`):             "path is null, want a string",
	} {
		if got := fault(config); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", config, got, want)
		}
	}
}

// However a key is written, it leaves the configuration, or nothing is compiled.
func TestKeysInOtherForms(t *testing.T) {
	id := `"path":"Patient.id","method":"cryptoHash"`
	for parameters, key := range map[string]string{
		`"cryptoHashKey":12345`: "12345", `"CRYPTOHASHKEY":"12345"`: "12345", `"cryptohashkey":-12345`: "-12345",
	} {
		for _, name := range []string{"parameters", "Parameters"} {
			config := `{"fhirPathRules":[{` + id + `}],"` + name + `":{` + parameters + `}}`
			if _, err := anonymizer.Compile([]byte(config)); err == nil || !strings.Contains(err.Error(), "can't hold a key") || strings.Contains(err.Error(), "12345") {
				t.Errorf("%s: got %v", config, err)
			}
			rest, values, err := anonymizer.Split([]byte(config))
			if err != nil || string(values[anonymizer.CryptoHashKey]) != key || strings.Contains(string(rest), "12345") {
				t.Errorf("%s: got %s, %q, %v", config, rest, values, err)
			}
		}
	}
	for _, two := range []string{`"cryptoHashKey":"a12345","CryptoHashKey":"b12345"`, `"cryptoHashKey":"a12345","CryptoHashKey":""`, `"cryptoHashKey":null,"CryptoHashKey":"a12345"`, `"cryptoHashKey":1.2345e4`, `"cryptoHashKey":["12345"]`} {
		if _, _, err := anonymizer.Split([]byte(rules(two, id))); err == nil || strings.Contains(err.Error(), "2345") {
			t.Errorf("%s: got %v", two, err)
		}
	}
}

// Text is written without space around it, wherever it comes from.
func TestSpaceAroundText(t *testing.T) {
	check(t, rules("", `"path":"Patient.name.family","method":"substitute","replaceWith":"  x y "`), patient(`"name":[{"family":"A"}]`), `{"name":[{"family":"x y"}]}`)
	check(t, cases("Patient.name.family", "", "true", "' ' + $this + ' '"), patient(`"name":[{"family":"A"}]`), `{"name":[{"family":"A"}]}`)
}

// Where nothing is added, nothing is written that was not there but what rounding takes.
func TestNoNoise(t *testing.T) {
	for _, c := range []struct{ settings, in, want string }{
		{`"span":0`, "1.5", "1.5"},
		{`"span":0`, "1.500", "1.50"},
		{`"span":0`, "7", "7"},
		{`"span":0`, "2.125", "2.12"},
		{`"span":0,"roundTo":0`, "2.5", "2"},
		{`"span":"0","rangeType":"Proportional","roundTo":3`, "-1.23456", "-1.235"},
		{`"span":4,"rangeType":"proportional"`, "0.0", "0.0"},
	} {
		check(t, rules("", `"path":"Observation.value","method":"perturb",`+c.settings), `{"resourceType":"Observation","valueQuantity":{"value":`+c.in+`}}`,
			`{"valueQuantity":{"value":`+c.want+`}}`)
	}
}

// Resources that are contained in contained ones are scopes of their own, too, and tell their
// outermost holder what was done.
func TestNestedScopes(t *testing.T) {
	record := patient(`"contained":[{"resourceType":"Organization","name":"B","contained":[{"resourceType":"Person","address":[{"city":"C","country":"D"}]}]}],"address":[{"city":"C"}]`)
	got := one(t, rules("", `"path":"Person.address.city","method":"redact"`), record)
	if strings.Count(got, `"C"`) != 1 || !strings.Contains(got, `"D"`) || codes(t, got) != "REDACTED" || strings.Count(got, `"meta"`) != 1 {
		t.Errorf("got %s", got)
	}
	got = one(t, rules("", `"path":"Person.address.country","method":"keep"`, `"path":"nodesByType('Address')","method":"redact"`), record)
	if strings.Contains(got, `"C"`) || !strings.Contains(got, `"D"`) {
		t.Errorf("got %s", got)
	}
	parameters := `{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","id":"x","birthDate":"2000-01-01"}}]}`
	got = one(t, rules("", `"path":"Patient.birthDate","method":"redact"`), parameters)
	if strings.Contains(got, "2000") || strings.Count(got, `"meta"`) != 2 {
		t.Errorf("got %s", got)
	}
}
