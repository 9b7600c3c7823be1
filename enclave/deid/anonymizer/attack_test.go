package anonymizer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A path that was made to explode costs so many steps and no more; the record is rejected, and the
// job goes on.
func TestPathsThatExplode(t *testing.T) {
	var list []string
	for i := range 300 {
		list = append(list, fmt.Sprintf(`"id":"x%d","extension":[{"url":"u","valueString":"v"}]`, i))
	}
	record := `{"resourceType":"Patient","id":"p","extension":[` + "{" + strings.Join(list, "},{") + "}]}"
	for _, path := range []string{
		"descendants().where(%context.descendants().where(%context.descendants().exists()).exists())",
		"nodesByName('extension')" + strings.Repeat(".nodesByName('extension').nodesByType('Extension')", 20) + ".where(%resource.nodesByName('url').count() > 1)",
		"repeat(children() | %resource)",
		"descendants().select(%resource.descendants()).select(%resource.descendants())",
		"id.select(" + strings.Repeat("%resource.descendants().select(", 12) + "id" + strings.Repeat(")", 12) + ")",
	} {
		config := rules("", `"path":"Patient.`+path+`","method":"redact"`)
		start := time.Now()
		got := one(t, config, record)
		t.Logf("%v: %.80s: %.60s", time.Since(start).Round(time.Millisecond), path, got)
		if !strings.HasPrefix(got, "{") && got != "record-too-costly" {
			t.Errorf("%s: got %s", path, got)
		}
	}
	// The budget is the record's, not the rule's.
	expensive := `"path":"Patient.descendants().where(%context.descendants().count() = 0)","method":"redact"`
	if got := one(t, rules("", slices.Repeat([]string{expensive}, 200)...), record); got != "record-too-costly" {
		t.Errorf("200 expensive rules: got %.100s, want record-too-costly", got)
	}
}

func TestDeepAndWideRecords(t *testing.T) {
	all := rules("", `"path":"nodesByType('string') | nodesByType('Extension')","method":"redact"`)
	for _, depth := range []int{20, 10_000} {
		record := `{"resourceType":"Patient"` + strings.Repeat(`,"extension":[{"url":"u"`, depth) + `,"valueString":"secret"` + strings.Repeat(`}]`, depth) + `}`
		e, values := configure(t, all)
		out, report, err := run(e, job(values), record)
		if depth < 32 {
			if err != nil || strings.Contains(out, "secret") || report.RecordsOut != 1 {
				t.Errorf("depth %d: got %s, %v", depth, out, err)
			}
			continue
		}
		if err != nil || out != "" || len(report.Rejects) != 1 || report.Rejects[0].Code != "json-too-deep" {
			t.Errorf("depth %d: got %+v, %v", depth, report, err)
		}
	}
	wide := `"name":[{"given":["` + strings.Repeat(`secret","`, 100_000) + `end"]}]`
	if got := one(t, all, patient(wide)); strings.Contains(got, "secret") {
		t.Errorf("got %.100s", got)
	}
	nulls := `"name":[{"given":["A",` + strings.Repeat(`null,`, 50_000) + `"B"]}]`
	check(t, rules("", `"path":"Patient.id","method":"redact"`), patient(nulls), `{"name":[{"given":["A","B"]}]}`)
	// A rule for as many elements as there are.
	many := `"extension":[` + strings.Repeat(`{"url":"u","valueInteger":1},`, 30_000) + `{"url":"u"}]`
	if got := one(t, rules("", `"path":"Patient.extension.where(value > 0).value","method":"perturb","span":4`), patient(many)); strings.Count(got, "valueInteger") != 30_000 {
		t.Errorf("got %.200s", got)
	}
}

// Invariant 7: what is random upstream comes from the job's key and the record, and from nothing
// else.
func TestDeterminism(t *testing.T) {
	config := rules("", `"path":"Patient.name.family","method":"encrypt"`, `"path":"Patient.multipleBirth","method":"perturb","span":1000000`)
	e, values := configure(t, config)
	record := func(id int) string {
		return patient(fmt.Sprintf(`"id":"p%d","name":[{"family":"Same"},{"family":"Same"}],"multipleBirthInteger":5`, id))
	}
	var lines []string
	for id := range 50 {
		lines = append(lines, record(id))
	}
	anonymized := func(lines []string, change func(key *[32]byte), workers int) []string {
		t.Helper()
		o := job(values)
		o.Workers = workers
		if change != nil {
			change(&o.SurrogateKey)
		}
		out, _, err := run(e, o, strings.Join(lines, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(out), "\n")
	}
	first := anonymized(lines, nil, 1)
	if !slices.Equal(first, anonymized(lines, nil, 4)) {
		t.Error("another run gives other bytes")
	}
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	again := anonymized(reversed, nil, 2)
	slices.Reverse(again)
	if !slices.Equal(first, again) {
		t.Error("the order of lines changes more than order")
	}
	other := anonymized(lines, func(key *[32]byte) { key[31] ^= 1 }, 1)
	seen := map[string]bool{}
	for i := range first {
		if first[i] == other[i] {
			t.Errorf("another job gives %s again", other[i])
		}
		_, rest, _ := strings.Cut(first[i], `"family":"`)
		a, rest, _ := strings.Cut(rest, `"`)
		_, rest, _ = strings.Cut(rest, `"family":"`)
		b, _, _ := strings.Cut(rest, `"`)
		for _, text := range []string{a, b, valueOf(t, first[i], "multipleBirthInteger")} {
			if seen[text] {
				t.Errorf("%s occurs twice", text)
			}
			seen[text] = true
		}
	}
	// A record that occurs twice has its noise twice: no mean of many takes it away.
	twice := anonymized([]string{lines[3], lines[3]}, nil, 1)
	if twice[0] != twice[1] || twice[0] != first[3] {
		t.Errorf("got %q", twice)
	}
}

// Neither errors nor reports hold what is in a record.
func TestNothingLeaksIntoErrors(t *testing.T) {
	const secret = "Mustermann"
	for _, rule := range []string{
		`"path":"Patient.name.family","method":"generalize","cases":{"$this > 1":"1"}`, `"path":"Patient.where(nodesByName('family').single() > 1)","method":"redact"`,
		`"path":"Patient.birthDate","method":"dateShift"`, `"path":"nodesByName('family')","method":"substitute","replaceWith":{"a":1}`,
	} {
		e, values := configure(t, rules("", rule))
		_, report, err := run(e, job(values), patient(`"name":[{"family":"`+secret+`"}],"birthDate":"`+secret+`"`))
		if text := fmt.Sprintf("%v %+v", err, report); strings.Contains(text, secret) || err == nil && report.RecordsRejected != 1 {
			t.Errorf("%s: got %s", rule, text)
		}
	}
}

func TestReportCountsRules(t *testing.T) {
	e, values := configure(t, rules("", `"path":"Patient.name.use","method":"keep"`, `"path":"Patient.name","method":"redact"`, `"path":"Patient.photo","method":"redact"`))
	_, report, err := run(e, job(values), patient(`"name":[{"use":"old","family":"A","given":["B","C"]}]`))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", report.ByRule)
	if want := "[{Letters: Path:Patient.name.use Method:keep Count:1 Removed:0} {Letters: Path:Patient.name Method:redact Count:3 Removed:3}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if table := e.Rules(); len(table) != 3 || table[2].Path != "Patient.photo" || e.DefaultDeny() || e.Surrogates() || len(e.Types()) != 146 {
		t.Errorf("got table %+v", table)
	}
}
