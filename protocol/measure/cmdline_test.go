package measure_test

import (
	"os"
	"strings"
	"testing"

	"anchorhold/protocol/measure"
)

// Builder, program and reviewer must mean the same command line: the specification states it byte
// for byte, and REPRODUCE.md explains each word of it.
func TestCommandLineIsSpecified(t *testing.T) {
	spec, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(spec), "`"+measure.CommandLine+"`") {
		t.Errorf("SPEC.md does not state the command line %q", measure.CommandLine)
	}
	reasons, err := os.ReadFile("../../eif/REPRODUCE.md")
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(measure.CommandLine) {
		if !strings.Contains(string(reasons), "`"+word+"`") {
			t.Errorf("eif/REPRODUCE.md does not say what %s is for", word)
		}
	}
}
