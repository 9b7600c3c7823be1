package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

// counts returns the lines of the report for some rules, and all that it says was dropped as
// unknown.
func counts(r *deid.Report, paths ...string) string {
	var b strings.Builder
	for _, c := range r.ByRule {
		for _, p := range paths {
			if c.Path == p {
				fmt.Fprintf(&b, "%s %s %s %d-%d\n", c.Letters, c.Path, c.Method, c.Count, c.Removed)
			}
		}
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(&b, "? %s %d\n", u.Path, u.Count)
	}
	return b.String()
}

// What the report counts as kept is in the output, and what it counts as removed is not: also where
// the holder of a value goes, where the record is rejected, and where a contained resource is read
// twice.
func TestReportCountsWhatBecameOfValues(t *testing.T) {
	in := strings.Join([]string{
		`{"resourceType":"Patient","id":"1","birthDate":"1980-01-02","name":[{"family":"x"}],"address":[{"postalCode":"66801"},{"postalCode":"x","city":"y"}]}`,
		`{"resourceType":"Patient","id":"2","birthDate":"1901-01-02","telecom":[],"_birthDate":{},"extension":[{"url":"urn:x","valueString":"y"}]}`,
		`{"resourceType":"Patient","id":"3","birthDate":"1980","zebra":1,"modifierExtension":[]}`,
		`{"resourceType":"Condition","id":"1","contained":[{"resourceType":"Patient","id":"p","birthDate":"1980"}],"subject":{"reference":"#p","display":"x"}}`,
	}, "\n")
	_, report := process(t, in)
	got := counts(report, "Resource.id", "Patient.birthDate", "Address.postalCode", "Address.city", "Condition.subject")
	want := `B Address.city drop 1-1
B Address.postalCode zip3 2-1
R Resource.id surrogate 4-0
R Condition.subject reference 1-0
C Patient.birthDate year 3-1
? Condition.subject.display 1
? Patient._birthDate 1
? Patient.extension('urn:x') 1
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// A name with a dot in it gives members of two holders one path. The report is the same each time
// nevertheless.
func TestReportHasOneOrder(t *testing.T) {
	in := `{"resourceType":"Condition","id":"1","subject":{"reference":"Patient/1","display":"x"},"subject.display":1}
{"resourceType":"Condition","id":"2","subject.display":1}`
	for range 20 {
		_, report := process(t, in)
		if got, want := counts(report), "? Condition.subject.display 1\n? Condition.subject.display 2\n"; got != want {
			t.Fatalf("got:\n%swant:\n%s", got, want)
		}
	}
}

// Names of members come from records: the report shows few of them, and of each the beginning.
func TestReportBoundsNamesFromRecords(t *testing.T) {
	var in strings.Builder
	for i := range 50 {
		in.WriteString(`{"resourceType":"Patient"`)
		for j := range 100 {
			fmt.Fprintf(&in, `,"n%d":1`, i*100+j)
		}
		fmt.Fprintf(&in, ",%q:1}\n", strings.Repeat("é", 5000)+fmt.Sprint(i))
	}
	_, report := process(t, in.String())
	if len(report.Unknown) != 2000 || report.UnknownOmitted == 0 {
		t.Errorf("got %d names and %d omitted", len(report.Unknown), report.UnknownOmitted)
	}
	total := report.UnknownOmitted
	for _, u := range report.Unknown {
		total += u.Count
		if len(u.Path) > len("Patient.")+64 {
			t.Errorf("a name of %d bytes is in the report", len(u.Path))
		}
	}
	if total != 50*101 {
		t.Errorf("got %d dropped members in all, want %d", total, 50*101)
	}
	deep := strings.Repeat(`{"`+strings.Repeat("k", 300)+`":`, 60) + `{"a":1,"a":2}` + strings.Repeat("}", 60)
	_, report = process(t, deep)
	if p := report.Rejects[0].Pointer; len(p) > 512 || !strings.HasPrefix(p, "/kkk") || strings.Contains(p, strings.Repeat("k", 65)) {
		t.Errorf("got a pointer of %d bytes", len(p))
	}
}

// What a worker has met before must not show in what the report names (same input, same bytes):
// names that only rejected records had, in a block of their own, with one worker and with many.
func TestReportDoesNotDependOnWorkers(t *testing.T) {
	var in strings.Builder
	for i := range 400 {
		in.WriteString(`{"resourceType":"Patient"`)
		for j := range 100 {
			fmt.Fprintf(&in, `,"n%d-%d":1`, i*37%91, j)
		}
		if i%2 == 0 {
			in.WriteString(`,"modifierExtension":[]`)
		}
		in.WriteString("}\n")
	}
	var want []byte
	for _, workers := range []int{1, 2, 5} {
		o := options()
		o.Workers = workers
		report, err := safeHarbor(t).Process(context.Background(), strings.NewReader(in.String()), &bytes.Buffer{}, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d workers: the report differs", workers)
		}
	}
}
