package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"anchorhold/enclave/deid"
)

// fhirChecks judge outputs of the presets by a validator that is not ours.
func (l *lab) fhirChecks() []check {
	if l.options.vectors == "" {
		return nil
	}
	var x examples
	needed := map[string]bool{}
	checks := []check{{"FHIR", "examples of R4 as they are", func(ctx context.Context) (detail string, err error) {
		x, detail, err = l.examples(ctx)
		return detail, err
	}}}
	for _, preset := range deid.Presets() {
		checks = append(checks, check{"FHIR", "examples of R4 through " + preset, func(ctx context.Context) (string, error) {
			return l.validateOutput(ctx, preset, x, needed)
		}})
	}
	return append(checks, check{"FHIR", "every listed element is one that a preset removes", func(context.Context) (string, error) {
		var idle []string
		for _, r := range removed {
			if !needed[r] {
				idle = append(idle, r)
			}
		}
		if len(idle) > 0 {
			return "", fmt.Errorf("nothing removes %s", strings.Join(idle, ", "))
		}
		return fmt.Sprintf("%d elements", len(removed)), nil
	}})
}

// validateOutput wants of every record whose input is valid R4 a valid output, apart from what is listed.
func (l *lab) validateOutput(ctx context.Context, preset string, x examples, needed map[string]bool) (string, error) {
	out, report, err := deidentify(ctx, preset, x.records)
	if err != nil {
		return "", err
	}
	before := x.faults
	after, err := l.validate(ctx, out)
	if err != nil {
		return "", err
	}
	if len(after) != int(report.RecordsOut) || len(before) != int(report.RecordsIn) || len(after) == 0 {
		return "", fmt.Errorf("validator read %d and %d records, the engine %d and %d", len(before), len(after), report.RecordsIn, report.RecordsOut)
	}
	rejected := map[int64]bool{}
	for _, r := range report.Rejects {
		rejected[r.Line] = true
	}
	var faults []string
	line, valid, lacking := int64(0), 0, 0
	for _, found := range after {
		for line++; rejected[line]; line++ {
		}
		if len(before[line-1]) > 0 {
			continue
		}
		valid++
		for _, f := range found {
			if path := lacks(f); slices.Contains(removed, path) {
				needed[path] = true
			} else {
				faults = append(faults, fmt.Sprintf("line %d: %s", line, f))
			}
		}
		if len(found) > 0 {
			lacking++
		}
	}
	if len(faults) > 0 {
		return "", errors.New(strings.Join(faults, "\n"))
	}
	return fmt.Sprintf("%d records out, %d rejected by code; input valid: %d, of which %d lack a listed element", len(after), report.RecordsRejected, valid, lacking), nil
}

var (
	places  = regexp.MustCompile(`\[[0-9]+\]`)
	missing = regexp.MustCompile(`^Missing required property (\S+)`)
)

// lacks returns the element that a fault says is missing, or the fault.
func lacks(fault string) string {
	fault = places.ReplaceAllString(fault, "")
	if m := missing.FindStringSubmatch(fault); m != nil {
		return m[1]
	}
	return fault
}

// examples are those of the FHIR release, and what the validator says of each.
type examples struct {
	records []byte
	faults  [][]string
}

// examples leaves Bundles out: what comes of one are records of their own.
func (l *lab) examples(ctx context.Context) (x examples, detail string, err error) {
	names, err := files(l.options.vectors, "hl7-r4-examples", "*.ndjson.gz")
	if err != nil {
		return x, "", err
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return x, "", err
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return x, "", fmt.Errorf("%s: %w", name, err)
		}
		if b, err = io.ReadAll(z); err != nil {
			return x, "", fmt.Errorf("%s: %w", name, err)
		}
		for line := range bytes.Lines(b) {
			if !bytes.HasPrefix(line, []byte(`{"resourceType":"Bundle"`)) {
				x.records = append(x.records, line...)
			}
		}
	}
	if x.faults, err = l.validate(ctx, x.records); err != nil {
		return x, "", err
	}
	invalid := 0
	for _, f := range x.faults {
		invalid += min(1, len(f))
	}
	// A validator that finds nothing wrong with nonsense would find nothing wrong with an output.
	nonsense := `{"resourceType":"Patient","gender":"x","birthDate":"1 May"}` + "\n" + `{"resourceType":"Observation","status":"final"}` + "\n"
	bad, err := l.validate(ctx, []byte(nonsense))
	if err != nil || len(bad) != 2 || len(bad[0]) == 0 || len(bad[1]) == 0 {
		return x, "", fmt.Errorf("the validator takes nonsense for valid: %v, %w", bad, err)
	}
	return x, fmt.Sprintf("%d records, %d of them not valid", len(x.faults), invalid), nil
}

func deidentify(ctx context.Context, preset string, in []byte) ([]byte, *deid.Report, error) {
	rules, err := deid.Preset(preset)
	if err != nil {
		return nil, nil, err
	}
	e, err := deid.Compile(rules)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	report, err := e.Process(ctx, bytes.NewReader(in), &out, deid.Options{
		ReferenceDate: "2026-12-31", SurrogateKey: [32]byte{1},
		Values: map[string][]byte{deid.PseudonymKey: bytes.Repeat([]byte{2}, 32), deid.ShiftKey: bytes.Repeat([]byte{3}, 32)},
	})
	return out.Bytes(), report, err
}

// validate returns for each record what is wrong with it.
func (l *lab) validate(ctx context.Context, records []byte) ([][]string, error) {
	script, err := filepath.Abs("fhir.mjs")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, l.options.node, script)
	cmd.Dir = l.options.modules
	out, err := output(cmd, bytes.NewReader(records))
	if err != nil {
		return nil, err
	}
	var found [][]string
	return found, json.Unmarshal(out, &found)
}
