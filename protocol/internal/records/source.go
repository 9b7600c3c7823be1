// Package records reads a data owner's export, folders and files of NDJSON, as one stream of
// records.
//
// Find names the sources, NewReader streams them. Nothing is held in memory but a buffer; gzip is
// opened on the way and bounded, so that a small file that unpacks to terabytes ends in an error.
// The package checks no record: that is the enclave's work, which counts bad ones by line number in
// this stream.
package records

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Source is one input of the stream.
type Source struct {
	Path string
	// Named says that the caller asked for this very file: it is read whatever its first line looks
	// like.
	Named bool
}

// Skipped is a file that Find left out, and why.
type Skipped struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Find turns paths into sources. A folder gives its *.ndjson and *.ndjson.gz files in order of
// name, not those of folders inside it. Files in a folder that do not begin with a FHIR resource,
// such as the log of a bulk export, are skipped and reported. A file named by itself is always
// taken, and "-" is standard input.
func Find(paths []string) ([]Source, []Skipped, error) {
	var found []Source
	var skipped []Skipped
	stdin := false
	for _, path := range paths {
		if path == Stdin {
			if stdin {
				return nil, nil, fmt.Errorf("standard input (-) is named twice")
			}
			stdin = true
			found = append(found, Source{Path: path, Named: true})
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		if !info.IsDir() {
			found = append(found, Source{Path: path, Named: true})
			continue
		}
		in, out, err := findFolder(path)
		if err != nil {
			return nil, nil, err
		}
		found, skipped = append(found, in...), append(skipped, out...)
	}
	if err := noDuplicates(found); err != nil {
		return nil, nil, err
	}
	return found, skipped, nil
}

// findFolder lists one folder. A folder without any record file is an error: most likely it is the
// wrong one.
func findFolder(folder string) ([]Source, []Skipped, error) {
	entries, err := os.ReadDir(folder) // sorted by name
	if err != nil {
		return nil, nil, err
	}
	var found []Source
	var skipped []Skipped
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".ndjson") && !strings.HasSuffix(e.Name(), ".ndjson.gz") {
			continue
		}
		path := filepath.Join(folder, e.Name())
		info, err := os.Stat(path) // follows links, as exports on shared storage have them
		if err != nil {
			return nil, nil, err
		}
		if !info.Mode().IsRegular() {
			skipped = append(skipped, Skipped{path, "not a regular file"})
			continue
		}
		ok, err := beginsWithResource(path)
		switch {
		case err != nil:
			return nil, nil, err
		case !ok:
			skipped = append(skipped, Skipped{path, "its first line is not a JSON object with a resourceType"})
		default:
			found = append(found, Source{Path: path})
		}
	}
	if len(found) == 0 {
		return nil, nil, fmt.Errorf("%s holds no records: expected *.ndjson or *.ndjson.gz files of FHIR resources", folder)
	}
	return found, skipped, nil
}

// noDuplicates refuses a file that is given twice, say by its folder and by name: its records would
// count twice.
func noDuplicates(sources []Source) error {
	var seen []os.FileInfo
	for _, s := range sources {
		if s.Path == Stdin {
			continue
		}
		info, err := os.Stat(s.Path)
		if err != nil {
			return err
		}
		for _, other := range seen {
			if os.SameFile(info, other) {
				return fmt.Errorf("%s is given twice: its records would be counted twice", s.Path)
			}
		}
		seen = append(seen, info)
	}
	return nil
}
