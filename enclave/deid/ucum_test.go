package deid_test

import (
	"strings"
	"testing"
)

// A unit is one of UCUM, or a listed word: no name stands there, in an
// annotation neither.
func TestUnitsAreUnits(t *testing.T) {
	for unit, want := range map[string]bool{
		"mg": true, "mg/dL": true, "mm[Hg]": true, "10*3/uL": true, "10*-9": true, "/[HPF]": true, "{tablet}": true, "[iU]/L": true, "kg/m2": true,
		"mg/kg/d": true, "%": true, "mL/min/{1.73_m2}": true, "{score}": true, "m2.s-1": true, "mg/(24.h)": true, "[in_i]": true, "meq/L": true, "Cel": true,
		// an angle may be a latitude
		"U": true, "mmol/mol{creat}": true, "ug/{dose}": true, "1": true, "mosm/kg": true, "umol/L": true, "ng/mL{FEU}": true, "[degF]": true, "deg": false,
		"mcg": true, "mEq": true, "tablet": true, // words that stand in place of a code
		"JohnSmith": false, "mg{John_Smith}": false, "{Smith}": false, "mg{": false, "mg}": false, "{}": false, "mg{tablet}x": false, "": false,
		"mg//dL": false, "(mg": false, "mg)": false, "[Smith]": false, "mg[Smith]": false, "mg.": false, "-2": false, "2-": false, "[[iU]": false, "mg((": false,
		"smith/john": false, "{tablet}{Smith}": false, "kmin": false,
	} {
		in := `{"resourceType":"Encounter","length":{"value":5,"unit":"` + unit + `","system":"http://unitsofmeasure.org","code":"` + unit + `"}}`
		if got := strings.Contains(one(t, in), `"code":"`+unit+`"`); got != want {
			t.Errorf("%s: got kept %t, want %t", unit, got, want)
		}
	}
}
