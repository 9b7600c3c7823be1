package anonymizer_test

import (
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/deid/anonymizer"
)

// fault runs Split and Compile and returns the error of the first that refuses.
func fault(config string) string {
	rest, _, err := anonymizer.Split([]byte(config))
	if err == nil {
		_, err = anonymizer.Compile(rest)
	}
	if err == nil {
		return "accepted"
	}
	return err.Error()
}

func TestFaults(t *testing.T) {
	of := func(rule string) string {
		return `{"fhirPathRules":[{"path":"Patient.id","method":"keep"},` + rule + `]}`
	}
	for config, want := range map[string]string{
		``:                                "malformed configuration: EOF",
		`[]`:                              "malformed configuration: not an object",
		`{} {}`:                           "malformed configuration: something follows the object",
		`{"a":1,"a":2}`:                   `malformed configuration: jsontext: duplicate object member name "a"`,
		`{"fhirPathRules":[/* none */]}`:  "malformed configuration: jsontext: invalid character '/' at start of value within \"/fhirPathRules/0\" after offset 18",
		`{}`:                              "fhirPathRules: is missing",
		`{"fhirPathRules":null}`:          "fhirPathRules: is missing",
		`{"fhirPathRules":{}}`:            "fhirPathRules: is an object, want an array",
		`{"fhirPathRules":[]}`:            "fhirPathRules: is empty: every record would leave unchanged",
		of(`5`):                           "rule 2: is a number, want an object",
		of(`{}`):                          "rule 2: path is missing\nrule 2: method is missing",
		of(`{"path":5,"method":[]}`):      "rule 2: path is a number, want a string\nrule 2: method is an array, want a string",
		of(`{"path":"","method":"keep"}`): "rule 2: path is empty, longer than 4096 bytes or not plain text",
		of(`{"path":"Patient.id\n","method":"keep"}`):                  "rule 2: path is empty, longer than 4096 bytes or not plain text",
		of(`{"path":"Patient.","method":"keep"}`):                      "rule 2 (Patient.): path: malformed at byte 8: expression ends too early",
		of(`{"path":"Patient.id","method":"mask"}`):                    `rule 2 (Patient.id): method "mask" is not supported, want one of keep, redact, dateShift, cryptoHash, encrypt, substitute, perturb, generalize`,
		of(`{"path":"Patient.id","method":"keep","span":1}`):           `rule 2 (Patient.id): unknown key "span" for method keep`,
		of(`{"Path":"Patient.id","method":"keep"}`):                    "rule 2: path is missing\nrule 2: unknown key \"Path\" for method keep, did you mean \"path\"?",
		of(`{"path":"Patient.now()","method":"keep"}`):                 "rule 2 (Patient.now()): path: unsupported at byte 8: function now needs a clock, and there is none",
		of(`{"path":"Patient.where(resolve())","method":"keep"}`):      "rule 2 (Patient.where(resolve())): path: unsupported at byte 14: function resolve is not supported",
		of(`{"path":"Patient.nodesByType(name)","method":"keep"}`):     "rule 2 (Patient.nodesByType(name)): path: unsupported at byte 20: argument of nodesByType is not a string in quotes",
		of(`{"path":"Patient.name.where(family = )","method":"keep"}`): "rule 2 (Patient.name.where(family = )): path: malformed at byte 28: unexpected token",
		of(`{"path":"Patient.id","method":"perturb"}`):                 "rule 2 (Patient.id): span is missing",
		of(`{"path":"Patient.id","method":"perturb","span":null}`):     "rule 2 (Patient.id): span is null, want a number of at most 28 digits",
		of(`{"path":"Patient.id","method":"perturb","span":true,"roundTo":1.5,"rangeType":1}`): "rule 2 (Patient.id): span is true, want a number of at most 28 digits\n" +
			"rule 2 (Patient.id): roundTo is 1.5, want a whole number from 0 to 28\nrule 2 (Patient.id): rangeType: is a number, want fixed or proportional",
		of(`{"path":"Patient.id","method":"perturb","span":1e40}`):                                      "rule 2 (Patient.id): span is 1e40, want a number of at most 28 digits",
		of(`{"path":"Patient.id","method":"perturb","span":"-0.5"}`):                                    "rule 2 (Patient.id): span is -0.5, want no negative number",
		of(`{"path":"Patient.id","method":"substitute"}`):                                               "rule 2 (Patient.id): replaceWith is missing",
		of(`{"path":"Patient.id","method":"substitute","replaceWith":["a"]}`):                           "rule 2 (Patient.id): replaceWith is an array, want the value of one element",
		of(`{"path":"Patient.multipleBirth.ofType(integer)","method":"substitute","replaceWith":1.50}`): "rule 2 (Patient.multipleBirth.ofType(integer)): replaceWith does not fit integer, which the path selects",
		of(`{"path":"Patient.id","method":"substitute","replaceWith":{"a":1}}`):                         "rule 2 (Patient.id): replaceWith does not fit id, which the path selects",
		of(`{"path":"Patient.name","method":"substitute","replaceWith":{"familie":"A"}}`):               "rule 2 (Patient.name): replaceWith does not fit HumanName, which the path selects",
		of(`{"path":"Patient.name","method":"substitute","replaceWith":"A"}`):                           "rule 2 (Patient.name): replaceWith does not fit HumanName, which the path selects",
		of(`{"path":"Patient.contact","method":"substitute","replaceWith":{}}`):                         "rule 2 (Patient.contact): replaceWith does not fit Patient.contact, which the path selects",
		of(`{"path":"nodesByType('Period')","method":"substitute","replaceWith":{"begin":"2020"}}`):     "rule 2 (nodesByType('Period')): replaceWith does not fit Period, which the path selects",
		of(`{"path":"Patient.name","method":"generalize","cases":{"true":"1"}}`):                        "rule 2 (Patient.name): generalize is for primitive elements, and the path selects HumanName",
		of(`{"path":"Patient.id","method":"generalize"}`):                                               "rule 2 (Patient.id): cases is missing",
		of(`{"path":"Patient.id","method":"generalize","cases":[]}`):                                    "rule 2 (Patient.id): cases is an array, want an object",
		of(`{"path":"Patient.id","method":"generalize","cases":{}}`):                                    "rule 2 (Patient.id): cases is empty",
		of(`{"path":"Patient.id","method":"generalize","cases":{"true":"today()"}}`):                    `rule 2 (Patient.id): case "true": unsupported expression "today()" at byte 0: function today needs a clock, and there is none`,
		of(`{"path":"Patient.id","method":"generalize","cases":{"$this >":null}}`): `rule 2 (Patient.id): case "$this >": malformed expression "$this >" at byte 7: expression ends too early` + "\n" +
			`rule 2 (Patient.id): case "$this >": malformed expression "" at byte 0: expression ends too early`,
		of(`{"path":"Patient.id","method":"generalize","cases":{"true":"1"},"otherValues":"drop"}`): `rule 2 (Patient.id): otherValues: is "drop", want redact or keep`,
		`{"fhirVersion":"Stu3","processingErrors":"ignore","processingError":"raise","fhirPathRules":[{"path":"Patient","method":"keep"}]}`: `fhirVersion: "Stu3" is not supported, want R4` + "\n" +
			`processingErrors: is "ignore", want raise or skip` + "\n" + `unknown key "processingError", did you mean "processingErrors"?`,
		`{"fhirVersion":4,"processingErrors":null,"fhirPathRules":[{"path":"Patient","method":"keep"}],"parameters":[]}`: "fhirVersion: is a number, want a string\n" +
			"processingErrors: is null, want raise or skip\nparameters: is an array, want an object",
		rules(`"dateShiftKey":1.5,"dateShiftScope":"patient","dateShiftFixedOffsetInDays":1.5,"enablePartialAgesForRedact":"yes","restrictedZipCodeTabulationAreas":["",36],"customSettings":{}`, `"path":"Patient","method":"keep"`): "parameters: dateShiftKey: is a number, want a string\n" +
			"parameters: dateShiftScope: is \"patient\", want resource or file or folder\n" +
			"parameters: dateShiftFixedOffsetInDays: want a whole number of days between -3652058 and 3652058\n" +
			"parameters: enablePartialAgesForRedact: is a string, want true or false\n" +
			"parameters: restrictedZipCodeTabulationAreas[1]: is a number, want a string\n" +
			`parameters: unknown key "customSettings"`,
		rules(`"encryptKey":"0123456789"`, `"path":"Patient","method":"keep"`):        "parameters: encryptKey: has 80 bits, want 128, 192 or 256",
		strings.Repeat(" ", 1<<20) + "{}":                                             "configuration has 1048578 bytes, at most 1048576 are read",
		`{"fhirPathRules":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: "malformed configuration: nested too deep",
	} {
		// The decoder's own text is not for us to pin.
		got := fault(config)
		if strings.HasPrefix(want, "malformed configuration: jsontext") {
			want = "malformed configuration: jsontext"
			got = got[:min(len(got), len(want))]
		}
		if got != want {
			t.Errorf("%.200s\n\tgot  %s\n\twant %s", config, got, want)
		}
	}
}

// A policy is public: no key gets into one, and none into the message that says so.
func TestKeysAreRefused(t *testing.T) {
	const secret = "0123456789abcdef"
	for name, value := range map[string]string{
		"dateShiftKey": anonymizer.DateShiftKey, "cryptoHashKey": anonymizer.CryptoHashKey, "encryptKey": anonymizer.EncryptKey,
	} {
		config := rules(fmt.Sprintf(`%q:%q`, name, secret), `"path":"Patient.id","method":"cryptoHash"`)
		e, err := anonymizer.Compile([]byte(config))
		if want := "parameters: " + name + ": a policy is public and can't hold a key: anchorhold policy split FILE takes it out"; e != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		rest, values, err := anonymizer.Split([]byte("\ufeff" + config))
		if err != nil || len(values) != 1 || string(values[value]) != secret || strings.Contains(string(rest), secret) {
			t.Errorf("%s: got %s, %q, %v", name, rest, values, err)
		}
		again, none, err := anonymizer.Split(rest)
		if err != nil || len(none) != 0 || string(again) != string(rest) {
			t.Errorf("a configuration without keys changes: %s, %v", again, err)
		}
		if got := fault(rules(fmt.Sprintf(`%q:%q`, name, secret), `"path":"Patient.","method":"keep"`)); strings.Contains(got, secret) {
			t.Errorf("the message holds the key: %s", got)
		}
	}
	empty := rules(`"dateShiftKey":"","cryptoHashKey":null,"encryptKey":""`, `"path":"Patient.id","method":"keep"`)
	if _, err := anonymizer.Compile([]byte(empty)); err != nil {
		t.Errorf("empty keys: %v", err)
	}
}

// What a job lacks ends it before a record is read.
func TestParameters(t *testing.T) {
	for rule, names := range map[string][]string{
		`"path":"Patient.id","method":"cryptoHash"`:       {anonymizer.CryptoHashKey},
		`"path":"Patient.id","method":"encrypt"`:          {anonymizer.EncryptKey},
		`"path":"Patient.birthDate","method":"dateShift"`: {anonymizer.DateShiftKey},
		`"path":"Patient.birthDate","method":"redact"`:    nil,
	} {
		e, _ := configure(t, rules("", rule))
		if got := e.Needs(); strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("%s: needs %v, want %v", rule, got, names)
		}
		for _, value := range [][]byte{nil, {}} {
			o := job(map[string][]byte{anonymizer.DateShiftKey: value, anonymizer.CryptoHashKey: value, anonymizer.EncryptKey: value})
			_, _, err := run(e, o, patient(`"id":"a"`))
			if names == nil != (err == nil) || err != nil && err.Error() != "failed: parameters-missing" {
				t.Errorf("%s: got %v", rule, err)
			}
		}
	}
	e, _ := configure(t, rules("", `"path":"Patient.id","method":"encrypt"`))
	if _, _, err := run(e, job(map[string][]byte{anonymizer.EncryptKey: []byte("short")}), patient(`"id":"a"`)); err == nil || err.Error() != "failed: parameters-malformed" {
		t.Errorf("got %v", err)
	}
	e, _ = configure(t, rules(`"dateShiftFixedOffsetInDays":1`, `"path":"Patient.birthDate","method":"dateShift"`))
	if e.Needs() != nil {
		t.Errorf("a fixed offset needs %v", e.Needs())
	}
}

func TestWarnings(t *testing.T) {
	e, _ := configure(t, rules("", `"path":"Patient.nmae","method":"redact"`, `"path":"Shoe","method":"keep"`, `"path":"nodesByType('Nmae')","method":"redact"`,
		`"path":"Patient.nodesByType('HumanName').familie","method":"redact"`, `"path":"Patient.birthDate","method":"dateShift"`))
	want := []string{
		"rule 1 (Patient.nmae): Patient has no element named nmae: the rule may match nothing",
		"rule 2 (Shoe): FHIR R4 has no resource named Shoe: the rule never applies",
		"rule 3 (nodesByType('Nmae')): FHIR R4 has no type named Nmae: the rule never applies",
		"rule 4 (Patient.nodesByType('HumanName').familie): FHIR R4 has no element named familie: the rule may match nothing",
		"dateShift: upstream's offset is an affine hash: one known shift gives away those of all patients; Safe Harbor allows years only",
		"dateShift: scope resource moves a patient's own records by different offsets, so that intervals are lost",
	}
	if got := strings.Join(e.Warnings(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
