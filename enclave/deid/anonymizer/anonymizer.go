// Package anonymizer runs configurations of Microsoft's FHIR anonymizer (Tools for Health Data Anonymization, FHIR R4) as that tool
// runs them, so that a pipeline can keep the configuration it has.
//
// [Compile] reads a configuration and refuses what can't be honoured exactly; the Engine that it returns runs in package stream.
// SPEC 8.1 has the formats. Configurations hold keys and policies must not: [Split] takes them apart.
//
// As upstream: rules run in their order on the resource as earlier ones left it, an element is changed once, a keep on a child
// survives what later happens to its parent, each resource in a Bundle or contained is a scope of its own, and what no rule names
// stays. That last makes it fit for compatibility and unfit for a preset: package deid drops what it doesn't know.
//
// Deviations, all on purpose: IVs and noise are derived from the job's key, the record and the place in it, not random (a record that
// occurs twice gets them twice); ages are counted to the job's reference date; elements of equal value are all changed, where the
// FHIRPath library of upstream takes a union of them for one; keys that are missing fail the job, where upstream makes some up;
// proportional noise for a negative value works.
//
// Danger: dateShift is upstream's. Its offset is an affine hash of id and key modulo 101, so one patient whose shift is known gives
// away the shifts of all, and offsets lie within 50 days. [Engine.Warnings] says so.
package anonymizer

import (
	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
)

// Engine is a compiled configuration. It is immutable and may be shared.
type Engine struct {
	rules    []*rule
	settings settings
	warnings []string
	// types and names are what rules ask of nodesByType and nodesByName in the form that is looked up.
	types, names map[string]bool
	kinds        map[string]int // places in Types
}

var _ stream.Engine = (*Engine)(nil)

// Warnings says what the author should know: rules that can never match, and methods that protect less than they seem to.
func (e *Engine) Warnings() []string { return e.warnings }

var resources = fhirpath.Resources()

// Types returns the resource types of FHIR R4.
func (e *Engine) Types() []string { return resources }

// Rules returns the configuration's rules, in its order.
func (e *Engine) Rules() []stream.Rule {
	table := make([]stream.Rule, len(e.rules))
	for i, r := range e.rules {
		table[i] = stream.Rule{Path: r.path, Method: r.method.String()}
	}
	return table
}

// DefaultDeny is false: what no rule names stays.
func (e *Engine) DefaultDeny() bool { return false }

// Surrogates is false: identifiers are hashed or encrypted, so that there is nothing for a crosswalk.
func (e *Engine) Surrogates() bool { return false }

// uses reports whether a rule has the method.
func (e *Engine) uses(m method) bool {
	for _, r := range e.rules {
		if r.method == m {
			return true
		}
	}
	return false
}

// A method is what a rule does.
type method uint8

const (
	keep method = iota
	redact
	dateShift
	cryptoHash
	encrypt
	substitute
	perturb
	generalize
)

// methods are their names, which upstream reads in any case of letters.
var methods = [...]string{"keep", "redact", "dateShift", "cryptoHash", "encrypt", "substitute", "perturb", "generalize"}

func (m method) String() string { return methods[m] }

// ops are the kinds of change that security labels tell.
type ops uint8

const (
	redacted ops = 1 << iota
	abstracted
	hashed
	encrypted
	perturbed
	substituted
	generalized
)
