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
	// types and names are what rules ask of nodesByType and nodesByName in the form that is looked
	// up, with the place of each in an index.
	types, names map[string]int
	kinds        map[string]int // places in Types
}

var _ stream.Engine = (*Engine)(nil)

// Warnings says what the author should know: rules that can never match, and methods that protect
// less than they seem to.
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

// Surrogates is false: identifiers are hashed or encrypted, so that there is nothing for a
// crosswalk.
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
