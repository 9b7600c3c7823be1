package anonymizer_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"anchorhold/enclave/deid/anonymizer"
)

// bare returns a record without its type and meta, members sorted; text that is no record comes
// back as it is.
func bare(t testing.TB, record string) string {
	t.Helper()
	if !strings.HasPrefix(record, "{") {
		return record
	}
	d := json.NewDecoder(strings.NewReader(record))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	delete(v, "resourceType")
	delete(v, "meta")
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// codes returns the security labels of a record.
func codes(t testing.TB, record string) string {
	t.Helper()
	var v struct {
		Meta struct {
			Security []struct{ System, Code, Display string }
		}
	}
	if err := json.Unmarshal([]byte(record), &v); err != nil {
		t.Fatalf("%v: %s", err, record)
	}
	var list []string
	for _, s := range v.Meta.Security {
		list = append(list, s.Code)
	}
	return strings.Join(list, " ")
}

// patient makes a Patient of members.
func patient(members string) string { return `{"resourceType":"Patient",` + members + `}` }

// check runs a configuration on a record and compares without type and meta.
func check(t *testing.T, config, record, want string) {
	t.Helper()
	if got := bare(t, one(t, config, record)); got != want {
		t.Errorf("%.120s\n\tfor %.200s\n\tgot  %s\n\twant %s", config, record, got, want)
	}
}

const partial = `"enablePartialDatesForRedact": true, "enablePartialAgesForRedact": true, "enablePartialZipCodesForRedact": true`

func TestRedact(t *testing.T) {
	all := rules("", `"path":"Resource","method":"redact"`)
	check(t, all, patient(`"active":true,"multipleBirthInteger":2,"birthDate":"2000","_birthDate":{"id":"a","extension":[{"url":"u","valueString":"v"}]}`), `{}`)
	// Of arrays only what is left is there, halves of a primitive at the same places.
	given := `"name":[{"given":["A","B",null],"_given":[null,{"id":"x"},{"id":"y"}],"family":"C"}]`
	for path, want := range map[string]string{
		"Patient.name.given.first()":                       `{"name":[{"_given":[{"id":"x"},{"id":"y"}],"family":"C","given":["B",null]}]}`,
		"Patient.name.given.id":                            `{"name":[{"family":"C","given":["A","B"]}]}`,
		"Patient.name.given":                               `{"name":[{"family":"C"}]}`,
		"Patient.name.given.where($this='A' or $this='B')": `{"name":[{"_given":[{"id":"y"}],"family":"C"}]}`,
		"Patient.name.family":                              `{"name":[{"_given":[null,{"id":"x"},{"id":"y"}],"given":["A","B",null]}]}`,
	} {
		check(t, rules("", `"path":"`+path+`","method":"redact"`), patient(given), want)
	}
}

func TestPartialDates(t *testing.T) {
	birth := rules(partial, `"path":"Patient.birthDate","method":"redact"`)
	for in, want := range map[string]string{
		"2000-02-29":           `{"birthDate":"2000"}`,
		"2000-02":              `{"birthDate":"2000"}`,
		"2000":                 `{"birthDate":"2000"}`,
		"1936-07-01":           `{"birthDate":"1936"}`, // 89 on 2026-06-30, 90 a day later
		"1936-06-30":           `{}`,                   // 90
		"1936-07":              `{"birthDate":"1936"}`,
		"1936-06":              `{}`,
		"1936":                 `{}`, // counts from January
		"1937":                 `{"birthDate":"1937"}`,
		"2030-01-01":           `{"birthDate":"2030"}`,
		"0999-01-01":           `{}`,
		"0000-01-01":           "resource-malformed",
		"2001-02-29":           "resource-malformed",
		"2001-13-01":           "resource-malformed",
		"2001-00":              "resource-malformed",
		"01/02/2000":           "resource-malformed",
		"2000-1-1":             "resource-malformed",
		"2000-01-01T00:00:00Z": "resource-malformed", // a date has no time
	} {
		check(t, birth, patient(`"birthDate":"`+in+`"`), want)
	}
	died := rules(partial, `"path":"Patient.deceased","method":"redact"`)
	check(t, died, patient(`"deceasedDateTime":"2015-02-07T13:28:17.239+02:00"`), `{"deceasedDateTime":"2015"}`)
	check(t, died, patient(`"deceasedDateTime":"1930-02-07T13:28:17Z"`), `{}`)
	check(t, rules("", `"path":"Patient.deceased","method":"redact"`), patient(`"deceasedDateTime":"2015-02-07T13:28:17Z"`), `{}`)
}

func TestPartialAges(t *testing.T) {
	ages := `"path":"nodesByType('Age')","method":"redact"`
	condition := func(value string) string {
		return `{"resourceType":"Condition","onsetAge":{"value":` + value + `,"unit":"a"}}`
	}
	for in, want := range map[string]string{
		"89":   `{"onsetAge":{"value":89}}`,
		"90":   `{}`,
		"0":    `{"onsetAge":{"value":0}}`,
		"45.5": "failed: record-rejected", // upstream reads whole numbers only
		"89.0": "failed: record-rejected",
		"4e1":  `{"onsetAge":{"value":4e1}}`, // 40, as upstream prints it
		"1e3":  `{}`,
	} {
		check(t, rules(partial, ages), condition(in), want)
	}
	check(t, rules("", ages), condition("20.5"), `{}`)
	// Only ages: a quantity that is none is redacted whole.
	check(t, rules(partial, `"path":"Observation.value","method":"redact"`), `{"resourceType":"Observation","valueQuantity":{"value":20,"unit":"a"}}`, `{}`)
}

func TestPartialZIPCodes(t *testing.T) {
	zip := rules(partial+`, "restrictedZipCodeTabulationAreas": ["036", "10213"]`, `"path":"nodesByType('Address')","method":"redact"`)
	for in, want := range map[string]string{
		"98052":      "98000",
		"98052-1234": "98000-0000",
		"03601":      "00000",
		"03601-12":   "00000-00",
		"10213":      "00000",
		"10214":      "10200",
		"12":         "12",
		"K1A 0B1":    "K1A 0B0",
		"ÄÖÜ12":      "ÄÖÜ00",
	} {
		got := one(t, zip, patient(`"address":[{"city":"Y","postalCode":"`+in+`","state":"Z"}]`))
		if want := `{"address":[{"postalCode":"` + want + `"}]}`; bare(t, got) != want || codes(t, got) != "REDACTED ABSTRED" {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	check(t, rules(`"restrictedZipCodeTabulationAreas": ["036"]`, `"path":"Patient.address","method":"redact"`), patient(`"address":[{"postalCode":"98052"}]`), `{}`)
}

func TestDateShift(t *testing.T) {
	// The offset of "example" with the key "123" is 41 days; that of no id at all, with the same
	// key, is what "123" gives.
	shift := func(more string) string {
		return rules(more, `"path":"nodesByType('date') | nodesByType('dateTime') | nodesByType('instant')","method":"DATESHIFT"`)
	}
	for in, want := range map[string]string{
		"2000-01-01":                    "2000-02-11",
		"2000-01-20":                    "2000-03-01", // over a leap day
		"2001-01-20":                    "2001-03-02",
		"2000-01-01T12:34:56Z":          "2000-02-11T00:00:00Z",
		"2000-01-01T23:59:60.120+14:00": "2000-02-11T00:00:00.000+14:00",
		"2000-01-01T01:01:01-01:00":     "2000-02-11T00:00:00-01:00",
		"2000-01-01T12:34Z":             "2000-02-11", // no seconds: upstream drops the time
		"2000-01-01T12:34:56":           "2000-02-11",
		"2000-01":                       "",
		"2000":                          "",
		"1930-01-01":                    "",
	} {
		wanted := `{"deceasedDateTime":"` + want + `","id":"example"}`
		if want == "" {
			wanted = `{"id":"example"}`
		}
		check(t, shift(""), patient(`"id":"example","deceasedDateTime":"`+in+`"`), wanted)
	}
	check(t, shift(partial), patient(`"id":"example","deceasedDateTime":"2000-01"`), `{"deceasedDateTime":"2000","id":"example"}`)
	check(t, shift(partial), patient(`"id":"example","deceasedDateTime":"1930-01-01"`), `{"id":"example"}`)
	check(t, shift(`"dateShiftFixedOffsetInDays": -60`), patient(`"birthDate":"2000-02-29"`), `{"birthDate":"1999-12-31"}`)
	check(t, shift(`"dateShiftFixedOffsetInDays": 0`), patient(`"birthDate":"2000-02-29"`), `{"birthDate":"2000-02-29"}`)
	check(t, shift(`"dateShiftFixedOffsetInDays": 3000000`), patient(`"birthDate":"2000-02-29"`), "failed: record-rejected")
	check(t, shift(""), patient(`"birthDate":"yesterday"`), "resource-malformed")
	// Other types are left alone, and taken for processed.
	check(t, rules("", `"path":"Patient.name","method":"dateShift"`, `"path":"Patient.name","method":"redact"`), patient(`"name":[{"family":"A"}]`), `{"name":[{"family":"A"}]}`)
}

// The scope of a shift is the outermost resource by its id as earlier rules left it, or what the
// job names.
func TestDateShiftScope(t *testing.T) {
	date := `"path":"nodesByType('date')","method":"dateShift"`
	offset := func(config, id string) string {
		t.Helper()
		record := `{"resourceType":"Bundle","id":"` + id + `","entry":[{"resource":{"resourceType":"Patient","id":"x","birthDate":"2000-06-15"}},{"resource":{"resourceType":"Patient","id":"y","birthDate":"2000-06-15"}}]}`
		var b struct {
			Entry []struct{ Resource struct{ BirthDate string } }
		}
		if err := json.Unmarshal([]byte(one(t, config, record)), &b); err != nil {
			t.Fatal(err)
		}
		if b.Entry[0].Resource.BirthDate != b.Entry[1].Resource.BirthDate {
			t.Errorf("%s: two shifts in one bundle", config)
		}
		return b.Entry[0].Resource.BirthDate
	}
	plain, hashed := rules("", date), rules("", `"path":"Resource.id","method":"cryptoHash"`, date)
	if offset(plain, "example") != "2000-07-26" {
		t.Errorf("got %s, want 41 days", offset(plain, "example"))
	}
	if offset(plain, "example") == offset(hashed, "example") {
		t.Error("the shift does not follow the hashed id")
	}
	for _, scope := range []string{"file", "folder", "Folder"} {
		config := rules(`"dateShiftScope": "`+scope+`"`, date)
		e, values := configure(t, config)
		if !slices.Equal(e.Needs(), []string{anonymizer.DateShiftKey, anonymizer.DateShiftPrefix}) {
			t.Errorf("scope %s: needs %v", scope, e.Needs())
		}
		values[anonymizer.DateShiftPrefix] = []byte("example")
		for _, id := range []string{"a", "b"} {
			out, _, err := run(e, job(values), patient(`"id":"`+id+`","birthDate":"2000-01-01"`))
			if err != nil || !strings.Contains(out, `"birthDate":"2000-02-11"`) {
				t.Errorf("scope %s: got %s, %v", scope, out, err)
			}
		}
	}
}

func TestCryptoHash(t *testing.T) {
	// HMAC of "example" with "123"
	const example = "698d54f0494528a759f19c8e87a9f99e75a5881b9267ee3926bcf62c992d84ba"
	id := rules("", `"path":"Resource.id","method":"cryptohash"`)
	check(t, id, patient(`"id":"example"`), `{"id":"`+example+`"}`)
	// space around a value is none of it
	check(t, id, patient(`"id":" example "`), `{"id":"`+example+`"}`)
	reference := rules("", `"path":"nodesByType('Reference').reference","method":"cryptoHash"`)
	for in, form := range map[string]string{
		"Patient/example":                            "Patient/*",
		"Patient/example/_history/2":                 "Patient/*/_history/2",
		"http://a.org/fhir/Patient/example":          "http://a.org/fhir/Patient/*",
		"https://a.org:80/x%20y/Patient/example":     "https://a.org:80/x%20y/Patient/*",
		"http://a.org/Patient/b/Observation/example": "http://a.org/Patient/b/Observation/*",
		"http://a.org/Patient/example/_history/1":    "http://a.org/Patient/*/_history/1",
		"#example": "#*",
		"example":  "*",
		"#":        "#",
	} {
		want := `{"managingOrganization":{"reference":"` + strings.ReplaceAll(form, "*", example) + `"}}`
		check(t, reference, patient(`"managingOrganization":{"reference":"`+in+`"}`), want)
	}
	// Where upstream finds no id, all of the reference is hashed.
	for _, in := range []string{
		"http://a-b.org/Patient/example", "Nonsense/example", "Patient/", "Patient/a_b", "patient/a", "urn:uuid:x", "urn:oid:3.1", "ftp://a/Patient/x",
		"Patient/example?x=1", "Patient/" + strings.Repeat("a", 65),
	} {
		got := one(t, reference, patient(`"managingOrganization":{"reference":"`+in+`"}`))
		if len(bare(t, got)) != len(`{"managingOrganization":{"reference":""}}`)+64 {
			t.Errorf("%s: got %s", in, got)
		}
	}
	for in, prefix := range map[string]string{
		"urn:uuid:0F1E2D3C-4b5a-4678-9abc-def012345678": "urn:uuid:",
		"urn:oid:1.2.36.0": "urn:oid:",
	} {
		if got := one(t, reference, patient(`"managingOrganization":{"reference":"`+in+`"}`)); !strings.Contains(got, `"`+prefix) {
			t.Errorf("%s: got %s", in, got)
		}
	}
	// A URI that only looks like a reference is hashed whole, display and identifiers of a
	// Reference too.
	got := one(t, rules("", `"path":"Patient.managingOrganization","method":"cryptoHash"`), patient(`"managingOrganization":{"reference":"Organization/example","display":"Organization/example"}`))
	if !strings.Contains(got, `"reference":"Organization/`+example) || strings.Contains(got, `"display":"Organization`) {
		t.Errorf("got %s", got)
	}
	// Values that are no strings are hashed as upstream prints them.
	for in, text := range map[string]string{`"active":true`: "True", `"active":false`: "False", `"multipleBirthInteger":3`: "3"} {
		want := bare(t, one(t, rules("", `"path":"Patient.name.family","method":"cryptoHash"`), patient(`"name":[{"family":"`+text+`"}]`)))
		got := bare(t, one(t, rules("", `"path":"Patient.active | Patient.multipleBirth","method":"cryptoHash"`), patient(in)))
		if len(got) < 64 || !strings.Contains(want, got[len(got)-66:len(got)-2]) {
			t.Errorf("%s: got %s, want the hash in %s", in, got, want)
		}
	}
}

func TestEncrypt(t *testing.T) {
	config := rules(`"encryptKey": "0123456789abcdef0123456789abcdef"`, `"path":"Patient.name.given | Patient.active","method":"encrypt"`)
	texts := []string{"A", "sixteen bytes at", "Zoë 😀", strings.Repeat("x", 1000), "A"}
	quoted, _ := json.Marshal(texts)
	got := one(t, config, patient(`"active":true,"name":[{"given":`+string(quoted)+`}]`))
	var p struct {
		Active string
		Name   []struct{ Given []string }
	}
	if err := json.Unmarshal([]byte(got), &p); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if codes(t, got) != "MASKED" {
		t.Errorf("got labels %s", codes(t, got))
	}
	block, err := aes.NewCipher([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, want := range append(texts, "True") {
		text := append(p.Name[0].Given, p.Active)[i]
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b)%16 != 0 || len(b) < 32 {
			t.Fatalf("got %q, %v", text, err)
		}
		if seen[string(b[:16])] {
			t.Errorf("the IV of %q occurs twice", want)
		}
		seen[string(b[:16])] = true
		cipher.NewCBCDecrypter(block, b[:16]).CryptBlocks(b[16:], b[16:])
		b = b[16 : len(b)-int(b[len(b)-1])]
		if string(b) != want {
			t.Errorf("got %q, want %q", b, want)
		}
	}
}
