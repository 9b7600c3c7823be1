package deid_test

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"
)

// worth says where records of the kind that bulk exports give have what research needs. It is
// written by hand from the resource definitions and shares nothing with the
// rule file: a rule that goes missing there is seen here.
var worth = map[string]string{
	"AllergyIntolerance": "clinicalStatus.coding verificationStatus.coding type category criticality code.coding reaction.manifestation.coding reaction.severity",
	"Condition":          "clinicalStatus.coding verificationStatus.coding category.coding code.coding",
	"Device":             "status type.coding",
	"DocumentReference":  "status type.coding category.coding content.format",
	"Encounter":          "status class type.coding participant.type.coding reasonCode.coding hospitalization.dischargeDisposition.coding",
	"Immunization":       "status vaccineCode.coding primarySource",
	"Location":           "status mode physicalType.coding address.state address.country",
	"MedicationRequest": "status intent category.coding medicationCodeableConcept.coding dosageInstruction.sequence dosageInstruction.asNeededBoolean " +
		"dosageInstruction.additionalInstruction.coding dosageInstruction.doseAndRate.type.coding dosageInstruction.doseAndRate.doseQuantity " +
		"dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.period dosageInstruction.timing.repeat.periodUnit",
	"Organization":     "active type.coding address.state address.country",
	"Patient":          "gender maritalStatus.coding communication.language.coding address.state address.country multipleBirthBoolean multipleBirthInteger extension.extension.valueCoding extension.valueCode",
	"Practitioner":     "active gender address.state address.country",
	"PractitionerRole": "code.coding specialty.coding",
	"Procedure":        "status code.coding",
}

// at returns the values at a path, as text. Of a coding and a quantity only
// what may stay counts.
func at(v any, path []string) []string {
	if list, ok := v.([]any); ok {
		var all []string
		for _, x := range list {
			all = append(all, at(x, path)...)
		}
		return all
	}
	m, ok := v.(map[string]any)
	if !ok || len(path) > 0 {
		if !ok && len(path) == 0 && v != nil {
			return []string{fmt.Sprint(v)}
		}
		if !ok {
			return nil
		}
		return at(m[path[0]], path[1:])
	}
	delete(m, "display")
	b, _ := json.Marshal(m)
	return []string{string(b)}
}

// udsWorth is the same for the elements that HRSA's profiles mark.
var udsWorth = map[string]string{
	"AllergyIntolerance": "clinicalStatus.coding verificationStatus.coding type category criticality code.coding reaction.manifestation.coding reaction.severity",
	"Condition":          "clinicalStatus.coding verificationStatus.coding category.coding code.coding",
	"Encounter":          "status class type.coding participant.type.coding reasonCode.coding hospitalization.dischargeDisposition.coding",
	"Immunization":       "status vaccineCode.coding primarySource",
	"Location":           "status address.state",
	"MedicationRequest": "status intent medicationCodeableConcept.coding dosageInstruction.sequence dosageInstruction.asNeededBoolean " +
		"dosageInstruction.additionalInstruction.coding dosageInstruction.doseAndRate.type.coding dosageInstruction.doseAndRate.doseQuantity " +
		"dosageInstruction.timing.repeat.frequency dosageInstruction.timing.repeat.period dosageInstruction.timing.repeat.periodUnit",
	"Organization": "",
	"Patient":      "communication.language.coding extension.extension.valueCoding",
	"Practitioner": "",
	"Procedure":    "status code.coding",
}

func TestRecordsKeepTheirWorth(t *testing.T) {
	if testing.Short() {
		t.Skip("judges what comes out of many records")
	}
	t.Run("safe-harbor", func(t *testing.T) { testWorth(t, "safe-harbor", worth) })
	t.Run("uds-plus", func(t *testing.T) { testWorth(t, "uds-plus", udsWorth) })
}

func testWorth(t *testing.T, preset string, worth map[string]string) {
	t.Helper()
	each(t, func(t *testing.T, s source) {
		before, after := pairs(t, preset, s)
		kept, dropped := map[string]int{}, map[string]int{}
		for i := range before {
			kind := before[i]["resourceType"].(string)
			list, ok := worth[kind]
			paths := strings.Fields(list)
			if !ok {
				t.Errorf("no list of what %s is worth", kind)
			}
			for _, p := range paths {
				old, now := at(before[i], strings.Split(p, ".")), at(after[i], strings.Split(p, "."))
				kept[kind] += len(now)
				if strings.Join(old, " ") != strings.Join(now, " ") {
					dropped[kind] += len(old) - len(now)
					t.Errorf("line %d: %s.%s is %v, want %v", i+1, kind, p, now, old)
				}
			}
		}
		var kinds []string
		for k := range kept {
			kinds = append(kinds, k)
		}
		sort.Strings(kinds)
		for _, k := range kinds {
			t.Logf("%-20s kept %6d, dropped %d", k, kept[k], dropped[k])
		}
		if len(kinds) == 0 {
			t.Error("nothing was compared")
		}
	})
}

// Every coding of the input, wherever it is: what the list of paths leaves out
// must be an identifier's type, which says who issued a number that is gone.
func TestSyntheaDropsNoOtherCoding(t *testing.T) {
	old, now := pairs(t, "safe-harbor", source{records: synthea(t, "10")})
	before, after := codings(old), codings(now)
	for path, n := range before {
		if after[path] != n && !strings.Contains(path, ".identifier.type") {
			t.Errorf("%s has %d codings, want %d", path, after[path], n)
		}
	}
	if len(after) < 30 {
		t.Errorf("got codings at %d paths, want more", len(after))
	}
}

func codings(all []map[string]any) map[string]int {
	count := map[string]int{}
	var visit func(path string, v any)
	visit = func(path string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				visit(path, x)
			}
		case map[string]any:
			if v["system"] != nil && v["code"] != nil {
				count[path]++
			}
			for k, x := range v {
				visit(path+"."+k, x)
			}
		}
	}
	for _, r := range all {
		visit(r["resourceType"].(string), r)
	}
	return count
}
