package deid_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// harmlessRow is a line of presets/harmless.tsv.
type harmlessRow struct{ code, unit, source string }

func harmlessRows(tb testing.TB) []harmlessRow {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("presets", "harmless.tsv"))
	if err != nil {
		tb.Fatal(err)
	}
	var rows []harmlessRow
	for l := range strings.Lines(string(b)) {
		if w := strings.Split(strings.TrimSpace(l), "\t"); !strings.HasPrefix(l, "#") {
			rows = append(rows, harmlessRow{w[0], w[1], w[2]})
		}
	}
	if len(rows) == 0 {
		tb.Fatal("got no rows of harmless.tsv, want some")
	}
	return rows
}

// examplesByID are the published examples of FHIR R4, by type and id.
func examplesByID(tb testing.TB) map[string]any {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(vectors(tb, "hl7-r4-examples"), "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("got no examples (%v), want some", err)
	}
	all := map[string]any{}
	for _, f := range files {
		for l := range bytes.Lines(gunzip(tb, f)) {
			var r map[string]any
			if err := json.Unmarshal(l, &r); err != nil {
				tb.Fatal(err)
			}
			kind, _ := r["resourceType"].(string)
			id, _ := r["id"].(string)
			all[kind+"/"+id] = r
		}
	}
	return all
}

// hasAnswer reports whether somewhere in v the question of that code is answered in that unit.
func hasAnswer(v any, code, unit string) bool {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if hasAnswer(x, code, unit) {
				return true
			}
		}
	case map[string]any:
		question, _ := json.Marshal(v["code"])
		if q, ok := v["valueQuantity"].(map[string]any); ok && q["code"] == unit && strings.Contains(string(question), `"code":"`+code+`"`) {
			return true
		}
		for _, x := range v {
			if hasAnswer(x, code, unit) {
				return true
			}
		}
	}
	return false
}
