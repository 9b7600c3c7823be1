package score

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Count is a number of values and how many of them came out right.
type Count struct {
	Total int `json:"total"`
	Right int `json:"right"`
}

// Share is Right out of Total, from 0 to 1; 1 when there is none.
func (c Count) Share() float64 {
	if c.Total == 0 {
		return 1
	}
	return float64(c.Right) / float64(c.Total)
}

// Result is the score of one output.
type Result struct {
	Recall map[string]Count `json:"recall"` // by letter: identifiers, and those that are gone
	// by kind of content: values that must stay, and those that did
	Utility map[string]Count `json:"utility"`
	Removed int              `json:"removed"` // identifiers gone, of all letters
	// identifiers among the values that are gone; 0 if none is
	Precision float64 `json:"precision"`
	Rejected  int     `json:"rejected"` // records that have no output
	Faults    []Fault `json:"faults"`   // at most MaxFaults of each letter and kind
	// identifiers found in the output of another record
	Elsewhere int `json:"elsewhere"`
}

// Fault is a value that came out wrong. It holds a value of a synthetic record.
type Fault struct{ Truth }

// MaxFaults is how many faults of each letter and kind a Result names.
const MaxFaults = 20

// Judge scores the output in folder out for the benchmark in folder dir. For each record file of
// the benchmark, out holds a file of the same name with as many lines; the output of a record is in
// the same line, which is empty or {} if the tool rejected the record. A file that is missing
// counts as rejected records.
func Judge(dir, out string) (*Result, error) {
	f, err := os.Open(filepath.Join(dir, TruthFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	truth, err := ReadTruth(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	j := &judge{
		Result:  Result{Recall: map[string]Count{}, Utility: map[string]Count{}},
		records: map[place]*record{}, faults: map[string]int{},
	}
	if err := j.read(dir, out, truth); err != nil {
		return nil, err
	}
	leaked := j.leakedElsewhere(truth)
	ids := j.replacements(truth)
	for _, t := range truth {
		if t.Action.Removes() {
			j.identifier(t, leaked)
		} else {
			j.content(t, ids)
		}
	}
	lost := 0
	for _, c := range j.Utility {
		lost += c.Total - c.Right
	}
	if j.Removed > 0 {
		j.Precision = float64(j.Removed) / float64(j.Removed+lost)
	}
	slices.SortStableFunc(j.Faults, func(a, b Fault) int { return strings.Compare(a.Letter+a.Kind, b.Letter+b.Kind) })
	return &j.Result, nil
}

// place is a line of a file.
type place struct {
	file string
	line int
}

type judge struct {
	Result
	records map[place]*record // outputs; a rejected record has none
	faults  map[string]int    // by letter and kind
}

// read reads the outputs and checks that each can be compared with its input.
func (j *judge) read(dir, out string, truth []Truth) error {
	files := map[string]bool{}
	for _, t := range truth {
		files[t.File] = true
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		in, err := readLines(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		lines, err := readLines(filepath.Join(out, name))
		if os.IsNotExist(err) {
			lines = make([][]byte, len(in))
		} else if err != nil {
			return err
		}
		if len(lines) != len(in) {
			return fmt.Errorf("%s has %d lines, want %d: one for each record of the benchmark", filepath.Join(out, name), len(lines), len(in))
		}
		for i, line := range lines {
			if s := strings.TrimSpace(string(line)); s == "" || s == "{}" {
				j.Rejected++
				continue
			}
			r, err := parseRecord(line)
			if err != nil {
				return fmt.Errorf("%s, line %d: %w", filepath.Join(out, name), i+1, err)
			}
			j.records[place{name, i + 1}] = r
		}
	}
	return j.unknownFiles(out, files)
}

// unknownFiles refuses output that would not be searched.
func (j *judge) unknownFiles(out string, files map[string]bool) error {
	return filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !files[d.Name()] {
			return fmt.Errorf("%s: the benchmark has no such file, so it would not be searched", path)
		}
		return nil
	})
}

// identifier judges a value that must go.
func (j *judge) identifier(t Truth, leaked map[string]bool) {
	c := j.Recall[t.Letter]
	c.Total++
	r := j.records[place{t.File, t.Line}]
	if (r == nil || !r.holds(t)) && !leaked[t.Value] {
		c.Right++
		j.Removed++
	} else {
		j.fault(t)
	}
	j.Recall[t.Letter] = c
}

// content judges a value that must stay.
func (j *judge) content(t Truth, ids map[string]string) {
	c := j.Utility[t.Kind]
	c.Total++
	if r := j.records[place{t.File, t.Line}]; r != nil && r.keeps(t, ids) {
		c.Right++
	} else {
		j.fault(t)
	}
	j.Utility[t.Kind] = c
}

func (j *judge) fault(t Truth) {
	if j.faults[t.Letter+t.Kind]++; j.faults[t.Letter+t.Kind] <= MaxFaults {
		j.Faults = append(j.Faults, Fault{t})
	}
}

// replacements returns what became of each record's id.
func (j *judge) replacements(truth []Truth) map[string]string {
	ids := map[string]string{}
	for _, t := range truth {
		if r := j.records[place{t.File, t.Line}]; r != nil && t.Action == Link && strings.HasSuffix(t.Pointer, "/id") {
			if got := r.leaves[memberNames(t.Pointer)]; len(got) == 1 {
				ids[t.Value] = got[0]
			}
		}
	}
	return ids
}

// leakedElsewhere returns the values that occur in the output of a record that did not hold them.
// Only values that are long enough not to occur by chance are searched.
func (j *judge) leakedElsewhere(truth []Truth) map[string]bool {
	n := newNeedles()
	planted := map[string]map[place]bool{}
	for _, t := range truth {
		if !t.Action.Removes() || t.Action == Year || !searchable(t.Value) {
			continue
		}
		if planted[t.Value] == nil {
			planted[t.Value] = map[place]bool{}
			n.add(t.Value)
		}
		planted[t.Value][place{t.File, t.Line}] = true
	}
	leaked := map[string]bool{}
	for at, r := range j.records {
		for _, s := range r.texts {
			n.in(s, func(value string) {
				if !planted[value][at] {
					leaked[value] = true
				}
			})
		}
	}
	j.Elsewhere = len(leaked)
	return leaked
}

// MarshalJSON writes a fault as the action that failed.
func (f Fault) MarshalJSON() ([]byte, error) { return json.Marshal(f.Truth) }
