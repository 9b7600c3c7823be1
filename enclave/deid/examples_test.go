package deid_test

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
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
		for l := range bytes.Lines(gunzip(tb, f)) {
			// What comes of a Bundle are records of their own: see the tests of Bundles.
			if !bytes.HasPrefix(l, []byte(`{"resourceType":"Bundle"`)) {
				in = append(in, l...)
			}
		}
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
	var records int64
	for l := range bytes.Lines(in) {
		records += recordsIn(l)
	}
	if report.RecordsIn != records || len(lines) < 300 {
		t.Errorf("got %d records of %d lines, want %d", report.RecordsIn, len(lines), records)
	}
	codes, allowed := map[string]int{}, sections(rulesOf(t, "safe-harbor"))
	for _, r := range report.Rejects {
		codes[r.Code]++
		kind := lines[r.Line-1]["resourceType"].(string)
		if e, in, ok := entryOf(r.Pointer); ok {
			kind = "nothing"
			if resource, ok := lines[r.Line-1]["entry"].([]any)[e].(map[string]any)["resource"].(map[string]any); ok && in {
				kind = resource["resourceType"].(string)
			}
		}
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

// entryOf says which entry of a Bundle a pointer is in, and whether it is in its resource.
func entryOf(pointer string) (entry int, resource, ok bool) {
	parts := strings.Split(pointer, "/")
	if len(parts) < 3 || parts[1] != "entry" {
		return 0, false, false
	}
	n, err := strconv.Atoi(parts[2])
	return n, len(parts) > 3 && parts[3] == "resource", err == nil
}

// A type that holds itself, many levels deep: its member is the rule of which it is a member, and no array of extensions.
func TestTypesThatHoldThemselves(t *testing.T) {
	in := `{"resourceType":"Questionnaire","status":"active","item":[`
	const levels = 6
	for range levels {
		in += `{"type":"group","item":[`
	}
	in += `{"type":"group"}` + strings.Repeat("]}", levels) + `]}`
	if got := one(t, in); got != in {
		t.Errorf("got %s, want %s", got, in)
	}
}
