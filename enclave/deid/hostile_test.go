package deid_test

import (
	"testing"
)

// A year after the reference date would tell an age that nobody has judged:
// born in 1936, kept at 89, seen in 2026. It also is where 9999 and four
// digits of something else stand.
func TestYearsAfterTheReferenceDateGo(t *testing.T) {
	o := options()
	o.ReferenceDate = "2025-06-30"
	in := patient(`"birthDate":"1936-07-01"`) + "\n" +
		`{"resourceType":"Encounter","status":"finished","period":{"start":"2025-12-31","end":"2026-01-01"}}` + "\n" +
		patient(`"deceasedDateTime":"2026-02-03"`) + "\n" + patient(`"birthDate":"6789-01-01"`) + "\n"
	want := patient(`"birthDate":"1936"`) + "\n" +
		`{"resourceType":"Encounter","status":"finished","period":{"start":"2025"}}` + "\n" +
		patient(`"deceasedBoolean":true`) + "\n" + `{"resourceType":"Patient"}` + "\n"
	if got, _ := processWith(t, in, o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
