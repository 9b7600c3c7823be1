package deid_test

import (
	"strings"
	"testing"
)

// Each record is valid, and what it would be left with breaks the invariant.
func TestInvariantsHoldWhereOneOfSeveralElementsWouldDo(t *testing.T) {
	const text = `{"text":"Smith"}`
	for _, test := range []struct{ key, in, want string }{
		{"apr-1", `{"resourceType":"AppointmentResponse","participantType":[` + text + `],"participantStatus":"accepted"}`, `"participantType":[` + masked + `]`},
		{"con-1", `{"resourceType":"Condition","stage":[{"summary":` + text + `}]}`, ""},
		{"con-2", `{"resourceType":"Condition","evidence":[{"code":[` + text + `]}]}`, ""},
		{"ppc-1", `{"resourceType":"Consent","policyRule":` + text + `}`, `"policyRule":` + masked},
		{"ppc-1", `{"resourceType":"Consent","policy":[{"uri":"https://clinic.example/smith"}]}`, `"policy":[` + masked + `]`},
		{"ces-1", `{"resourceType":"CoverageEligibilityResponse","insurance":[{"coverage":{"reference":"Coverage/1"},"item":[{"category":` + text + `,"excluded":true}]}]}`, `"category":` + masked},
		{"prr-1", `{"resourceType":"ServiceRequest","code":` + text + `,"orderDetail":[` + text + `]}`, `"code":` + masked},
		{"ipn-1", `{"resourceType":"InsurancePlan","name":"Smith"}`, `"_name":` + masked},
		{"obs-3", `{"resourceType":"Observation","referenceRange":[{"text":"Smith"}]}`, ""},
	} {
		got := one(t, test.in)
		if test.want == "" && strings.Contains(got, masked) || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s: got %s, want it with %q", test.key, test.in, got, test.want)
		}
	}
}

// HAPI knows the profiles of vital signs, which require a subject, a date with its day and a value:
// no preset can say that all three stay.
func TestNoPresetKeepsAClaimOfVitalSigns(t *testing.T) {
	for _, profile := range []string{"vitalsigns", "bodyweight", "bp", "heartrate"} {
		in := `{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/` + profile + `"]},"status":"final"}`
		for _, preset := range []string{"safe-harbor", "limited-data-set", "expert-shift"} {
			out, _ := run(t, preset, in+"\n")
			if got, want := strings.TrimSpace(out), `{"resourceType":"Observation","status":"final"}`; got != want {
				t.Errorf("%s: %s: got %s, want %s", preset, profile, got, want)
			}
		}
	}
}

func TestBundleWhoseTypeGoesSaysThatItIsMasked(t *testing.T) {
	o := options()
	o.Message = true
	for _, member := range []string{`"type":"smith"`, `"_type":{"extension":[{"url":"urn:x","valueString":"Smith"}]}`} {
		in := `{"resourceType":"Bundle",` + member + `,"entry":[{"resource":{"resourceType":"Patient","gender":"male"}}]}`
		out, _ := runWith(t, safeHarbor(t), in, o)
		if want := `"_type":` + masked; strings.Count(out, want) != 1 || strings.Contains(strings.ToLower(out), "smith") {
			t.Errorf("%s: got %s, want it with %s once", member, out, want)
		}
	}
}
