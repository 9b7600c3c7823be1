package deid_test

import (
	"path/filepath"
	"testing"
)

func examples(tb testing.TB) []byte {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(vectors(tb, "hl7-r4-examples"), "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("got no examples (%v), want some", err)
	}
	var in []byte
	for _, f := range files {
		in = append(in, gunzip(tb, f)...)
	}
	return in
}

// The examples of the FHIR release hold what exports seldom do: contained
// resources, choices, primitive extensions, all types. Every one of a type
// with rules is in the output, apart from those of which a modifier cannot stay.
func TestExamplesOfFHIR(t *testing.T) {
	in := examples(t)
	lines := decode(t, in)
	out := checkOutput(t, safeHarbor(t), string(in))
	_, report := process(t, string(in))
	if int(report.RecordsIn) != len(lines) {
		t.Errorf("got %d records, want %d", report.RecordsIn, len(lines))
	}
	codes, allowed := map[string]int{}, sections(rulesOf(t, "safe-harbor"))
	for _, r := range report.Rejects {
		codes[r.Code]++
		kind := lines[r.Line-1]["resourceType"].(string)
		switch r.Code {
		case "resource-type-not-allowed":
			if allowed[kind] {
				t.Errorf("line %d: type %s is not allowed", r.Line, kind)
			}
		case "resource-malformed", "modifier-extension":
			t.Logf("line %d, %s: rejected as %s", r.Line, kind, r.Code)
		default:
			t.Errorf("line %d, %s: rejected as %s", r.Line, kind, r.Code)
		}
	}
	if m := month.FindString(out); m != "" {
		t.Errorf("output holds date %q", m)
	}
	for kind, c := range report.ByType {
		if allowed[kind] {
			t.Logf("%-20s %d in, %d out", kind, c.In, c.Out)
		}
	}
	t.Logf("%d examples, rejected: %v", len(lines), codes)
}
