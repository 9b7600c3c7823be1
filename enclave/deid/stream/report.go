package stream

// maxRejects is how many rejected records the report names, SPEC 5.1.
const maxRejects = 10_000

// NotProven is what the report says of itself: counts show that rules were applied, not that they
// are the right ones.
const NotProven = "This report shows which rules were applied to how many values, those of a data type under its name (Address.postalCode), wherever it stands. It does not prove that the rules name every element " +
	"that can identify a person, that no coded or numeric value that stays does so alone or with others (45 CFR 164.514(b)(2)(ii)), or that " +
	"the records say nothing through their order, number or time. It holds names of members and places in records, which may identify: " +
	"keep it as the records are kept."

// Report says what became of a job's records (SPEC 5.1). Of records it holds names of members, in
// Unknown and in the pointers of Rejects, bounded in number and length; it is for the sealed result
// alone.
type Report struct {
	RecordsIn       int64  `json:"records_in"`
	RecordsOut      int64  `json:"records_out"`
	RecordsRejected int64  `json:"records_rejected"`
	ReferenceDate   string `json:"reference_date"`
	// what the rules say that use of the output takes
	Requires string `json:"requires,omitempty"`
	// a Bundle is one record, not as many as its entries
	WholeBundles   bool                  `json:"whole_bundles,omitempty"`
	ByType         map[string]TypeCounts `json:"by_type"`
	ByRule         []RuleCounts          `json:"by_rule"`
	Unknown        []Dropped             `json:"unknown"`
	UnknownOmitted int64                 `json:"unknown_omitted"`
	RejectCodes    map[string]int64      `json:"reject_codes"`
	Rejects        []Reject              `json:"rejects"`
	RejectsOmitted int64                 `json:"rejects_omitted"`
	NotProven      string                `json:"not_proven"`
}

// TypeCounts counts the records of one resource type.
type TypeCounts struct {
	In  int64 `json:"in"`
	Out int64 `json:"out"`
}

// RuleCounts counts the values that one rule was applied to.
type RuleCounts struct {
	Letters string `json:"letters"` // identifiers of 164.514(b)(2)(i) that the rule is there for
	Path    string `json:"path"`
	Method  string `json:"method"`
	Count   int64  `json:"count"`
	Removed int64  `json:"removed"` // of which nothing stays
}

// Dropped counts a member that no rule names.
type Dropped struct {
	Path  string `json:"path"`
	Count int64  `json:"count"`
}

// Reject names a record that is not in the output.
type Reject struct {
	Line    int64  `json:"line"`    // from 1
	Code    string `json:"code"`    // SPEC 9
	Pointer string `json:"pointer"` // RFC 6901: the place in the record, "" for all of it
}

func (r *Report) addCode(c string, n int64) {
	if r.RejectCodes == nil {
		r.RejectCodes = map[string]int64{}
	}
	r.RejectCodes[c] += n
}
