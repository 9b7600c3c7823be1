// Package engine turns a pipeline's rules, of whatever kind, into what runs them.
//
// The main call is [Compile]. Rule files (package deid) begin with "anchorhold: rules/v1".
package engine

import (
	"context"
	"io"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/stream"
)

// Engine is compiled rules. It is immutable and may be shared.
type Engine struct{ rules stream.Engine }

// Compile reads the rules of a pipeline. Its error names every fault.
func Compile(rules []byte) (*Engine, error) {
	e, err := deid.Compile(rules)
	if err != nil {
		return nil, err
	}
	return &Engine{e}, nil
}

// Process de-identifies the records of in to out, as stream.Process does.
func (e *Engine) Process(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error) {
	return stream.Process(ctx, e.rules, in, out, o)
}
