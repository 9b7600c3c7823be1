package deid_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/code"
)

// offset is what the preset's header says of it, computed anew.
func offset(key []byte, patient string) int {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("anchorhold/v1 date shift" + patient))
	return -7 * int(1+binary.BigEndian.Uint64(h.Sum(nil)[:8])%52)
}

func shiftedOf(t *testing.T, in string) string {
	t.Helper()
	out, report := run(t, "expert-shift", in+"\n")
	if report.Requires != "expert-determination" {
		t.Errorf("report says that it requires %q", report.Requires)
	}
	return strings.TrimSpace(out)
}

// days are the offsets of Patient/p under the test's key.
func moved(date string, days int) string {
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	return d.AddDate(0, 0, days).Format(time.DateOnly)
}

func TestShiftedDates(t *testing.T) {
	days := offset(options().Values[deid.ShiftKey], "p")
	for was, want := range map[string]string{
		"2004-02-29": moved("2004-02-29", days), // a leap day
		"2000-12-31": moved("2000-12-31", days),
		"2011-07":    moved("2011-07-15", days)[:7],
		"2011":       moved("2011-07-02", days)[:4],
		// its own day, not that of UTC
		"2011-07-01T22:30:00-04:00":   moved("2011-07-01", days) + "T22:30:00Z",
		"2011-07-01T22:30:00.123456Z": moved("2011-07-01", days) + "T22:30:00.123Z",
		// a leap second
		"2016-12-31T23:59:60Z":            moved("2016-12-31", days) + "T23:59:60Z",
		"2026-12-31":                      moved("2026-12-31", days),
		"2027-01-01":                      "", // after the reference date
		"1936-12-31":                      "", // tells an age over 89
		"2003-02-29":                      "", // is no day
		"2003-13-01":                      "",
		"2003-00":                         "",
		"2003-02-01T25:00:00Z":            "",
		"2003-02-01T10:00:00":             "", // FHIR wants a zone
		"2003-02-01T10:00:00Z Smith":      "",
		"2003-02-01T10:00:00.Z":           "",
		"2003-02-01T10:00:00.1234567890Z": "",
		"2003-02-01T10:00:00+15:00":       "",
	} {
		for name, record := range map[string]string{
			"onsetDateTime": `{"resourceType":"Condition","subject":{"reference":"Patient/p"},"onsetDateTime":"%s"}`,
			"issued":        `{"resourceType":"Observation","subject":{"reference":"https://a.example/fhir/Patient/p/_history/2"},"issued":"%s"}`,
			"start":         `{"resourceType":"Encounter","subject":{"reference":"Patient/p"},"period":{"start":"%s"}}`,
			"birthDate":     `{"resourceType":"Patient","id":"p","birthDate":"%s"}`,
		} {
			got := shiftedOf(t, fmt.Sprintf(record, was))
			member := `"` + name + `":"` + want + `"`
			if want == "" && strings.Contains(got, name) || want != "" && !strings.Contains(got, member) {
				t.Errorf("%s %s: got %s, want %q", name, was, got, want)
			}
		}
	}
	if got := shiftedOf(t, `{"resourceType":"Patient","id":"p","deceasedDateTime":"1930-01-01"}`); !strings.Contains(got, `"deceasedBoolean":true`) {
		t.Errorf("got %s, want a death without a date", got)
	}
	if got := shiftedOf(t, `{"resourceType":"MedicationRequest","subject":{"reference":"Patient/p"},"dosageInstruction":[{"timing":{"repeat":{"timeOfDay":["08:00:00","8 o'clock"]}}}]}`); !strings.Contains(got, `"timeOfDay":["08:00:00"]`) {
		t.Errorf("got %s, want the time of day", got)
	}
}

// afterPatient returns what comes of a record that follows one of a patient: that patient's offset
// must not stay.
func afterPatient(t *testing.T, in string) string {
	t.Helper()
	const patient = `{"resourceType":"Condition","subject":{"reference":"Patient/p"},"onsetDateTime":"2011-07-01"}`
	lines := strings.Split(shiftedOf(t, patient+"\n"+in), "\n")
	if len(lines) < 2 {
		return "" // rejected
	}
	return lines[1]
}

// A record that is not of exactly one patient has no dates: one that stayed as
// it is, or moved by the offset of somebody else, would tell offsets.
func TestRecordsOfNobodyHaveNoDates(t *testing.T) {
	if got := afterPatient(t, `{"resourceType":"Condition","id":"1"}`); !strings.Contains(got, `"id"`) {
		t.Fatalf("got %s, want a record after that of the patient", got)
	}
	const kept = `"onsetDateTime"`
	for subject, want := range map[string]bool{
		`"subject":{"reference":"Patient/p"}`:                             true,
		`"subject":{"reference":"http://a.example/Patient/p"}`:            true,
		`"patient":[{"reference":"Patient/p"}]`:                           true,
		`"subject":[{"reference":"Patient/p"},{"reference":"Patient/q"}]`: false,
		`"subject":[]`:                      false,
		`"subject":{"reference":"Group/p"}`: false,
		`"subject":{"reference":"Group/p"},"patient":{"reference":"Patient/p"}`:          false,
		`"subject":{"reference":"Patient?identifier=a|b"}`:                               false,
		`"subject":{"reference":"Patient/p#x"}`:                                          false,
		`"subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p"}]`: false,
		`"subject":{"identifier":{"system":"a","value":"b"}}`:                            false,
		`"subject":{"reference":"urn:uuid:6c1d4fd5-3a5c-4d0f-9a8e-0a4f0e2b4f0d"}`:        true,
		`"subject":{"reference":"urn:uuid:6c1d4fd5","type":"Patient"}`:                   true,
		`"subject":{"reference":"urn:uuid:6c1d4fd5","type":"Group"}`:                     false,
		`"subject":{"reference":"urn:uuid:6c1d4fd5#1"}`:                                  false,
		`"subject":{"reference":"urn:uuid:"}`:                                            false,
		`"subject":{"reference":"urn:other:6c1d4fd5"}`:                                   false,
		`"subject":[{"reference":"urn:uuid:a"},{"reference":"urn:uuid:b"}]`:              false,
		`"subject":"Patient/p"`:                                                          false,
		`"recorder":{"reference":"Patient/p"}`:                                           false,
		`"subject":{"reference":"Practitioner/p"}`:                                       false,
	} {
		got := afterPatient(t, `{"resourceType":"Condition",`+subject+`,"onsetDateTime":"2011-07-01"}`)
		if strings.Contains(got, kept) != want {
			t.Errorf("%s: got %s, want dates %t", subject, got, want)
		}
	}
	for _, in := range []string{
		`{"resourceType":"Patient","birthDate":"2011-07-01"}`,
		`{"resourceType":"Patient","id":"","birthDate":"2011-07-01"}`,
		`{"resourceType":"PractitionerRole","period":{"start":"2011-07-01"}}`,
		`{"resourceType":"Provenance","target":[{"reference":"Patient/p"}],"recorded":"2011-07-01T10:00:00Z"}`,
	} {
		if got := afterPatient(t, in); strings.Contains(got, "2011") || strings.Contains(got, "2010") {
			t.Errorf("got %s, want no date", got)
		}
	}
}

// One patient has one offset, however the records travel: as lines with Patient/X,
// as a Bundle whose entries call each other urn:uuid:X, on a line or as a message,
// in any order, and as lines that somebody has cut out of such a Bundle.
func TestOneOffsetInAllFormats(t *testing.T) {
	const patients, perPatient = 3, 4
	var relative, urn []string // records, and entries
	for p := range patients {
		id := fmt.Sprintf("6c1d4fd5-3a5c-4d0f-9a8e-0a4f0e2b4f%02d", p)
		relative = append(relative, fmt.Sprintf(`{"resourceType":"Patient","id":"%s","birthDate":"1990-05-06"}`, id))
		urn = append(urn, fmt.Sprintf(`{"fullUrl":"urn:uuid:%s","resource":%s,"request":{"method":"POST","url":"Patient"}}`, id, relative[len(relative)-1]))
		for r := range perPatient {
			record := fmt.Sprintf(`{"resourceType":"Condition","id":"%d-%d","subject":{"reference":"%%s%s"},"onsetDateTime":"2011-0%d-01"}`, p, r, id, r+1)
			relative = append(relative, fmt.Sprintf(record, "Patient/"))
			// Before the patient.
			urn = append([]string{fmt.Sprintf(`{"fullUrl":"urn:uuid:%d-%d","resource":%s}`, p, r, fmt.Sprintf(record, "urn:uuid:"))}, urn...)
		}
	}
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(urn, ",") + `]}`
	lines := strings.Join(relative, "\n") + "\n"
	var cut strings.Builder
	for _, e := range urn {
		_, r, _ := strings.Cut(e, `"resource":`)
		r, _, _ = strings.Cut(r, `,"request"`)
		cut.WriteString(strings.TrimSuffix(r, "}"))
		if strings.Contains(r, `"Patient"`) {
			cut.WriteByte('}')
		}
		cut.WriteByte('\n')
	}
	dates := func(in string, message bool) map[string]int {
		o := options()
		o.Message = message
		out, report := runWith(t, engine(t, "expert-shift"), in, o)
		if report.RecordsRejected > 0 {
			t.Fatalf("%v", report.Rejects)
		}
		count := map[string]int{}
		for _, d := range regexp.MustCompile(`"(birthDate|onsetDateTime)":"[0-9-]{10}"`).FindAllString(out, -1) {
			count[d]++
		}
		return count
	}
	want := map[string]int{}
	for p := range patients {
		days := offset(options().Values[deid.ShiftKey], fmt.Sprintf("6c1d4fd5-3a5c-4d0f-9a8e-0a4f0e2b4f%02d", p))
		want[`"birthDate":"`+moved("1990-05-06", days)+`"`]++
		for r := range perPatient {
			want[`"onsetDateTime":"`+moved(fmt.Sprintf("2011-0%d-01", r+1), days)+`"`]++
		}
	}
	for name, got := range map[string]map[string]int{
		"lines": dates(lines, false), "Bundle as a message": dates(bundle, true), "Bundle on a line": dates(bundle+"\n", false), "lines cut out": dates(cut.String(), false),
	} {
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// In its Bundle a patient is who the urn says, with another id and with none:
// its own record and those that refer to it must not part.
func TestPatientsThatOnlyTheirURNNames(t *testing.T) {
	for _, id := range []string{"", `"id":"other",`} {
		out, _ := run(t, "expert-shift", `{"resourceType":"Bundle","type":"transaction","entry":[`+
			`{"resource":{"resourceType":"Patient",`+id+`"birthDate":"1990-05-06"},"fullUrl":"urn:uuid:p"},`+
			`{"resource":{"resourceType":"Condition","subject":{"reference":"urn:uuid:p"},"onsetDateTime":"2011-07-01"}}]}`+"\n")
		days := offset(options().Values[deid.ShiftKey], "p")
		for _, want := range []string{moved("1990-05-06", days), moved("2011-07-01", days)} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: got %s, want %s in it", id, out, want)
			}
		}
	}
	// The fullUrl of one entry says nothing of the next, or of who has none.
	out, _ := run(t, "expert-shift", `{"resourceType":"Bundle","type":"transaction","entry":[`+
		`{"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient","id":"p"}},`+
		`{"resource":{"resourceType":"Patient","birthDate":"1990-05-06"}},{"fullUrl":"urn:uuid:#","resource":{"resourceType":"Patient","birthDate":"1990-05-06"}}]}`+"\n")
	if strings.Contains(out, "birthDate") {
		t.Errorf("got %s, want no date", out)
	}
}

// Offsets have the range that the header gives, use all of it, and differ by
// patient and by key.
func TestOffsets(t *testing.T) {
	var in strings.Builder
	const patients = 4000
	for i := range patients {
		fmt.Fprintf(&in, `{"resourceType":"Patient","id":"%d","birthDate":"2020-06-03"}`+"\n", i)
	}
	counts := map[int]int{}
	out, _ := run(t, "expert-shift", in.String())
	for i, r := range decode(t, []byte(out)) {
		d, err := time.Parse(time.DateOnly, r["birthDate"].(string))
		if err != nil {
			t.Fatal(err)
		}
		days := int(d.Sub(time.Date(2020, 6, 3, 0, 0, 0, 0, time.UTC)).Hours() / 24)
		if want := offset(options().Values[deid.ShiftKey], fmt.Sprint(i)); days != want {
			t.Fatalf("patient %d moves by %d days, want %d", i, days, want)
		}
		counts[days]++
	}
	for weeks := 1; weeks <= 52; weeks++ {
		if n := counts[-7*weeks]; n < patients/52/3 || n > patients/52*3 {
			t.Errorf("%d patients of %d move by %d weeks", n, patients, weeks)
		}
	}
	if len(counts) != 52 {
		t.Errorf("got %d offsets, want 52", len(counts))
	}
	o := options()
	o.Values = map[string][]byte{deid.PseudonymKey: o.Values[deid.PseudonymKey], deid.ShiftKey: bytes.Repeat([]byte{6}, 32)}
	if other, _ := runWith(t, engine(t, "expert-shift"), in.String(), o); other == out {
		t.Error("another key gives the same dates")
	}
}

// Intervals within a patient stay, over all the records of Synthea: the same
// number of days, for every date of every record, and nothing after the reference date.
func TestIntervalsStay(t *testing.T) {
	if testing.Short() {
		t.Skip("judges what comes out of many records")
	}
	each(t, func(t *testing.T, s source) {
		out, report := run(t, "expert-shift", string(s.records))
		if report.RecordsRejected > 0 {
			t.Fatalf("%d records are rejected", report.RecordsRejected)
		}
		before, after := decode(t, s.records), decode(t, []byte(out))
		byPatient, n := map[string]int{}, 0
		for i, r := range before {
			was, now := datesOf(r), datesOf(after[i])
			for path, d := range now {
				if len(was[path]) < 10 || len(d) < 10 {
					continue
				}
				a, err1 := time.Parse(time.DateOnly, was[path][:10])
				b, err2 := time.Parse(time.DateOnly, d[:10])
				if err1 != nil || err2 != nil {
					t.Fatalf("line %d: %s became %s", i+1, was[path], d)
				}
				who := patientOf(r)
				days := int(b.Sub(a).Hours() / 24)
				if old, ok := byPatient[who]; who == "" || ok && old != days || days%7 != 0 || days >= 0 || days < -364 {
					t.Errorf("line %d: a date of %q moves by %d days, others by %d", i+1, who, days, old)
				}
				byPatient[who] = days
				n++
			}
		}
		if n < 100 || len(byPatient) < 2 {
			t.Errorf("compared %d dates of %d patients, want more", n, len(byPatient))
		}
		t.Logf("%d dates of %d patients", n, len(byPatient))
	})
}

// datesOf returns the date leaves of a record by their places in it.
func datesOf(r map[string]any) map[string]string {
	all := map[string]string{}
	leaves(r, func(l leaf) {
		switch l.kind {
		case "date", "dateTime", "instant":
			all[l.path] = l.value.(string) // of several in an array the last
		}
	})
	return all
}

func patientOf(r map[string]any) string {
	if r["resourceType"] == "Patient" {
		return r["id"].(string)
	}
	for _, name := range []string{"subject", "patient"} {
		if m, ok := r[name].(map[string]any); ok {
			ref, _ := m["reference"].(string)
			return strings.TrimPrefix(ref, "Patient/")
		}
	}
	return ""
}

// Ids that a key makes are the same in every job, whatever else differs.
func TestKeyedIDs(t *testing.T) {
	const record = `{"resourceType":"Condition","id":"c","identifier":[{"system":"urn:a","value":"1"}],"subject":{"reference":"Patient/p"}}`
	first := shiftedOf(t, record)
	o := options()
	o.SurrogateKey, o.ReferenceDate = [32]byte{9}, "2024-01-01"
	again, _ := runWith(t, engine(t, "expert-shift"), patient(`"id":"x"`)+"\n"+record+"\n", o)
	if lines := strings.Split(strings.TrimSpace(again), "\n"); lines[1] != first {
		t.Errorf("got %s in another job, want %s", lines[1], first)
	}
	h := hmac.New(sha256.New, o.Values[deid.PseudonymKey])
	h.Write([]byte("anchorhold/v1 keyed surrogate"))
	h = hmac.New(sha256.New, h.Sum(nil))
	h.Write([]byte("\x01\x00\x00\x00\x07Patientp"))
	want := ""
	for _, x := range h.Sum(nil)[:16] {
		want += string("bcdfghjklmnpqrst"[x>>4]) + string("bcdfghjklmnpqrst"[x&15])
	}
	if !strings.Contains(first, `"Patient/`+want+`"`) {
		t.Errorf("got %s, want Patient/%s", first, want)
	}
	o.Values = map[string][]byte{deid.PseudonymKey: bytes.Repeat([]byte{7}, 32), deid.ShiftKey: o.Values[deid.ShiftKey]}
	if other, _ := runWith(t, engine(t, "expert-shift"), record+"\n", o); strings.TrimSpace(other) == first {
		t.Error("another key gives the same ids")
	}
}

func TestJobsWithoutKeysFail(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	for name, test := range map[string]struct {
		values map[string][]byte
		want   code.Code
	}{
		"none":        {nil, code.ParametersMissing},
		"one":         {map[string][]byte{"pseudonym-key": key}, code.ParametersMissing},
		"other names": {map[string][]byte{"pseudonym-key": key, "shift-key": key}, code.ParametersMissing},
		"short":       {map[string][]byte{"pseudonym-key": key, "date-shift-key": key[:31]}, code.ParametersMalformed},
		"the same":    {map[string][]byte{"pseudonym-key": key, "date-shift-key": bytes.Clone(key)}, code.ParametersMalformed},
	} {
		o := options()
		o.Values = test.values
		_, err := engine(t, "expert-shift").Process(context.Background(), strings.NewReader(patient(`"id":"1"`)), io.Discard, o)
		if code.Of(err) != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
	o := options()
	o.Values = nil
	for _, preset := range deid.Presets() {
		if keys := engine(t, preset).Keys(); len(keys) == 0 {
			if _, err := engine(t, preset).Process(context.Background(), strings.NewReader(""), io.Discard, o); err != nil {
				t.Errorf("%s wants no key: got %v", preset, err)
			}
		}
	}
}

// What the limited data set lets stay, and what it does not.
func TestLimitedDataSet(t *testing.T) {
	in := patient(`"id":"1","name":[{"family":"Smith"}],"birthDate":"1931-05-06","deceasedDateTime":"2024-02-03T04:05:06-05:00",` +
		`"address":[{"line":["1 Main St"],"city":"St. Mary's-on-Sea","district":"Kent","state":"NY","postalCode":"10001-1234","country":"US"},` +
		`{"city":"12 Elm St","postalCode":"D02 AF30","country":"IE"}],"telecom":[{"value":"555-1234"}]`)
	want := `"birthDate":"1931-05-06","deceasedDateTime":"2024-02-03T04:05:06-05:00",` +
		`"address":[{"city":"St. Mary's-on-Sea","state":"NY","postalCode":"10001-1234","country":"US"},{"country":"IE"}]}`
	out, report := run(t, "limited-data-set", in+"\n")
	if !strings.HasSuffix(strings.TrimSpace(out), want) || strings.Contains(out, "Smith") || strings.Contains(out, "555") {
		t.Errorf("got %s, want …%s", out, want)
	}
	if b, err := json.Marshal(report); err != nil || !strings.Contains(string(b), `"requires":"data-use-agreement"`) {
		t.Errorf("report does not say what it requires: %s", b)
	}
	if _, report := run(t, "safe-harbor", in+"\n"); report.Requires != "" {
		t.Errorf("Safe Harbor requires %q", report.Requires)
	}
}
