// Package engines compiles rules of every kind, for tools outside the enclave and for development.
//
// The main call is [Compile]. Its Engine also describes the rules to their author and reviewer. An
// enclave program does not import it: it lists the engines that its image needs.
package engines

import (
	"context"
	"io"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/deid/stream"
)

// All returns every engine.
func All() engine.Set {
	return engine.Set{engine.Of(engine.FHIRRules, deid.Compile), engine.Of(engine.Microsoft, anonymizer.Compile)}
}

// Engine is compiled rules. It is immutable and may be shared.
type Engine struct{ rules stream.Engine }

// Compile reads the rules of a pipeline, of any kind. Its error names every fault.
func Compile(rules []byte) (*Engine, error) {
	e, err := All().Compile(rules)
	if err != nil {
		return nil, err
	}
	return &Engine{e}, nil
}

// Extends is the name of the preset that rules extend, and the lines that they add to it. It is
// empty for other rules.
func (e *Engine) Extends() (preset string, additions []string) {
	if d, ok := e.rules.(interface {
		Extends() string
		Additions() []string
	}); ok {
		return d.Extends(), d.Additions()
	}
	return "", nil
}

// Warnings says what the author of the rules should know. It is empty for rules that promise
// nothing more than they do.
func (e *Engine) Warnings() []string {
	if w, ok := e.rules.(interface{ Warnings() []string }); ok {
		return w.Warnings()
	}
	return nil
}

// Process de-identifies the records of in to out, as stream.Process does.
func (e *Engine) Process(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error) {
	return stream.Process(ctx, e.rules, in, out, o)
}

// Rules is the table of the rules: each with its identifier of 45 CFR 164.514(b)(2)(i).
func (e *Engine) Rules() []stream.Rule { return e.rules.Rules() }

// DefaultDeny reports whether what no rule names is dropped.
func (e *Engine) DefaultDeny() bool { return e.rules.DefaultDeny() }

// Requires says what using the output also requires, or nothing: see deid.Engine.Requires.
func (e *Engine) Requires() string {
	if r, ok := e.rules.(interface{ Requires() string }); ok {
		return r.Requires()
	}
	return ""
}

// Keys are the names of the values that a job's parameters must hold.
func (e *Engine) Keys() []string {
	if r, ok := e.rules.(interface{ Keys() []string }); ok {
		return r.Keys()
	}
	return nil
}

// Stream returns what package stream runs.
func (e *Engine) Stream() stream.Engine { return e.rules }
