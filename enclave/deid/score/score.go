// Package score measures how well a tool de-identifies FHIR R4 records. Generate writes a
// benchmark: records of people who do not exist, with identifiers planted where real exports hide
// them and clinical content between them, and a file that says of every value what must become of
// it. Judge compares a tool's output with that file.
//
// README.md specifies the files, so that any tool can be scored. The scores count planted values
// only: a recall of 100 % shows that these values were removed, not that nothing else identifies a
// person.
package score

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// ReferenceDate is the day that ages in the benchmark count to. A tool that needs such a day must
// be given this one.
const ReferenceDate = "2026-12-31"

// TruthFile is the name of the file of required actions in a benchmark's folder.
const TruthFile = "truth.ndjson"

// Letters are the identifiers of 45 CFR 164.514(b)(2)(i), in order.
const Letters = "ABCDEFGHIJKLMNOPQR"

// An Action says what must become of a value.
type Action string

const (
	// Remove: the value must not occur in the output record, in any spelling that Judge knows.
	Remove Action = "remove"
	// Year: of a date, no more than the year may stay.
	Year Action = "year"
	// Zip3: of a ZIP code, no more than the first three digits may stay.
	Zip3 Action = "zip3"
	// Replace: the id must be gone. What replaces it must be the same wherever the id was, see
	// Link.
	Replace Action = "replace"
	// Keep: the value must still be there, under the same member names.
	Keep Action = "keep"
	// KeepPrefix: a value that begins with this one must be there, under the same member names.
	KeepPrefix Action = "keep-prefix"
	// Link: a reference must still lead to the record whose id it held.
	Link Action = "link"
)

// Removes reports whether the action takes an identifier away; the others keep something useful.
func (a Action) Removes() bool { return a == Remove || a == Year || a == Zip3 || a == Replace }

// Truth is a line of the file of required actions.
type Truth struct {
	File    string `json:"file"`             // of the input and of the output
	Line    int    `json:"line"`             // from 1, in both
	Pointer string `json:"pointer"`          // RFC 6901, in the input record
	Letter  string `json:"letter,omitempty"` // A to R, for the actions that remove
	Kind    string `json:"kind,omitempty"`   // of content, for the actions that keep
	Action  Action `json:"action"`
	Value   string `json:"value"` // a number as it is written in the input
}

// ReadTruth reads a file of required actions. Its errors name the line.
func ReadTruth(r io.Reader) ([]Truth, error) {
	var all []Truth
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	for {
		var t Truth
		if err := d.Decode(&t); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("malformed truth, entry %d: %w", len(all)+1, err)
		}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("invalid truth, entry %d: %w", len(all)+1, err)
		}
		all = append(all, t)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no required action: the file of required actions is empty")
	}
	return all, nil
}

func (t Truth) check() error {
	switch t.Action {
	case Remove, Year, Zip3, Replace:
		if len(t.Letter) != 1 || !strings.Contains(Letters, t.Letter) {
			return fmt.Errorf("letter is %q, want A to R", t.Letter)
		}
	case Keep, KeepPrefix, Link:
		if t.Kind == "" {
			return fmt.Errorf("action %s without a kind", t.Action)
		}
	default:
		return fmt.Errorf("unknown action %q", t.Action)
	}
	if t.Line < 1 || t.File == "" || t.Value == "" {
		return fmt.Errorf("file, line and value are required")
	}
	return nil
}
