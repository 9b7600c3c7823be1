package anonymizer_test

import "testing"

func TestSubstitutePrimitives(t *testing.T) {
	set := func(path, with string) string {
		return rules("", `"path":"`+path+`","method":"substitute","replaceWith":`+with)
	}
	for _, c := range []struct{ path, with, record, want string }{
		{"Patient.name.family", `"example"`, `"name":[{"family":"A","given":["B"]},{"given":["C"]}]`, `{"name":[{"family":"example","given":["B"]},{"given":["C"]}]}`},
		{"Patient.name.given", `"x \"y\" \u00e9"`, `"name":[{"given":["B","C"]}]`, `{"name":[{"given":["x \"y\" é","x \"y\" é"]}]}`},
		{"Patient.birthDate", `"1990-01-01"`, `"birthDate":"2000-02-03"`, `{"birthDate":"1990-01-01"}`},
		{"Patient.birthDate", `null`, `"birthDate":"2000-02-03"`, `{}`},
		{"Patient.name.family", `5`, `"name":[{"family":"A"}]`, `{"name":[{"family":"5"}]}`},
		// as upstream
		{"Patient.name.family", `true`, `"name":[{"family":"A"}]`, `{"name":[{"family":"True"}]}`},
		{"Patient.active", `true`, `"active":false`, `{"active":true}`},
		{"Patient.active", `"False"`, `"active":true`, `{"active":false}`},
		{"Patient.multipleBirth.ofType(integer)", `"7"`, `"multipleBirthInteger":3`, `{"multipleBirthInteger":7}`},
		// What hangs on a primitive goes with it.
		{"Patient.birthDate", `"1990"`, `"birthDate":"2000","_birthDate":{"id":"a","extension":[{"url":"u","valueString":"v"}]}`, `{"birthDate":"1990"}`},
		{"Patient.photo", `"x"`, `"photo":[]`, ""},
	} {
		if c.want == "" {
			continue
		}
		check(t, set(c.path, c.with), patient(c.record), c.want)
	}
	// A replacement that fits some of what a choice can be fails on the rest.
	check(t, set("Patient.multipleBirth", `true`), patient(`"multipleBirthInteger":3`), "failed: record-rejected")
	check(t, set("nodesByName('active')", `"maybe"`), patient(`"active":true`), "failed: record-rejected")
}

func TestSubstituteComplex(t *testing.T) {
	name := `"path":"Patient.name","method":"substitute","replaceWith":{"family":"F","given":["X","Y"]}`
	for record, want := range map[string]string{
		`"name":[{"use":"old","given":["A","B","C"],"text":"T"}]`: `{"name":[{"family":"F","given":["X","Y"]}]}`,
		`"name":[{"given":["A"]},{"family":"G"}]`:                 `{"name":[{"family":"F","given":["X","Y"]},{"family":"F","given":["X","Y"]}]}`,
		`"name":[]`: `{}`,
	} {
		check(t, rules("", name), patient(record), want)
	}
	// What earlier rules have processed stays, and what holds it; its place counts in a list.
	keepTwo := `"path":"Patient.name.given[1]","method":"keep"`
	check(t, rules("", keepTwo, name), patient(`"name":[{"given":["A","B","C"],"text":"T"}]`), `{"name":[{"family":"F","given":["X","B"]}]}`)
	keepLast := `"path":"Patient.name.given[3]","method":"keep"`
	check(t, rules("", keepLast, name), patient(`"name":[{"given":["A","B","C","D"]}]`), `{"name":[{"family":"F","given":["X","Y","D"]}]}`)
	keepStart := `"path":"Patient.name.period.start","method":"keep"`
	check(t, rules("", keepStart, name), patient(`"name":[{"text":"T","period":{"start":"2000","end":"2001"}}]`), `{"name":[{"family":"F","given":["X","Y"],"period":{"start":"2000"}}]}`)
	keepExtension := `"path":"Patient.name.family.extension","method":"keep"`
	check(t, rules("", keepExtension, name), patient(`"name":[{"family":"A","_family":{"id":"i","extension":[{"url":"u","valueString":"v"}]}}]`),
		`{"name":[{"_family":{"extension":[{"url":"u","valueString":"v"}]},"family":"F","given":["X","Y"]}]}`)
	// What was substituted is processed.
	check(t, rules("", name, `"path":"Resource","method":"redact"`), patient(`"name":[{"family":"A"}],"active":true`), `{"name":[{"family":"F","given":["X","Y"]}]}`)
	// Choices keep their type, nested values their arrays.
	set := func(path, with string) string {
		return rules("", `"path":"`+path+`","method":"substitute","replaceWith":`+with)
	}
	check(t, set("Patient.contact.name", `{"given":["X"]}`), patient(`"contact":[{"name":{"family":"A"},"gender":"male"}]`), `{"contact":[{"gender":"male","name":{"given":["X"]}}]}`)
	check(t, set("Observation.value.ofType(Quantity)", `{"value":1.50}`), `{"resourceType":"Observation","valueQuantity":{"value":2,"unit":"kg"}}`, `{"valueQuantity":{"value":1.50}}`)
	// another type of value
	check(t, set("Patient.extension", `{"url":"v","valueString":"w"}`), patient(`"extension":[{"url":"u","valueInteger":1}]`), "failed: record-rejected")
	check(t, set("nodesByType('Period')", `"{\"start\":\"2020\"}"`), patient(`"name":[{"period":{"end":"2021"}}]`), `{"name":[{"period":{"start":"2020"}}]}`)
	check(t, set("nodesByType('Period')", `null`), patient(`"name":[{"family":"A","period":{"end":"2021"}}]`), `{"name":[{"family":"A"}]}`)
	check(t, set("Patient", `{"resourceType":"Patient","active":true}`), patient(`"id":"x","contained":[{"resourceType":"Group","id":"g"}]`), `{"active":true}`)
}
