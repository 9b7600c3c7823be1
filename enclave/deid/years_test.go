package deid_test

import (
	"fmt"
	"strings"
	"testing"
)

// An age that a kept year turns into one over 89 goes wherever the year is written and however. The
// search for old years must not miss one that the rules keep.
func TestAgeGoesWithEveryFormOfAnOldYear(t *testing.T) {
	const age = `"onsetAge":{"value":30,"unit":"a","system":"http://unitsofmeasure.org","code":"a"}`
	for _, year := range []string{
		`"1960"`, `"1960-05"`, `"1960-05-06"`, `"1960-05-06T10:00:00Z"`,
		`"\u0031960"`, `"1\u0039\u00360"`, `"19\u0036\u0030-05"`,
	} {
		for _, record := range []string{
			`{"resourceType":"Condition",%s,"recordedDate":%s}`,
			`{"recordedDate":%[2]s,"resourceType":"Condition",%[1]s}`,
			`{"resourceType":"Condition",%s,"x":["1975-2","19","1999a"],"recordedDate": %s }`,
			`{"resourceType":"Condition",%s,"contained":[{"resourceType":"Condition","recordedDate":%s}]}`,
		} {
			record := fmt.Sprintf(record, age, year)
			if out, _ := run(t, "safe-harbor", record+"\n"); strings.Contains(out, `"value":30`) {
				t.Errorf("%s: age stays: %s", record, out)
			}
			record = strings.ReplaceAll(record, year, `"1995"`)
			if out, _ := run(t, "safe-harbor", record+"\n"); !strings.Contains(out, `"value":30`) {
				t.Errorf("%s: age goes: %s", record, out)
			}
		}
	}
}
