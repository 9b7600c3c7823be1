package anonymizer_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// The forms that upstream writes as regular expressions are read by hand here. These are the
// expressions.
var (
	urlForm  = regexp.MustCompile(`^((?:https?://[A-Za-z0-9\\/.:%$]*)?(?:` + strings.Join(fhirpath.Resources(), "|") + `)/)([A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]{1,64})?$`)
	oidForm  = regexp.MustCompile(`^(urn:oid:)([0-2](?:\.(?:0|[1-9][0-9]*))+)()$`)
	uuidForm = regexp.MustCompile(`^(urn:uuid:)([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})()$`)
	dateForm = regexp.MustCompile(`^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$`)
	timeForm = regexp.MustCompile(`^(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?$`)
	zoneForm = regexp.MustCompile(`^(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))$`)
)

// anonymizeAll anonymizes one record for each text, which template takes as a string of JSON, and
// returns the values of the paths out.
func anonymizeAll(t *testing.T, config, template string, texts []string, out func(map[string]any) any) []any {
	t.Helper()
	e, values := configure(t, config)
	var lines strings.Builder
	for _, s := range texts {
		b, _ := json.Marshal(s)
		fmt.Fprintf(&lines, template+"\n", b)
	}
	text, report, err := run(e, job(values), lines.String())
	if err != nil {
		t.Fatal(err)
	}
	gone := map[int64]bool{}
	for _, r := range report.Rejects {
		gone[r.Line] = true
	}
	all, left := []any{}, strings.Split(text, "\n")
	for i := range texts {
		if gone[int64(i+1)] {
			all = append(all, report.Rejects[0].Code)
			continue
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(left[0]), &v); err != nil {
			t.Fatal(err)
		}
		all, left = append(all, out(v)), left[1:]
	}
	return all
}

// pieces makes texts of pieces, always the same.
func pieces(count, most int, of ...string) []string {
	random := rand.New(rand.NewPCG(1, 2))
	var all []string
	for range count {
		var b strings.Builder
		for range 1 + random.IntN(most) {
			b.WriteString(of[random.IntN(len(of))])
		}
		if s := strings.TrimSpace(b.String()); s != "" {
			all = append(all, s)
		}
	}
	return all
}

func TestReferencesAgainstExpressions(t *testing.T) {
	texts := pieces(3000, 7, "http://", "https://", "http:/", "a.org", "/", "/", "Patient", "Patient/", "Observation/", "SubstanceProtein", "x", "1", "a-b", "_", "é", "%20", ":80", "/_history/", "_history", "foo",
		"$", `\`, "#", "?", ".")
	for _, base := range []string{"", "http://", "https://a.org/fhir/", "http://a-b.org/", "http://a.org/x", "ftp://a.org/", "https:/a.org/", `http://a:80/%20\$`} {
		for _, kind := range []string{"Patient/", "Group/", "Resource/", "patient/", "Patient", "SubstanceProtein/", "XPatient/", "Patients/"} {
			for _, id := range []string{"1", "a-b.c", "a_b", "", "1/", "1/_history/2", "1/_history/", "1/_history/2/_history/3", "_history/2", "1/_history/a_b"} {
				texts = append(texts, base+kind+id)
			}
		}
	}
	for _, s := range pieces(3000, 5, "1.", "2.", "0", "1", "0.", "1", "2", "3", ".", ".", "10", "01", "x") {
		texts = append(texts, "urn:oid:"+s)
	}
	for _, s := range pieces(1000, 3, "01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF", "01234567-89ab-cdef-0123-", "456789abcdeg", "-") {
		texts = append(texts, "urn:uuid:"+s)
	}
	texts = append(texts, "Patient/"+strings.Repeat("a", 64), "Patient/"+strings.Repeat("a", 65), "Patient/1/_history/"+strings.Repeat("a", 65), "http://Patient/1", "https://Patient/1", "httpss://Patient/1")
	hash := func(s string) string {
		if s == "" {
			return ""
		}
		h := hmac.New(sha256.New, []byte("123"))
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil))
	}
	got := anonymizeAll(t, rules("", `"path":"Patient.managingOrganization","method":"cryptoHash"`), `{"resourceType":"Patient","managingOrganization":{"reference":%s}}`, texts,
		func(v map[string]any) any { return v["managingOrganization"].(map[string]any)["reference"] })
	matched := map[*regexp.Regexp]int{}
	for i, s := range texts {
		want := hash(s)
		if id, ok := strings.CutPrefix(s, "#"); ok {
			want = "#" + hash(id)
		}
		for _, form := range []*regexp.Regexp{urlForm, oidForm, uuidForm} {
			if m := form.FindStringSubmatch(s); m != nil {
				matched[form]++
				want = m[1] + hash(m[2]) + m[3]
			}
		}
		if got[i] != want {
			t.Errorf("%s: got %s, want %s", s, got[i], want)
		}
	}
	if urls, oids, uuids := matched[urlForm], matched[oidForm], matched[uuidForm]; urls < 60 || oids < 50 || uuids < 50 {
		t.Errorf("got %d URLs, %d OIDs, %d UUIDs: want more", urls, oids, uuids)
	}
}

func TestDatesAgainstExpressions(t *testing.T) {
	var texts []string
	for _, date := range []string{"2000-02-29", "2001-02-28", "2000-12", "2000", "2000-1-1", "200", "02000-01-01", "2000-01-01x", "2000-01-0é", "2000/01/01", "2000-01-01t"} {
		texts = append(texts, date)
		for _, s := range pieces(300, 5, "12", "24", "23:59", "23:59", ":60", ":59", ":61", ":00", ".0", ".", ".123", "Z", "Z", "+14:00", "-14:01", "+13:59", "-00:00", "+1:00", "z", "é", "T") {
			texts = append(texts, date+"T"+s)
		}
		for _, clock := range []string{"", "12", "24", "12:34", "23:60", "23:59:59", "23:59:60", "23:59:61", "24:00:00", "00:00:00.1", "00:00:00.", "00:00.1", "1:00:00"} {
			for _, zone := range []string{"", "Z", "+14:00", "-14:00", "+14:01", "-13:59", "+13:60", "00:00", "+0:00", "+00:000", "+24:00"} {
				texts = append(texts, date+"T"+clock+zone)
			}
		}
	}
	texts = append(texts, "2000-01-01T12:34:56Z", "2000-01-01T12:34:56.789+01:30", "2000-01-01T23:59:60-14:00", "2000-01-01T12:34Z", "2000-01-01T12Z", "2000-01-01T12:34:56", "2000-01-01TZ", "2000-01-01T")
	got := anonymizeAll(t, rules(`"dateShiftFixedOffsetInDays":0`, `"path":"Patient.deceased","method":"dateShift"`), `{"resourceType":"Patient","deceasedDateTime":%s}`, texts,
		func(v map[string]any) any { return v["deceasedDateTime"] })
	dates, times := 0, 0
	for i, s := range texts {
		var want any = "resource-malformed"
		if m := dateForm.FindStringSubmatch(s); m != nil {
			if want = nil; m[3] != "" {
				dates++
				text := m[1] + "-" + m[2] + "-" + m[3]
				if timeForm.MatchString(m[4]) && zoneForm.MatchString(m[5]) {
					times++
					text += "T" + regexp.MustCompile(`\d`).ReplaceAllString(m[4], "0") + m[5]
				}
				want = text
			}
		}
		if got[i] != want {
			t.Errorf("%s: got %v, want %v", s, got[i], want)
		}
	}
	if dates < 100 || times < 20 {
		t.Errorf("got %d dates and %d with a time, want more", dates, times)
	}
}
