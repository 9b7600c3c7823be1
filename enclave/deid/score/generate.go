package score

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Options says how much to generate. The same options give the same bytes.
type Options struct {
	People int    // at least 5: every fifth person is over 89
	Seed   uint64 // another seed plants other values
}

// Generate writes a benchmark into dir, which must exist: a file of NDJSON for each resource type
// and TruthFile. It returns the names of the record files, sorted.
func Generate(dir string, o Options) ([]string, error) {
	if o.People < 5 {
		return nil, errors.New("at least 5 people are needed")
	}
	list, err := loadTemplates()
	if err != nil {
		return nil, err
	}
	records := map[string]*bytes.Buffer{}
	lines := map[string]int{}
	var truth bytes.Buffer
	encoder := json.NewEncoder(&truth)
	encoder.SetEscapeHTML(false)
	drawn := 0
	for i := range o.People {
		p := newPerson(o.Seed, i, &drawn)
		for _, t := range list {
			f := &filler{person: p}
			record, err := f.fill("", t)
			if err != nil {
				return nil, fmt.Errorf("template of %s: %w", t["resourceType"], err)
			}
			name := t["resourceType"].(string) + ".ndjson"
			if records[name] == nil {
				records[name] = new(bytes.Buffer)
			}
			lines[name]++
			b, err := json.Marshal(record)
			if err != nil {
				return nil, err
			}
			records[name].Write(append(b, '\n'))
			for _, x := range f.truth {
				x.File, x.Line = name, lines[name]
				if err := encoder.Encode(x); err != nil {
					return nil, err
				}
			}
		}
	}
	names := slices.Sorted(maps.Keys(records))
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), records[name].Bytes(), 0o666); err != nil {
			return nil, err
		}
	}
	return names, os.WriteFile(filepath.Join(dir, TruthFile), truth.Bytes(), 0o666)
}

// readLines returns the lines of a file, without their ends. An empty line is a record that was
// rejected.
func readLines(path string) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all [][]byte
	s := bufio.NewScanner(f)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		all = append(all, bytes.Clone(s.Bytes()))
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return all, nil
}
