package fhirpath_test

import (
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// The library of .NET takes the name of a type anywhere in a path for the elements of that very
// type, and sees no value below a primitive.
func TestTypesInPathsOfDotNet(t *testing.T) {
	n, err := fhirpath.Read([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a","contact":[{"gender":"male"}],"birthDate":"2000"}},
		{"resource":{"resourceType":"Condition","onsetAge":{"value":3}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string]string{
		"Bundle.entry.resource.Patient.id":                      "/entry[0].resource.id",
		"entry.resource.Condition.onset.Age.value":              "/entry[1].resource.onset.value",
		"entry.resource.Condition.onset.Quantity.value":         "refused", // an Age is none
		"entry.resource.DomainResource.id":                      "/entry[0].resource.id",
		"entry.resource.Patient.contact.BackboneElement.gender": "/entry[0].resource.contact[0].gender",
		"entry.resource.Observation":                            "",
		"Patient.id":                                            "refused",
		"entry.where(resource.Patient.exists()).resource.id":    "/entry[0].resource.id",
		"entry.resource.Patient.birthDate.value":                "",
		"entry.resource.Condition.onset.value":                  "/entry[1].resource.onset.value",
	} {
		got := "refused"
		if x, err := fhirpath.Compile(expression, fhirpath.Options{Type: "Bundle", Exact: true}); err == nil {
			items, err := x.Evaluate(n, fhirpath.Env{})
			if got = literals(items); err != nil {
				got = err.Error()
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}

// Answers were read from the documentation of .NET's regular expressions: character classes,
// anchors, substitutions.
func TestRegularExpressionsOfDotNet(t *testing.T) {
	n, err := fhirpath.Read([]byte(`{"resourceType":"Patient","id":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expression, exact, spec string }{
		{`'Zoë'.matches('^\\w+$')`, "true", "false"},
		{`'Zoë'.matches('^\\W+$')`, "false", "false"},
		{`'ë'.matches('\\W')`, "false", "true"},
		{`'٣'.matches('^\\d$')`, "true", "false"},
		{`'٣'.matches('^[\\d-]$')`, "true", "false"},
		{`'٣'.matches('\\D')`, "false", "true"},
		{`'a\u00a0b'.matches('a\\sb')`, "true", "false"},
		{`'a\u00a0b'.matches('a\\Sb')`, "false", "true"},
		{`'é_3'.matches('^[\\w]{3}$')`, "true", "false"},
		{`'a-b'.matches('^[\\w-]+$')`, "true", "true"},
		{`'a\nb'.matches('a.b')`, "false", "true"},
		{`'a\nb'.matches('(?s)a.b')`, "true", "true"},
		{`'a]b'.matches('^[]ab]+$')`, "true", "true"},
		{`'a^b'.matches('^[^]x]+$')`, "true", "true"},
		{`'[a'.matches('^[[a]+$')`, "true", "true"},
		{`'one two'.matches('\\btwo\\b')`, "true", "true"},
		{`'zoë two'.matches('\\btwo\\b')`, "error", "true"}, // no answer of RE2 is .NET's for sure
		{`'b'.matches('[a-z-[aeiou]]')`, "refused", "false"},
		{`'b'.matches('[[:alpha:]]')`, "refused", "true"},
		{`'b'.matches('[\\W]')`, "refused", "false"},
		{`'b'.matches('[\\b]')`, "refused", "refused"},
		{`'b'.matches('\\Qb\\E')`, "refused", "true"},
		{`'b'.matches('(?=b)')`, "refused", "refused"},
		{`'b'.matches('b\\')`, "refused", "refused"},
		{`'Zoë'.replaceMatches('\\w', '*')`, "***", "**ë"},
		{`'2000-01-02'.replaceMatches('(?<y>\\d{4})-(?<m>\\d\\d)-\\d\\d', '${m}/${y}')`, "01/2000", "01/2000"},
		{`'ab'.replaceMatches('(a)(b)', '$2$1$$')`, "ba$", "ba$"},
		{`'ab'.replaceMatches('(a)(b)', '$2x')`, "bx", "bx"},
		{`'ab'.replaceMatches('b', '[$&]')`, "a[b]", "a[$&]"},
		{`'ab'.replaceMatches('b', '[$0]')`, "a[b]", "a[b]"},
		{`'ab'.replaceMatches('b', '$1')`, "a$1", "a"},
		{`'ab'.replaceMatches('b', '${c}$')`, "a${c}$", "a$"},
		{`'ab'.replaceMatches('(?<c>b)', '$c')`, "a$c", "ab"},
		{`'ab'.replaceMatches('(?<c>b)', '$1')`, "refused", "ab"},
		{`'ab'.replaceMatches('b', '$12')`, "refused", "a"},
		{"'ab'.replaceMatches('b', '$`')", "refused", "a$`"},
		{`'ab'.replaceMatches('x*', '-')`, "refused", "-a-b-"},
		{`'ab'.replaceMatches('', '-')`, "refused", "ab"},
		{`'ab'.replaceMatches('b' & '*', '-')`, "error", "-a-"},
	} {
		for _, exact := range []bool{true, false} {
			want := c.spec
			if exact {
				want = c.exact
			}
			got := "refused"
			if x, err := fhirpath.Compile(c.expression, fhirpath.Options{Exact: exact}); err == nil {
				items, err := x.Evaluate(n, fhirpath.Env{})
				if got = "error"; err == nil {
					got = literals(items)
				}
				got = strings.Trim(got, "'")
			}
			if got != want {
				t.Errorf("%s, exact %t: got %s, want %s", c.expression, exact, got, want)
			}
		}
	}
}
