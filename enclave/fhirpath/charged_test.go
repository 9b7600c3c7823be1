package fhirpath_test

import (
	"fmt"
	"strings"
	"testing"
)

// Attack: an element with as many members as a record has room for, which R4 does not define, is
// read or compared once for each of as many others. Each time all members are looked at.
func TestElementsOfManyMembersAreCharged(t *testing.T) {
	for _, c := range []struct{ name, expression string }{
		{"the value of a quantity", "name.where(%resource.extension.value > 5)"},
		{"equality", "name.where(%resource.extension.value = 5)"},
		{"equivalence", "name.where(%resource.extension.value ~ 5)"},
		{"a type", "name.where(%resource.extension.value.ofType(System.Quantity).exists())"},
		{"equivalent elements", "name.where(%resource.contact ~ %resource.communication)"},
		{"sorted", "name.select(%resource.extension.value.sort())"},
	} {
		var used []int
		for _, n := range []int{40, 400} {
			var many strings.Builder
			for i := range 8 * n {
				fmt.Fprintf(&many, `,"x%d":1`, i)
			}
			record := fmt.Sprintf(`{"resourceType":"Patient","contact":[{"id":"a"%s}],"communication":[{"id":"b"%s}],"name":[{}%s],`+
				`"extension":[{"url":"u","valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"1"%s}}]}`,
				&many, &many, strings.Repeat(",{}", n-1), &many)
			got, err := took(t, c.expression, record)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			used = append(used, got)
		}
		if used[1] < 50*used[0] {
			t.Errorf("%s: got %d steps, and %d for ten times the size, want a square", c.name, used[0], used[1])
		}
	}
}

// Attack: a unit of 64 bytes with numbers of thousands of digits in it. What computes with it is
// charged by its length.
func TestUnitsAreCharged(t *testing.T) {
	const long = "Ym20/ym20.Ym20/ym20.Ym20/ym20.Ym20/ym20" // a number of 3840 digits
	for _, expression := range []string{
		"name.where(%resource.extension.value > 5 '%')", "name.where(%resource.extension.value = 5 '%')", "name.where(%resource.extension.value ~ 5 '%')",
		"name.select(%resource.extension.value + 5 '%')", "name.select(%resource.extension.value * 5 'Ym')",
		"name.select(%resource.extension.value.toQuantity('%'))", "name.select(%resource.extension.value.comparable(5 '%'))",
		"name.select(%resource.extension.value.combine(5 '%').distinct().count())", "name.select((%resource.extension.value.combine(5 '%')).sort())",
	} {
		steps := func(unit string) int {
			record := fmt.Sprintf(`{"resourceType":"Patient","name":[{}%s],"extension":[{"url":"u","valueQuantity":{"value":1,`+
				`"system":"http://unitsofmeasure.org","code":"%s"}}]}`, strings.Repeat(",{}", 99), unit)
			got, err := took(t, expression, record)
			if err != nil {
				t.Fatalf("%s with %s: %v", expression, unit, err)
			}
			return got
		}
		if got, want := steps(long)-steps("1"), 100*4*len(long); got < want {
			t.Errorf("%s: got %d steps more for a long unit, want %d at least", expression, got, want)
		}
	}
}
