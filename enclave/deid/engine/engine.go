// Package engine turns a pipeline's rules, of whatever kind, into what runs them.
//
// The main call is [Compile]. Rule files (package deid) begin with "anchorhold: rules/v1"; what begins with a brace is a
// configuration of Microsoft's FHIR anonymizer (package anonymizer).
package engine

import (
	"bytes"
	"context"
	"io"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/stream"
)

// Engine is compiled rules. It is immutable and may be shared.
type Engine struct{ rules stream.Engine }

// Compile reads the rules of a pipeline. Its error names every fault.
func Compile(rules []byte) (*Engine, error) {
	var e stream.Engine
	var err error
	if IsConfiguration(rules) {
		e, err = anonymizer.Compile(rules)
	} else {
		e, err = deid.Compile(rules)
	}
	if err != nil {
		return nil, err
	}
	return &Engine{e}, nil
}

// IsConfiguration reports whether rules are JSON, and so a configuration of Microsoft's FHIR anonymizer. No rule file begins with
// a brace.
func IsConfiguration(rules []byte) bool {
	rest := bytes.TrimLeft(bytes.TrimPrefix(rules, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(rest) > 0 && rest[0] == '{'
}

// Extends is the name of the preset that rules extend, and the lines that they add to it. It is empty for other rules.
func (e *Engine) Extends() (preset string, additions []string) {
	if d, ok := e.rules.(*deid.Engine); ok {
		return d.Extends(), d.Additions()
	}
	return "", nil
}

// Warnings says what the author of the rules should know. It is empty for rules that promise nothing more than they do.
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

// Rules is the table of the rules: which stand for which identifier of 45 CFR 164.514(b)(2)(i).
func (e *Engine) Rules() []stream.Rule { return e.rules.Rules() }

// DefaultDeny reports whether what no rule names is dropped.
func (e *Engine) DefaultDeny() bool { return e.rules.DefaultDeny() }

// Requires says what use of the output takes beside the rules, or nothing: see deid.Engine.Requires.
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
