package deid_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"anchorhold/enclave/deid"
)

// vectors returns the folder of vectors, or skips the test.
func vectors(tb testing.TB, set string) string {
	tb.Helper()
	dir := os.Getenv("VECTORS")
	if dir == "" {
		tb.Skipf("VECTORS is not set: skipping the set %s", set)
	}
	return filepath.Join(dir, set)
}

// synthea returns all records of one folder of synthea, file after file.
func synthea(tb testing.TB, folder string) []byte {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(vectors(tb, "synthea"), folder, "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("got no files in synthea/%s (%v), want some", folder, err)
	}
	var all []byte
	for _, f := range files {
		all = append(all, gunzip(tb, f)...)
	}
	return all
}

func gunzip(tb testing.TB, path string) []byte {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// engines are compiled once.
var engines sync.Map

func engine(tb testing.TB, preset string) *deid.Engine {
	tb.Helper()
	if e, ok := engines.Load(preset); ok {
		return e.(*deid.Engine)
	}
	rules, err := deid.Preset(preset)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := deid.Compile(rules)
	if err != nil {
		tb.Fatal(err)
	}
	engines.Store(preset, e)
	return e
}

func safeHarbor(tb testing.TB) *deid.Engine {
	tb.Helper()
	return engine(tb, "safe-harbor")
}

// forPresets runs a test for every preset.
func forPresets(t *testing.T, f func(t *testing.T, preset string)) {
	t.Helper()
	for _, preset := range deid.Presets() {
		t.Run(preset, func(t *testing.T) { f(t, preset) })
	}
}

// run is what process is, for any preset.
func run(tb testing.TB, preset, in string) (string, *deid.Report) {
	tb.Helper()
	return runWith(tb, engine(tb, preset), in, options())
}

func runWith(tb testing.TB, e *deid.Engine, in string, o deid.Options) (string, *deid.Report) {
	tb.Helper()
	var out bytes.Buffer
	r, err := e.Process(context.Background(), strings.NewReader(in), &out, o)
	if err != nil {
		tb.Fatalf("process: %v", err)
	}
	return out.String(), r
}

func options() deid.Options {
	return deid.Options{ReferenceDate: "2026-12-31", SurrogateKey: [32]byte{1, 2, 3}, Values: map[string][]byte{
		deid.PseudonymKey: bytes.Repeat([]byte{4}, 32), deid.ShiftKey: bytes.Repeat([]byte{5}, 32),
	}}
}

// process runs the preset and fails the test on an error.
func process(tb testing.TB, in string) (string, *deid.Report) {
	tb.Helper()
	return processWith(tb, in, options())
}

func processWith(tb testing.TB, in string, o deid.Options) (string, *deid.Report) {
	tb.Helper()
	return runWith(tb, safeHarbor(tb), in, o)
}
