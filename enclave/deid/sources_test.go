package deid_test

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"sort"
	"testing"

	"anchorhold/protocol/protocoltest/synthetic"
)

// A source is a set of records that belong together, and what must not be in
// an output of them, beside what the records say themselves.
type source struct {
	records  []byte
	canaries []string
}

// each runs a test on the generated sample and on every set of the vectors.
func each(t *testing.T, f func(t *testing.T, s source)) {
	t.Helper()
	t.Run("sample", func(t *testing.T) { f(t, sample(t, 0)) })
	t.Run("synthea", func(t *testing.T) {
		dir, canaries := vectors(t, "synthea"), 0
		for _, folder := range folders(t) {
			s := source{records: synthea(t, folder)}
			if path, _ := filepath.Glob(filepath.Join(dir, "canaries-"+folder+".jsonl.gz")); len(path) == 1 {
				s.canaries = phi(t, gunzip(t, path[0]))
				canaries += len(s.canaries)
			}
			t.Run(folder, func(t *testing.T) { f(t, s) })
		}
		if canaries == 0 {
			t.Error("got no canaries, want some")
		}
	})
}

// sample returns generated records of all types. It needs no vectors.
func sample(tb testing.TB, patients int) source {
	tb.Helper()
	parts := map[string]*bytes.Buffer{}
	o := synthetic.Options{Patients: patients}
	err := synthetic.Generate(func(kind string) io.Writer {
		parts[kind] = &bytes.Buffer{}
		return parts[kind]
	}, o)
	if err != nil {
		tb.Fatal(err)
	}
	s := source{canaries: synthetic.Canaries(o)}
	for _, kind := range synthetic.Types() {
		s.records = append(s.records, parts[kind].Bytes()...)
	}
	return s
}

// phi returns all values of a file of canaries.
func phi(tb testing.TB, file []byte) []string {
	tb.Helper()
	var all []string
	for l := range bytes.Lines(file) {
		var c struct{ PHI map[string][]string }
		if err := json.Unmarshal(l, &c); err != nil {
			tb.Fatalf("canaries: %v", err)
		}
		for _, values := range c.PHI {
			all = append(all, values...)
		}
	}
	return all
}

// folders are the sets of synthea with records.
func folders(tb testing.TB) []string {
	tb.Helper()
	files, _ := filepath.Glob(filepath.Join(vectors(tb, "synthea"), "*", "*.ndjson.gz"))
	set := map[string]bool{}
	for _, f := range files {
		set[filepath.Base(filepath.Dir(f))] = true
	}
	var all []string
	for f := range set {
		all = append(all, f)
	}
	if sort.Strings(all); len(all) == 0 {
		tb.Fatal("got no records in synthea, want some")
	}
	return all
}
