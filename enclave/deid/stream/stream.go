// Package stream carries a job's records through compiled de-identification rules: on all cores, in
// the order of the input, in bounded memory. It cuts the input into records, judges their JSON,
// numbers surrogates, keeps limits and counts; what becomes of a resource is for the rules to say,
// of whatever kind they are.
//
// The main call is [Process]. Its formats are those of protocol/SPEC.md, 3.1 and 5. It promises
// nothing about what the rules leave in a resource.
package stream

//go:generate go run generate.go

import (
	"io"
	"time"

	"anchorhold/protocol/code"
)

// Engine is what compiled rules offer. It is immutable and shared by the jobs of a pipeline.
type Engine interface {
	// Types are the names of the resource types that the report may name. They are of the rules,
	// never of a record.
	Types() []string
	// Rules is the table of the rules, and DefaultDeny whether what no rule names is dropped.
	Rules() []Rule
	DefaultDeny() bool
	// Surrogates says whether workers replace identifiers by surrogates, counted or keyed: else no
	// crosswalk can be asked for.
	Surrogates() bool
	// NewWorker returns what one goroutine of a job works with. Errors carry a code of SPEC 9 and
	// no secret.
	NewWorker(j *Job) (Worker, error)
}

// Worker rewrites the resources of one job. It belongs to one goroutine.
type Worker interface {
	// Resource appends to dst what the rules leave of r, one line without its end, and returns dst
	// and a verdict. r is valid JSON of any kind, without duplicate names, with valid UTF-8, and is
	// not to be kept or changed; nothing has judged its depth. What was appended counts only when
	// the verdict has no code. The same r always gives the same bytes, whatever came before.
	Resource(dst, r []byte, s *Sink) ([]byte, Verdict)
	// Forget zeroes the secrets that the worker holds. It is the last call.
	Forget()
}

// Verdict is what became of a record.
type Verdict struct {
	Type int         // place in Types, or -1
	Code code.Record // why the record is rejected; "" when it is not
	At   int         // where in r the reason begins, for a place to point to
	Stop bool        // the rules have the whole job fail with a record that is rejected
	// Steps is the work that the record took, in steps of the engine: the same for the same record,
	// and bounded by its length.
	Steps int
}

// Job is what a worker may know of its job.
type Job struct {
	ReferenceDate time.Time
	MaxNesting    int               // JSON depth that is accepted
	Values        map[string][]byte // secrets of the parameters message, by name
	// Done is closed when the job ends. Workers look at it within a record: see package steps.
	Done <-chan struct{}
	key  *[32]byte
}

// Secret derives a key of the job for one use: the same message and label always give the same
// (invariant 7). Labels begin with "anchorhold/v1 ". The caller zeroes it.
func (j *Job) Secret(label string) [32]byte { return derive(j.key, label) }

// Options are the settings of one job.
type Options struct {
	// ReferenceDate, YYYY-MM-DD, is the day that ages are counted to. Required:
	// nothing here reads a clock.
	ReferenceDate string
	// SurrogateKey makes the surrogates of this job. Secret; the same key and
	// input give the same output, byte for byte.
	SurrogateKey [32]byte
	// Message says that the input is one resource or one Bundle
	// (application/fhir+json), not lines (application/fhir+ndjson).
	Message bool
	// Raise fails the job at the first rejected record.
	Raise bool
	// MaxRecord is the length in bytes of the longest line that is read;
	// 0 means 8 MiB.
	MaxRecord int
	// MaxNesting is the JSON depth that is accepted; 0 means 64.
	MaxNesting int
	// Room is the memory for records that jobs share; nil means one of its own,
	// of a machine whose memory is not known.
	Room *Room
	// MaxRecords bounds the records of the job; 0 means 100,000,000.
	MaxRecords int64
	// MaxIdentifiers bounds the distinct identifiers of the job, and with
	// them the memory it takes; 0 means 20,000,000.
	MaxIdentifiers int64
	// Workers is the number of goroutines that transform; 0 means GOMAXPROCS.
	Workers int
	// Values are the secrets of a parameters message, by name.
	Values map[string][]byte
	// Earlier is the crosswalk of an earlier job (SPEC 5.3), whose identifiers
	// keep their surrogates; it is read to its end before the records. Nil: none.
	Earlier io.Reader
	// Crosswalk gets the identifiers and surrogates of this job. Nil: unwanted.
	Crosswalk io.Writer
}
