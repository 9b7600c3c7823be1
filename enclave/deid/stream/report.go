package stream

// maxRejects is how many rejected records the report names, SPEC 5.1.
const maxRejects = 10_000

// Report says what became of a job's records (SPEC 5.1). It holds no content:
// record types are those that the rules name.
type Report struct {
	RecordsIn       int64                 `json:"records_in"`
	RecordsOut      int64                 `json:"records_out"`
	RecordsRejected int64                 `json:"records_rejected"`
	ReferenceDate   string                `json:"reference_date"`
	ByType          map[string]TypeCounts `json:"by_type"`
	Rejects         []Reject              `json:"rejects"`
	RejectsOmitted  int64                 `json:"rejects_omitted"`
}

// TypeCounts counts the records of one resource type.
type TypeCounts struct {
	In  int64 `json:"in"`
	Out int64 `json:"out"`
}

// Reject names a record that is not in the output.
type Reject struct {
	Line int64  `json:"line"` // from 1
	Code string `json:"code"` // SPEC 9
}
