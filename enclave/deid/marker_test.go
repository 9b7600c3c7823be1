package deid_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
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

// planted are records with one marker each, and where it is.
type planted struct {
	in    strings.Builder
	paths []string
	seen  map[string]bool
}

func (p *planted) add(tb testing.TB, path string, record map[string]any) {
	tb.Helper()
	b, err := json.Marshal(record)
	if err != nil {
		tb.Fatal(err)
	}
	p.in.Write(append(b, '\n'))
	p.paths = append(p.paths, path)
}

// of leaves out the records of types that are rejected whatever they hold.
func (p *planted) of(kinds map[string]bool) (string, []string) {
	var in strings.Builder
	var paths []string
	i := 0
	for l := range strings.Lines(p.in.String()) {
		if kind, _, _ := strings.Cut(p.paths[i], "."); kinds[kind] {
			in.WriteString(l)
			paths = append(paths, p.paths[i])
		}
		i++
	}
	return in.String(), paths
}

// plantAll plants in every leaf that the records have, once for each path of a
// type: the second name of a patient is no other place than the first.
func plantAll(tb testing.TB, records []byte) *planted {
	tb.Helper()
	p := &planted{seen: map[string]bool{}}
	// short ones are read faster
	all := slices.SortedFunc(bytes.Lines(records), func(a, b []byte) int { return len(a) - len(b) })
	for _, r := range decode(tb, bytes.Join(all, nil)) {
		kind := r["resourceType"].(string)
		plant("", r, func(path string) {
			if !p.seen[kind+path] {
				p.seen[kind+path] = true
				p.add(tb, kind+path, r)
			}
		})
	}
	return p
}

// plantDefined plants in every element that FHIR defines for a type, to a
// depth at which all else is recursion, in records that have nothing else.
func plantDefined(tb testing.TB) *planted {
	tb.Helper()
	p := &planted{}
	var visit func(kind, path, holder string, depth int, record, at map[string]any)
	visit = func(kind, path, holder string, depth int, record, at map[string]any) {
		for h := holder; h != "" && h != "-"; h = r4()[h].base {
			for e, types := range r4()[h].elements {
				for _, t := range types {
					name := e
					if stem, ok := strings.CutSuffix(e, "[x]"); ok {
						name = stem + strings.ToUpper(t[:1]) + t[1:]
					}
					if len(r4()[t].elements) > 0 && t != "Extension" && t != "Resource" && t[0] < 'a' && depth > 0 {
						child := map[string]any{}
						at[name] = child
						visit(kind, path+"."+name, t, depth-1, record, child)
					} else {
						at[name] = marker(path)
						p.add(tb, kind+path+"."+name, record)
					}
					delete(at, name)
				}
			}
		}
	}
	for kind := range sections(rulesOf(tb, "safe-harbor")) {
		record := map[string]any{"resourceType": kind}
		visit(kind, "", kind, 4, record, record)
	}
	return p
}

// may are the paths at which a word without digits may stay, because nothing
// but a terminology of ten thousands of words can tell it from a code, nothing
// but a gazetteer from a town.
func may(preset, path string) bool {
	return strings.HasSuffix(path, ".code") || preset == "limited-data-set" && strings.HasSuffix(path, ".city")
}

// A marker in any leaf must not be in the output: not in a name, not in a
// code's system, not in a status, not in an id.
func TestMarkersInEveryLeafAreGone(t *testing.T) {
	if testing.Short() {
		t.Skip("judges what comes out of many records")
	}
	t.Run("sample", func(t *testing.T) { testMarkers(t, plantAll(t, sample(t, 0).records), 200) })
	t.Run("synthea", func(t *testing.T) { testMarkers(t, plantAll(t, synthea(t, "10")), 200) })
	t.Run("examples", func(t *testing.T) { testMarkers(t, plantAll(t, examples(t)), 5000) })
	t.Run("definitions", func(t *testing.T) { testMarkers(t, plantDefined(t), 10000) })
}

func testMarkers(t *testing.T, p *planted, least int) {
	if len(p.paths) < least {
		t.Fatalf("got %d places for markers, want %d", len(p.paths), least)
	}
	if n := strings.Count(p.in.String(), "zebraquixote"); n < len(p.paths) {
		t.Fatalf("planted %d markers, want %d", n, len(p.paths))
	}
	forPresets(t, func(t *testing.T, preset string) {
		in, paths := p.of(sections(rulesOf(t, preset)))
		out, report := run(t, preset, in)
		gone := map[int64]bool{}
		for _, r := range report.Rejects {
			gone[r.Line] = true
		}
		if report.RejectsOmitted > 0 {
			t.Fatal("more rejects than the report names: which line is which?")
		}
		line, kinds := int64(0), map[string]bool{}
		for l := range strings.Lines(out) {
			for line++; gone[line]; line++ {
			}
			path := paths[line-1]
			kind, _, _ := strings.Cut(path, ".")
			kinds[kind] = true
			if strings.Contains(strings.ToLower(l), "zebra") && !may(preset, path) {
				t.Errorf("the marker at %s is in the output: %s", path, l)
			}
		}
		if len(kinds) == 0 {
			t.Error("no record came out: nothing was looked at")
		}
		t.Logf("%d markers, %d records rejected, %d types out", len(paths), report.RecordsRejected, len(kinds))
	})
}
