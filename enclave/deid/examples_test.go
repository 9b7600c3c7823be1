package deid_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
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

// drugCodes are the one kind of code that may hold what looks like a month: they stay as a whole.
var drugCodes = regexp.MustCompile(`"system":"http://hl7.org/fhir/sid/ndc","code":"([0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-[0-9]{3}-[0-9]{2}|[0-9]{5}-[0-9]{4}-[0-9]{1,2})"`)

// The examples of the FHIR release hold what exports seldom do: contained
// resources, choices, primitive extensions, all types, Bundles. Every record
// is in the output or rejected by a code, and of a type with rules only those
// are rejected of which a modifier cannot stay, or nothing may.
func TestExamplesOfFHIR(t *testing.T) {
	in := examples(t)
	lines := decode(t, in)
	want := 0
	for _, l := range lines {
		want += len(records(l))
	}
	forPresets(t, func(t *testing.T, preset string) {
		out := checkOutput(t, engine(t, preset), string(in))
		if m := month.FindString(drugCodes.ReplaceAllString(out, "")); m != "" && preset == "safe-harbor" {
			t.Errorf("output holds date %q", m)
		}
		_, report := run(t, preset, string(in))
		if int(report.RecordsIn) != want || len(report.ByType) == 0 {
			t.Errorf("got %d records of %d types, want %d records", report.RecordsIn, len(report.ByType), want)
		}
		rejected := judgeRejects(t, preset, lines, report.Rejects)
		for _, kind := range slices.Sorted(maps.Keys(report.ByType)) {
			c, n := report.ByType[kind], int64(0)
			for _, k := range rejected[kind] {
				n += k
			}
			if c.In != c.Out+n {
				t.Errorf("%s: got %d in, %d out, %d rejected by code", kind, c.In, c.Out, n)
			}
			if c.In > 0 {
				t.Logf("%-32s %3d in, %3d out, rejected: %v", kind, c.In, c.Out, rejected[kind])
			}
		}
		t.Logf("%d records, %d out, rejected: %v", report.RecordsIn, report.RecordsOut, report.RejectCodes)
	})
}

// records returns what a line holds: the entries of a Bundle, or one.
func records(line map[string]any) []map[string]any {
	if line["resourceType"] != "Bundle" {
		return []map[string]any{{"resource": line}}
	}
	var all []map[string]any
	entries, _ := line["entry"].([]any)
	for _, e := range entries {
		all = append(all, e.(map[string]any))
	}
	return all
}

// judgeRejects counts rejects by type and code. Entries that hold no resource have no type.
func judgeRejects(t *testing.T, preset string, lines []map[string]any, rejects []deid.Reject) map[string]map[string]int64 {
	t.Helper()
	allowed, all := sections(rulesOf(t, preset)), map[string]map[string]int64{}
	for _, r := range rejects {
		kind, place := "", 0
		if p, ok := strings.CutPrefix(r.Pointer, "/entry/"); ok {
			digits, _, _ := strings.Cut(p, "/")
			place, _ = strconv.Atoi(digits)
		}
		if resource, ok := records(lines[r.Line-1])[place]["resource"].(map[string]any); ok {
			kind, _ = resource["resourceType"].(string)
		}
		if all[kind] == nil {
			all[kind] = map[string]int64{}
		}
		all[kind][r.Code]++
		switch r.Code {
		case "resource-type-not-allowed":
			if allowed[kind] {
				t.Errorf("line %d%s: type %s is not allowed", r.Line, r.Pointer, kind)
			}
		case "modifier-extension":
			t.Logf("line %d%s, %s: rejected as %s", r.Line, r.Pointer, kind, r.Code)
		case "mandatory-removed":
			// Its forecastStatus is mandatory and a modifier, and the code in the example is not
			// one of HL7's.
			if kind != "ImmunizationRecommendation" {
				t.Errorf("line %d%s, %s: rejected as %s", r.Line, r.Pointer, kind, r.Code)
			}
		default:
			// Left are an entry that was a search, and a Basic that was its narrative.
			if r.Code != "resource-malformed" || kind != "" && kind != "Basic" {
				t.Errorf("line %d%s, %s: rejected as %s", r.Line, r.Pointer, kind, r.Code)
			}
		}
	}
	return all
}

// A type that holds itself, many levels deep: its member is the rule of which it is a member, and
// no array of extensions.
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
