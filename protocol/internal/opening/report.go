package opening

import (
	"encoding/json"

	"anchorhold/protocol/code"
	"anchorhold/protocol/receipt"
)

// Report is the sealed report (SPEC 5.1) and what was written.
type Report struct {
	RecordsIn       uint64            `json:"records_in"`
	RecordsOut      uint64            `json:"records_out"`
	RecordsRejected uint64            `json:"records_rejected"`
	ReferenceDate   string            `json:"reference_date"`
	ByType          map[string]Counts `json:"by_type"`
	Rejects         []Reject          `json:"rejects"`
	RejectsOmitted  uint64            `json:"rejects_omitted"`

	Files []File `json:"-"`
}

// Counts are those of one resource type.
type Counts struct {
	In  uint64 `json:"in"`
	Out uint64 `json:"out"`
}

// Reject is one rejected line of the input stream.
type Reject struct {
	Line int64       `json:"line"`
	Code code.Record `json:"code"`
}

// File is one file that was written.
type File struct {
	Type    string
	Records uint64
}

// parseReport reads the report and compares it with the records in hand and with the receipt's bucketed counts.
func parseReport(b []byte, written uint64, leaf *receipt.Leaf) (*Report, error) {
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, refuse("malformed report")
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
	return &r, nil
}
