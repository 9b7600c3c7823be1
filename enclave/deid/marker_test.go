package deid_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// plant replaces every string of a record, member by member, by a marker of
// its own, and calls f with each record so made and the path of the marker.
func plant(path string, v any, f func(path string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if _, ok := x.(string); ok && k != "resourceType" {
				v[k] = marker(path + "." + k)
				f(path + "." + k)
				v[k] = x
			} else {
				plant(path+"."+k, x, f)
			}
		}
		// What is not there yet.
		v["zebra"] = map[string]any{"quixote": marker(path)}
		f(path + ".zebra")
		v["zebra"] = marker(path)
		f(path + ".zebra")
		delete(v, "zebra")
		if _, ok := v["extension"]; !ok {
			v["extension"] = []any{map[string]any{"url": "http://clinic.example/" + marker(path), "valueString": marker(path)}}
			f(path + ".extension")
			delete(v, "extension")
		}
	case []any:
		for i, x := range v {
			if _, ok := x.(string); ok {
				v[i] = marker(path)
				f(path)
				v[i] = x
			} else {
				plant(path, x, f)
			}
		}
	}
}

func marker(path string) string { return fmt.Sprintf("zebraquixote%d", len(path)) }

// codes are the paths at which a word without digits may stay, because
// nothing but a terminology of ten thousands of words can tell it from a code.
func codes(path string) bool { return strings.HasSuffix(path, ".code") }

// A marker in any leaf must not be in the output: not in a name, not in a
// code's system, not in a status, not in an id.
func TestMarkersInEveryLeafAreGone(t *testing.T) {
	t.Run("sample", func(t *testing.T) { testMarkers(t, sample(t, 0).records, 5) })
	t.Run("synthea", func(t *testing.T) { testMarkers(t, synthea(t, "10"), 3) })
	t.Run("examples", func(t *testing.T) { testMarkers(t, examples(t), 100) })
}

// testMarkers takes a few records of each type.
func testMarkers(t *testing.T, records []byte, few int) {
	t.Helper()
	kinds := map[string]int{}
	var in strings.Builder
	var paths []string
	for _, r := range decode(t, records) {
		kind := r["resourceType"].(string)
		if worth[kind] == "" || kinds[kind] >= few {
			continue
		}
		kinds[kind]++
		plant("", r, func(path string) {
			if !codes(path) {
				b, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				in.Write(append(b, '\n'))
				paths = append(paths, kind+path)
			}
		})
	}
	if len(paths) < 1000 {
		t.Fatalf("got %d places for markers, want more", len(paths))
	}
	if n := strings.Count(in.String(), "zebraquixote"); n < len(paths) {
		t.Fatalf("planted %d markers, want %d", n, len(paths))
	}
	out, report := process(t, in.String())
	for l := range strings.Lines(out) {
		if strings.Contains(strings.ToLower(l), "zebra") {
			t.Errorf("a marker is in the output: %s", l)
		}
	}
	for _, r := range report.Rejects {
		// A status that is no status takes its record with it.
		if r.Code != "resource-malformed" || !strings.HasSuffix(paths[r.Line-1], ".status") && !strings.HasSuffix(paths[r.Line-1], ".intent") &&
			!strings.Contains(paths[r.Line-1], "Status.coding.") {
			t.Errorf("%s: rejected as %s", paths[r.Line-1], r.Code)
		}
	}
	t.Logf("%d markers in %d types, %d records rejected", len(paths), len(kinds), report.RecordsRejected)
}
