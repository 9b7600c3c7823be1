package fhirpath_test

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// Every published example is read, each node of it has its place, and no
// element is unknown to the table.
func TestExamples(t *testing.T) {
	vectors := os.Getenv("VECTORS")
	if vectors == "" {
		t.Skip("VECTORS is not set: hl7-r4-examples/ (the examples of FHIR R4 as NDJSON)")
	}
	files, err := filepath.Glob(filepath.Join(vectors, "hl7-r4-examples", "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in %s: %v", vectors, err)
	}
	resources, nodes := 0, 0
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			resources++
			n, err := fhirpath.Read(lines.Bytes())
			if err != nil {
				t.Errorf("%s:%d: %v", filepath.Base(file), resources, err)
				continue
			}
			walk(n, func(n *fhirpath.Node) {
				nodes++
				if n.Type() == nil {
					t.Errorf("%s:%d: %s is not in the table", filepath.Base(file), resources, n.Pointer())
				}
			})
			if len(lines.Bytes()) < 20_000 {
				checkPlaces(t, filepath.Base(file), lines.Bytes())
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if resources == 0 {
		t.Fatal("no resource in the examples")
	}
	t.Logf("%d resources with %d nodes", resources, nodes)
}
