package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"anchorhold/protocol/protocoltest/synthetic"
)

// maxRecord is the longest record that is validated: validators take minutes for longer ones.
const maxRecord = 150_000

// perFile is how many records of a bulk export's file are validated.
const perFile = 25

// set is a named list of records.
type set struct {
	name    string
	records [][]byte
}

// readSets returns the records to check: generated ones and, where vectors is set, published ones
// and variants of them.
func readSets(vectors string, thorough bool) ([]set, error) {
	generated, err := generate()
	if err != nil {
		return nil, err
	}
	sets := []set{{"generated", generated}}
	if vectors == "" {
		fmt.Println("NOT CHECKED: published records, because VECTORS is not set")
		return sets, nil
	}
	examples, err := readGzip(filepath.Join(vectors, "hl7-r4-examples", "*.ndjson.gz"), 0)
	if err != nil {
		return nil, err
	}
	synthea, err := readGzip(filepath.Join(vectors, "synthea", "10", "*.ndjson.gz"), perFile)
	if err != nil {
		return nil, err
	}
	changed, err := vary("examples", examples, thorough)
	if err != nil {
		return nil, err
	}
	return append(append(sets, set{"examples of R4", examples}, set{"Synthea", synthea}), changed...), nil
}

// generate returns records of our generator.
func generate() ([][]byte, error) {
	files := map[string]*bytes.Buffer{}
	err := synthetic.Generate(func(t string) io.Writer {
		files[t] = new(bytes.Buffer)
		return files[t]
	}, synthetic.Options{Patients: 3})
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, t := range synthetic.Types() {
		all = append(all, spread(lines(files[t].Bytes()), perFile)...)
	}
	return all, nil
}

// readGzip returns the records of all files that match; of each file at most limit, or all if limit
// is 0.
func readGzip(pattern string, limit int) ([][]byte, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		z, err := gzip.NewReader(bufio.NewReader(f))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		some := lines(b)
		if limit > 0 {
			some = spread(some, limit)
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no records", pattern)
	}
	return all, nil
}

// lines returns the records of NDJSON that are not too long.
func lines(b []byte) [][]byte {
	var all [][]byte
	for line := range strings.Lines(string(b)) {
		if s := strings.TrimSpace(line); s != "" && len(s) <= maxRecord {
			all = append(all, []byte(s))
		}
	}
	return all
}

// spread returns at most n records, evenly taken from all.
func spread(all [][]byte, n int) [][]byte {
	if len(all) <= n {
		return all
	}
	var some [][]byte
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}
