package opening

import (
	"encoding/json"
	"slices"
	"strings"

	"anchorhold/protocol/code"
	"anchorhold/protocol/receipt"
)

// Report is the sealed report (SPEC 5.1) and what was written.
type Report struct {
	RecordsIn       uint64            `json:"records_in"`
	RecordsOut      uint64            `json:"records_out"`
	RecordsRejected uint64            `json:"records_rejected"`
	ReferenceDate   string            `json:"reference_date"`
	WholeBundles    bool              `json:"whole_bundles,omitempty"`
	ByType          map[string]Counts `json:"by_type"`
	ByRule          []RuleCounts      `json:"by_rule"`
	Unknown         []Dropped         `json:"unknown"`
	UnknownOmitted  uint64            `json:"unknown_omitted"`
	RejectCodes     map[string]uint64 `json:"reject_codes"`
	Rejects         []Reject          `json:"rejects"`
	RejectsOmitted  uint64            `json:"rejects_omitted"`
	NotProven       string            `json:"not_proven"`

	Files []File `json:"-"`
}

// Counts are those of one resource type.
type Counts struct {
	In  uint64 `json:"in"`
	Out uint64 `json:"out"`
}

// RuleCounts says how many values one rule was applied to, and how many of them it removed.
type RuleCounts struct {
	Letters string `json:"letters"` // identifiers of 45 CFR 164.514(b)(2)(i)
	Path    string `json:"path"`
	Method  string `json:"method"`
	Count   uint64 `json:"count"`
	Removed uint64 `json:"removed"`
}

// Dropped is a member that no rule names.
type Dropped struct {
	Path  string `json:"path"`
	Count uint64 `json:"count"`
}

// Reject is one rejected line of the input stream.
type Reject struct {
	Line    int64       `json:"line"`
	Code    code.Record `json:"code"`
	Pointer string      `json:"pointer"`
}

// File is one file that was written.
type File struct {
	Name    string
	Records uint64
	whole   uint64 // records, when a Bundle is one
}

// Written returns the files with their records; nil for no report.
func (r *Report) Written() map[string]uint64 {
	if r == nil {
		return nil
	}
	files := make(map[string]uint64, len(r.Files))
	for _, f := range r.Files {
		files[f.Name] = f.Records
	}
	return files
}

// Dropped counts the values that were dropped because no rule names them.
func (r *Report) Dropped() uint64 {
	n := r.UnknownOmitted
	for _, u := range r.Unknown {
		n += u.Count
	}
	return n
}

// LetterCounts sums up the rules that are there for one identifier.
type LetterCounts struct {
	Letter         string
	Count, Removed uint64
}

// ByLetter sums up ByRule. A rule with several letters counts for each.
func (r *Report) ByLetter() []LetterCounts {
	var sums [18]LetterCounts
	for _, c := range r.ByRule {
		for _, l := range strings.Split(c.Letters, ",") {
			if len(l) != 1 || l[0] < 'A' || l[0] > 'R' {
				continue
			}
			s := &sums[l[0]-'A']
			s.Letter, s.Count, s.Removed = l, s.Count+c.Count, s.Removed+c.Removed
		}
	}
	return slices.DeleteFunc(sums[:], func(s LetterCounts) bool { return s.Letter == "" })
}

// parseReport reads the report and compares it with the records in hand and with the receipt's
// bucketed counts.
func parseReport(b []byte, files []File, leaf *receipt.Leaf) (*Report, error) {
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, refuse("malformed report")
	}
	written := uint64(0)
	for i := range files {
		if r.WholeBundles {
			files[i].Records = files[i].whole
		}
		written += files[i].Records
	}
	if r.RecordsOut != written {
		return nil, refuse("report counts %d records, the result holds %d", r.RecordsOut, written)
	}
	for _, c := range []struct {
		name         string
		exact, leafs uint64
	}{
		{"records_in", r.RecordsIn, leaf.RecordsIn},
		{"records_out", r.RecordsOut, leaf.RecordsOut},
		{"records_rejected", r.RecordsRejected, leaf.RecordsRejected},
	} {
		if receipt.Bucket(c.exact) != c.leafs {
			return nil, refuse("%s: the report counts %d, which the receipt's %d does not fit", c.name, c.exact, c.leafs)
		}
	}
	r.Files = files
	return &r, nil
}
