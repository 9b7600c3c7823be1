package fhirpath_test

import (
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// Equivalence of FHIR types: R4, 2.9.1.6.
func TestEquivalenceOfElements(t *testing.T) {
	record := func(a, b string) string {
		return `{"resourceType":"Basic","extension":[{"url":"a",` + a + `},{"url":"b",` + b + `}]}`
	}
	for _, c := range []struct{ a, b, want string }{
		{`"valueCoding":{"system":"s","code":"c","display":"One"}`, `"valueCoding":{"system":"s","code":"c","display":"Uno","version":"2","userSelected":true,"id":"x"}`, "true"},
		{`"valueCoding":{"system":"s","code":"c"}`, `"valueCoding":{"system":"s","code":"d"}`, "false"},
		{`"valueCoding":{"system":"s","code":"c"}`, `"valueCoding":{"system":"t","code":"c"}`, "false"},
		{`"valueCoding":{"system":"s","code":"c"}`, `"valueCoding":{"code":"c"}`, "false"},
		{`"valueCoding":{"code":"c"}`, `"valueCoding":{"code":"c","display":"x"}`, "true"},
		// two without a code have nothing in common
		{`"valueCoding":{"display":"x"}`, `"valueCoding":{"display":"y"}`, "false"},
		{`"valueCoding":{"display":"x"}`, `"valueCoding":{"display":"x","id":"i"}`, "true"},
		{`"valueCodeableConcept":{"coding":[{"system":"s","code":"c"},{"system":"t","code":"d"}]}`, `"valueCodeableConcept":{"text":"z","coding":[{"system":"t","code":"d","display":"x"}]}`, "true"},
		{`"valueCodeableConcept":{"coding":[{"system":"s","code":"c"}]}`, `"valueCodeableConcept":{"coding":[{"system":"t","code":"c"}]}`, "false"},
		{`"valueCodeableConcept":{"text":"x","coding":[{"system":"s","code":"c"}]}`, `"valueCodeableConcept":{"text":"x"}`, "false"},
		{`"valueCodeableConcept":{"text":"x"}`, `"valueCodeableConcept":{"text":"X","id":"i"}`, "true"},
		{`"valueCodeableConcept":{"text":"x"}`, `"valueCodeableConcept":{"text":"y"}`, "false"},
		{`"valueReference":{"reference":"Patient/p"}`, `"valueReference":{"id":"q","reference":"Patient/p"}`, "true"},
		{`"valueReference":{"reference":"Patient/p"}`, `"valueReference":{"reference":"Patient/q"}`, "false"},
		{`"valueReference":{"reference":"Patient/p"}`, `"valueReference":{"reference":"Patient/p","display":"P"}`, "false"},
		{`"valueIdentifier":{"system":"s","value":"v","period":{"id":"1","start":"2020"}}`, `"valueIdentifier":{"id":"9","value":"v","period":{"start":"2020"},"system":"s"}`, "true"},
		{`"valuePeriod":{"start":"2020"}`, `"valuePeriod":{"start":"2020","_start":{"id":"7"}}`, "true"},
		{`"valuePeriod":{"start":"2020"}`, `"valuePeriod":{"start":"2020-01"}`, "false"},
		{`"valueRange":{"low":{"value":1,` + ucum + `"code":"a"}}`, `"valueRange":{"low":{"id":"l","value":12,` + ucum + `"code":"mo"}}`, "true"},
		{`"valueQuantity":{"value":1,"unit":"box"}`, `"valueQuantity":{"id":"b","value":1.0,"unit":"box"}`, "true"},
		{`"valueQuantity":{"value":1,"unit":"box"}`, `"valueQuantity":{"value":1,"unit":"cup"}`, "false"},
		{`"valueQuantity":{"value":1,"unit":"box"}`, `"valueQuantity":{"value":1,` + ucum + `"code":"g"}`, "false"},
		{`"valueHumanName":{"family":"A","given":["B","C"]}`, `"valueHumanName":{"given":["c","b"],"family":"a"}`, "true"},
		{`"valueString":"a  b"`, `"valueString":"A B"`, "true"},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			r := record(pair[0], pair[1])
			not := map[string]string{"true": "false", "false": "true"}[c.want]
			expect(t, r, []row{
				{"extension[0].value ~ extension[1].value", c.want},
				{"extension[0].value !~ extension[1].value", not},
				{"extension.value ~ extension.value", "true"},
				{"extension.where(value ~ %resource.extension[1].value).count() = 2", c.want},
			})
		}
	}
}

// primitives has a value for every primitive of FHIR with its type in FHIRPath.
var primitives = map[string]struct{ json, system string }{
	"base64Binary": {`"QQ=="`, "String"}, "boolean": {"true", "Boolean"}, "canonical": {`"u"`, "String"}, "code": {`"c"`, "String"},
	"date": {`"2020"`, "Date"}, "dateTime": {`"2020"`, "DateTime"}, "decimal": {"1.5", "Decimal"}, "id": {`"i"`, "String"},
	"instant": {`"2020-01-01T00:00:00Z"`, "DateTime"}, "integer": {"1", "Integer"}, "markdown": {`"m"`, "String"}, "oid": {`"urn:oid:1.2"`, "String"},
	"positiveInt": {"1", "Integer"}, "string": {`"s"`, "String"}, "time": {`"10:00:00"`, "Time"}, "unsignedInt": {"1", "Integer"},
	"uri": {`"u"`, "String"}, "url": {`"u"`, "String"}, "uuid": {`"urn:uuid:1"`, "String"},
}

// ofType() and as take primitives for types of their own, and a System type for all elements with
// such a value, which stay elements.
func TestTypesOfPrimitives(t *testing.T) {
	systems := []string{"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"}
	for typ, p := range primitives {
		record := `{"resourceType":"Basic","extension":[{"url":"a","value` + strings.ToUpper(typ[:1]) + typ[1:] + `":` + p.json + `}]}`
		var rows []row
		selected := func(is bool) string {
			if is {
				return "/extension[0].value"
			}
			return ""
		}
		for _, s := range systems {
			want := selected(s == p.system)
			rows = append(rows, row{"extension.value.ofType(System." + s + ")", want}, row{"extension.value as System." + s, want},
				row{"extension.value.is(System." + s + ")", "false"})
			if s != "Quantity" {
				rows = append(rows, row{"extension.value.ofType(" + s + ")", want})
			}
		}
		for other := range primitives {
			want := selected(other == typ)
			rows = append(rows, row{"extension.value.ofType(" + other + ")", want}, row{"extension.value.ofType(FHIR." + other + ")", want}, row{"(extension.value as " + other + ")", want})
		}
		expect(t, record, rows)
	}
	quantity := `{"resourceType":"Basic","extension":[{"url":"a","valueAge":{"value":1,` + ucum + `"code":"a"}},{"url":"a","valueQuantity":{"value":1,"unit":"box"}}]}`
	expect(t, quantity, []row{
		{"extension.value.ofType(System.Quantity)", "/extension[0].value"},
		{"extension.value.ofType(System.Quantity) > 1 month", "true"},
		{"extension.value.ofType(System.String)", ""},
		{"extension.value.ofType(Age)", "/extension[0].value"},
	})
	expect(t, `{"resourceType":"Patient","language":"en","name":[{"given":["B",null],"_given":[null,{"id":"x"}]}],"birthDate":"2020"}`, []row{
		{"name.given.ofType(System.String)", "/name[0].given[0]"}, // the other has no value
		{"name.given.ofType(System.String).extension.url", ""},
		{"language.ofType(string)", ""},
		{"language.ofType(code)", "/language"},
		{"name.given.first().ofType(System.String).length()", "1"},
		{"name.given.first() is System.String", "false"},
		{"descendants().ofType(System.Date) < @2021", "true"},
		{"'a'.ofType(System.String)", "'a'"},
		{"1.ofType(FHIR.integer)", ""},
		{"(1 | 'a' | @2020).ofType(Integer)", "1"},
		{"birthDate.ofType(System.DateTime)", ""},
	})
	if got, err := on(t, `{"resourceType":"Patient","gender":"male"}`, "gender.is(string)", false); got != "true" || err != nil {
		t.Errorf("is() follows the types that a code specializes: got %s, %v", got, err)
	}
}

// What follows a type name is of the result.
func TestCallsOnTypeTests(t *testing.T) {
	expect(t, `{"resourceType":"Patient","active":true,"name":[{"given":["a","b"]}]}`, []row{
		{"active is boolean.not()", "false"},
		{"active is string.not()", "true"},
		{"active is FHIR.boolean.not()", "false"},
		{"active is System.Boolean.not()", "true"},
		{"active as boolean.not()", "false"},
		{"(active is boolean).not()", "false"},
		{"true and active is boolean.not()", "false"},
		{"active is boolean.not() = false", "true"},
		{"active is boolean.not().not()", "true"},
		{"(name.given.first() as string.length()) = 1", "true"},
		{"1 + 1 is Integer.toString().length()", "4"},
		{"name as HumanName[0].given[1]", "/name[0].given[1]"},
		{"active is boolean.not(", "!ends too early"},
		{"active is boolean.", "!ends too early"},
		{"active is not()", "!unexpected token"},
	})
	for expression, want := range map[string]string{"a is b.not()": "(a is b).not()", "a is b.c.not()": "(a is b.c).not()", "a or b as c.d(1)[2]": "a or (b as c).d(1)[2]"} {
		got, err := fhirpath.Print(expression)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", expression, got, err, want)
		}
		if again, err := fhirpath.Print(got); err != nil || again != got {
			t.Errorf("%s: printed again it is %s, %v", got, again, fmt.Sprint(err))
		}
	}
}
