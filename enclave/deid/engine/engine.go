// Package engine finds the engine that a pipeline's rules need.
//
// The main call is [Set.Compile]. A program lists the engines that it holds as a [Set]; this
// package links none of them. Rule files (package deid) begin with "anchorhold: rules/v1"; rules
// that begin with a brace are a configuration of Microsoft's FHIR anonymizer (package anonymizer).
// Package engines has the set of all, for tools outside the enclave.
package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"anchorhold/enclave/deid/stream"
)

// Kind names an engine, in errors and on the command line.
type Kind string

const (
	// FHIRRules is the engine of rule files.
	FHIRRules Kind = "fhir-rules"
	// Microsoft is the engine of configurations of Microsoft's FHIR anonymizer.
	Microsoft Kind = "microsoft"
)

// ErrMissing is returned by Set.Compile for rules whose engine is not in the set.
var ErrMissing = errors.New("engine is not in this program")

// Source compiles the rules of one kind.
type Source struct {
	kind    Kind
	compile func(rules []byte) (stream.Engine, error)
}

// Of makes a Source of an engine's Compile function.
func Of[E stream.Engine](kind Kind, compile func(rules []byte) (E, error)) Source {
	return Source{kind, func(rules []byte) (stream.Engine, error) {
		e, err := compile(rules)
		if err != nil {
			return nil, err // and not an E that is nil
		}
		return e, nil
	}}
}

// Set is the engines of a program.
type Set []Source

// Compile reads the rules of a pipeline. Its error names every fault, or is ErrMissing.
func (s Set) Compile(rules []byte) (stream.Engine, error) {
	kind := KindOf(rules)
	for _, source := range s {
		if source.kind != kind {
			continue
		}
		return source.compile(rules)
	}
	return nil, fmt.Errorf("%w: the rules need %s, the program has %s", ErrMissing, kind, s)
}

// String lists the kinds of the set.
func (s Set) String() string {
	if len(s) == 0 {
		return "no engine"
	}
	kinds := make([]string, len(s))
	for i, source := range s {
		kinds[i] = string(source.kind)
	}
	return strings.Join(kinds, ", ")
}

// KindOf returns the kind of engine that rules need. It does not check the rules.
func KindOf(rules []byte) Kind {
	if IsConfiguration(rules) {
		return Microsoft
	}
	return FHIRRules
}

// IsConfiguration reports whether rules are JSON, and so a configuration of Microsoft's FHIR
// anonymizer. No rule file begins with a brace.
func IsConfiguration(rules []byte) bool {
	rest := bytes.TrimLeft(bytes.TrimPrefix(rules, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(rest) > 0 && rest[0] == '{'
}
