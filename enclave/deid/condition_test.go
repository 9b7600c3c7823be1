package deid_test

import (
	"strings"
	"testing"
)

// inTransaction is a Bundle that creates a patient under a condition.
func inTransaction(condition string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","identifier":[{"system":"http://mrn","value":"123"}]},` +
		`"request":{"method":"POST","url":"Patient","ifNoneExist":` + condition + `}},{"resource":{"resourceType":"Encounter","status":"finished",` +
		`"subject":{"reference":"Patient?identifier=http://mrn|123"}},"request":{"method":"POST","url":"Encounter"}}]}` + "\n"
}

// Create unless it exists: the identifier that is searched for is the one that the patient gets.
func TestConditionalCreates(t *testing.T) {
	for _, condition := range []string{`"identifier=http://mrn|123"`, `"?identifier=http://mrn|123"`, `"identifier=http://mrn%7C123"`, `"Patient?identifier=http://mrn|123"`} {
		forPresets(t, func(t *testing.T, preset string) {
			out, _ := run(t, preset, inTransaction(condition))
			_, rest, ok := strings.Cut(out, `"ifNoneExist":"identifier=urn:anchorhold:surrogate|`)
			if !ok || strings.Count(out, rest[:32]) < 2 || strings.Contains(out, "123") {
				t.Errorf("%s: got %s, want the surrogate of the identifier", condition, out)
			}
		})
	}
	for _, condition := range []string{
		`"identifier=123"`, `"name=Smith"`, `"identifier=http://mrn|123&name=Smith"`, `"identifier=http://mrn|123,http://mrn|124"`, `"identifier=http://mrn|"`,
		`"Person?identifier=http://mrn|123"`, `"Patient"`, `"PatientS?identifier=http://mrn|123"`, `["identifier=http://mrn|123"]`, `7`, `""`,
	} {
		if out, _ := run(t, "safe-harbor", inTransaction(condition)); strings.Contains(out, "ifNoneExist") || strings.Contains(out, "Smith") || !strings.Contains(out, `"url":"Patient"`) {
			t.Errorf("%s: got %s, want no condition", condition, out)
		}
	}
}

// Dates of an appointment move with the one patient who takes part.
func TestWhoseAppointmentItIs(t *testing.T) {
	actor := func(members string) string { return `{"actor":{` + members + `},"status":"accepted"}` }
	const p1, p2 = `"reference":"Patient/p1"`, `"reference":"Patient/p2"`
	encounter, _ := run(t, "expert-shift", `{"resourceType":"Encounter","status":"planned","subject":{"reference":"Patient/p1"},"period":{"start":"2020-05-05T10:00:00Z"}}`+"\n")
	_, moved, _ := strings.Cut(encounter, `"start":`)
	moved, _, _ = strings.Cut(moved, "}")
	for _, test := range []struct {
		participants string
		want         bool
	}{
		{actor(p1), true},
		{actor(p1) + "," + actor(`"reference":"Practitioner/d"`) + "," + actor(`"reference":"https://x.example/Location/l"`) + `,{"type":[],"status":"accepted"}`, true},
		{actor(`"reference":"Practitioner/d"`) + "," + actor(p1) + "," + actor(p1), true},
		{actor(p1) + "," + actor(`"type":"Practitioner","identifier":{"value":"1"}`), true},
		{actor(p1) + "," + actor(`"reference":"Practitioner?identifier=a|b"`), true},
		{actor(p1) + "," + actor(p2), false},
		{actor(p1) + "," + actor(p2+`,"type":"Practitioner"`), false},
		{actor(p1) + "," + actor(`"reference":"Patient?identifier=a|b"`), false},
		{actor(p1) + "," + actor(`"identifier":{"value":"1"}`), false},
		{actor(p1) + "," + actor(`"display":"Smith"`), false},
		{actor(p1) + "," + actor(`"reference":"#p"`), false},
		{actor(p1) + "," + actor(`"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"`), false},
		{actor(`"reference":"Practitioner/d"`), false},
		{``, false},
	} {
		out, _ := run(t, "expert-shift", `{"resourceType":"Appointment","status":"booked","start":"2020-05-05T10:00:00Z","participant":[`+test.participants+`]}`+"\n")
		if got := strings.Contains(out, `"start":`+moved); got != test.want || !got && strings.Contains(out, `"start"`) {
			t.Errorf("%s: got %s, want start %s: %t", test.participants, out, moved, test.want)
		}
	}
}

func TestWhosePersonItIs(t *testing.T) {
	for links, want := range map[string]bool{
		`{"target":{"reference":"Patient/p1"}}`:                                                      true,
		`{"target":{"reference":"Patient/p1"}},{"target":{"reference":"RelatedPerson/r"}}`:           true,
		`{"target":{"reference":"Patient/p1"}},{"target":{"reference":"Patient/p2"}}`:                false,
		`{"target":{"reference":"RelatedPerson/r"}}`:                                                 false,
		`{"target":{"reference":"Patient/p1"}},{"target":{"identifier":{"system":"s","value":"1"}}}`: false,
		// FHIR has no array in an array: it goes
		`{"target":{"reference":"Patient/p1"}},[{"target":{"reference":"Patient/p2"}}]`: true,
	} {
		out, _ := run(t, "expert-shift", `{"resourceType":"Person","birthDate":"1980-05-06","link":[`+links+`]}`+"\n")
		if got := strings.Contains(out, `"birthDate":"19`); got != want || strings.Contains(out, "1980-05-06") {
			t.Errorf("%s: got %s, want a birth date: %t", links, out, want)
		}
	}
}
