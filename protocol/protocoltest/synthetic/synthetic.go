// Package synthetic generates FHIR R4 records of people who do not exist, with identifiers in the places where real exports
// hide them, for the demonstration and for tests.
package synthetic

import (
	"errors"
	"io"
)

// Options says how much to generate. The zero value means the defaults.
type Options struct {
	Patients int    // default 25
	Seed     uint64 // default 1; the same seed gives the same bytes
}

// Types returns the resource types that Generate writes.
func Types() []string { return nil }

// Generate writes NDJSON, one writer per resource type.
func Generate(w func(resourceType string) io.Writer, o Options) error {
	return errors.New("synthetic: unfinished")
}

// Canaries returns the identifying strings that Generate plants with these options.
func Canaries(o Options) []string { return nil }
