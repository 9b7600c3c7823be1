// Package deid removes what identifies a person from FHIR R4 resources. A
// rule file names, element by element, everything that may stay and in which
// form; whatever it does not name is dropped.
//
// The main call is [Engine.Process]: NDJSON in, NDJSON and a [Report] out, in
// the order of the input and in bounded memory (package stream). The preset
// safe-harbor follows 45 CFR 164.514(b)(2). The package does not read free
// text: it drops it. It does not validate FHIR: an output is valid where the
// input was, apart from required elements that the rules remove and say so.
package deid

//go:generate go run presets/generate.go
//go:generate go run generate.go

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"io"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/steps"
)

// Options are the settings of one job.
type Options = stream.Options

// Report says what became of a job's records.
type Report = stream.Report

// Reject names a record that is not in the output.
type Reject = stream.Reject

// Process de-identifies the records of in to out, as stream.Process does.
func (e *Engine) Process(ctx context.Context, in io.Reader, out io.Writer, o Options) (*Report, error) {
	return stream.Process(ctx, e, in, out, o)
}

var (
	_ stream.Engine       = (*Engine)(nil)
	_ stream.BundleWorker = (*transformer)(nil)
)

// Types returns the names of the resource types that the rules know.
func (e *Engine) Types() []string { return e.types }

// NewWorker returns a worker for a job. A job without the keys that the rules
// use has none: see Keys.
func (e *Engine) NewWorker(j *stream.Job) (stream.Worker, error) {
	if err := e.checkKeys(j.Values); err != nil {
		return nil, err
	}
	t := &transformer{scanner: scanner{max: j.MaxNesting, steps: steps.New(j.Done)}, engine: e, year: j.ReferenceDate.Year(), asOf: j.ReferenceDate}
	if e.keyed {
		t.keyed = newKeyed(j.Values[PseudonymKey])
	}
	if e.shifts {
		t.shifter = &shifter{hmac.New(sha256.New, j.Values[ShiftKey])}
	}
	return t, nil
}
