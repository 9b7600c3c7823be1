// Package deid removes what identifies a person from FHIR R4 resources. A
// rule file names, element by element, everything that may stay and in which
// form; whatever it does not name is dropped.
//
// The main call is [Engine.Process]: NDJSON in, NDJSON and a [Report] out, in
// the order of the input and in bounded memory. The preset safe-harbor follows
// 45 CFR 164.514(b)(2). The package does not read free text: it drops it. It
// does not validate FHIR: an output is valid where the input was, apart from
// required elements that the rules remove and say so.
package deid

// Options are the settings of one job.
type Options struct {
	// ReferenceDate, YYYY-MM-DD, is the day that ages are counted to. Required:
	// nothing here reads a clock.
	ReferenceDate string
	// SurrogateKey makes the surrogates of this job. Secret; the same key and
	// input give the same output, byte for byte.
	SurrogateKey [32]byte
	// Raise fails the job at the first rejected record.
	Raise bool
	// MaxRecord is the length in bytes of the longest line that is read;
	// 0 means 8 MiB.
	MaxRecord int
	// MaxNesting is the JSON depth that is accepted; 0 means 64.
	MaxNesting int
	// MaxRecords bounds the records of the job; 0 means 100,000,000.
	MaxRecords int64
	// MaxIdentifiers bounds the distinct identifiers of the job, and with
	// them the memory it takes; 0 means 20,000,000.
	MaxIdentifiers int64
	// Workers is the number of goroutines that transform; 0 means GOMAXPROCS.
	Workers int
	// Values are the secrets of a parameters message, by name.
	Values map[string][]byte
}
