package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"anchorhold/enclave/deid"
)

// fhirChecks judge outputs of the presets by a validator that is not ours.
func (l *lab) fhirChecks() []check {
	if l.options.vectors == "" {
		return nil
	}
	needed := map[string]bool{}
	checks := []check{{"FHIR", "the validator finds what is wrong", l.validatorWorks}}
	for _, s := range []*set{{name: "examples of R4", read: l.examples}, {name: "Synthea", read: l.synthea}, {name: "Synthea in Bundles", read: l.bundles}} {
		checks = append(checks, check{"FHIR", s.name + " as they are", func(ctx context.Context) (string, error) { return l.validateInput(ctx, s) }})
		for _, preset := range deid.Presets() {
			checks = append(checks, check{"FHIR", s.name + " through " + preset, func(ctx context.Context) (string, error) {
				return l.validateOutput(ctx, preset, s, needed)
			}})
		}
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

// set is records, and what the validator says of each as it is.
type set struct {
	name    string
	read    func() ([][]byte, error)
	records [][]byte
	faults  [][]string
}

func (l *lab) validateInput(ctx context.Context, s *set) (detail string, err error) {
	if s.records, err = s.read(); err != nil {
		return "", err
	}
	if s.faults, err = l.validate(ctx, s.records); err != nil {
		return "", err
	}
	invalid, bundles := 0, 0
	for i, f := range s.faults {
		invalid += min(1, len(f))
		if isBundle(s.records[i]) {
			bundles++
		}
	}
	if len(s.records) < 100 && bundles < 10 {
		return "", fmt.Errorf("got %d records, want more", len(s.records))
	}
	return fmt.Sprintf("%d records, %d of them Bundles; %d not valid", len(s.records), bundles, invalid), nil
}

// validateOutput wants of every record whose input is valid R4 a valid output, apart from what is
// listed. A Bundle is judged as a whole, with all that is in it.
func (l *lab) validateOutput(ctx context.Context, preset string, s *set, needed map[string]bool) (string, error) {
	out, lines, rejected, err := deidentify(ctx, preset, s.records)
	if err != nil {
		return "", err
	}
	after, err := l.validate(ctx, out)
	if err != nil {
		return "", err
	}
	if len(after) == 0 || len(s.faults) != len(s.records) {
		return "", errors.New("nothing came out, or the input has not been judged")
	}
	var faults []string
	valid, lacking := 0, 0
	for i, found := range after {
		if len(s.faults[lines[i]]) > 0 {
			continue
		}
		valid++
		for _, f := range found {
			path, err := lacks(f, out[i])
			if err != nil {
				return "", err
			}
			if slices.Contains(removed, path) {
				needed[path] = true
			} else {
				faults = append(faults, fmt.Sprintf("record %d: %s", lines[i]+1, path))
			}
		}
		lacking += min(1, len(found))
	}
	if len(faults) > 0 {
		return "", errors.New(strings.Join(faults, "\n"))
	}
	return fmt.Sprintf("%d records out, %d rejected by code; input valid: %d, of which %d lack a listed element", len(after), rejected, valid, lacking), nil
}

var (
	entries = regexp.MustCompile(`Bundle\.entry\[([0-9]+)\]\.resource`)
	places  = regexp.MustCompile(`\[[0-9]+\]`)
	missing = regexp.MustCompile(`^Missing required property (\S+)`)
)

// lacks returns the element that a fault of a record says is missing, or the fault. What is wrong
// in an entry of a Bundle is wrong with the resource there.
func lacks(fault string, record []byte) (string, error) {
	if m := entries.FindStringSubmatchIndex(fault); m != nil {
		var b struct {
			Entry []struct{ Resource struct{ ResourceType string } }
		}
		n, err := strconv.Atoi(fault[m[2]:m[3]])
		if err == nil {
			err = json.Unmarshal(record, &b)
		}
		if err != nil || n >= len(b.Entry) {
			return "", fmt.Errorf("no such entry: %s (%w)", fault, err)
		}
		fault = fault[:m[0]] + b.Entry[n].Resource.ResourceType + fault[m[1]:]
	}
	fault = places.ReplaceAllString(fault, "")
	if m := missing.FindStringSubmatch(fault); m != nil {
		return m[1], nil
	}
	return fault, nil
}

// validatorWorks makes sure that a validator that finds nothing wrong with an output would have
// found it: in a record, and in a Bundle.
func (l *lab) validatorWorks(ctx context.Context) (string, error) {
	patient, observation := `{"resourceType":"Patient","gender":"x","birthDate":"1 May"}`, `{"resourceType":"Observation","status":"final"}`
	bundle := `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":%s}]}`
	nonsense := [][]byte{[]byte(patient), []byte(observation), fmt.Appendf(nil, bundle, patient), fmt.Appendf(nil, bundle, observation), []byte(`{"resourceType":"Bundle"}`)}
	found, err := l.validate(ctx, nonsense)
	if err != nil || len(found) != len(nonsense) {
		return "", fmt.Errorf("got %v, %w", found, err)
	}
	for i, f := range found {
		if len(f) == 0 {
			return "", fmt.Errorf("the validator takes %s for valid", nonsense[i])
		}
	}
	path, err := lacks(found[3][0], nonsense[3])
	if want := "Observation.code"; path != want {
		return "", fmt.Errorf("an Observation without code in a Bundle lacks %q, want %s (%w)", path, want, err)
	}
	return fmt.Sprintf("%d records of nonsense", len(nonsense)), nil
}

func (l *lab) examples() ([][]byte, error) { return l.lines("hl7-r4-examples", "*.ndjson.gz") }

func (l *lab) synthea() ([][]byte, error) { return l.lines("synthea", "*", "*.ndjson.gz") }

// bundles are the records of Synthea in the form in which it writes those of a patient: a
// transaction whose entries refer to each other by urn:uuid.
func (l *lab) bundles() ([][]byte, error) {
	records, err := l.lines("synthea", "10", "*.ndjson.gz")
	if err != nil {
		return nil, err
	}
	references := regexp.MustCompile(`"reference":"[A-Z][A-Za-z]+/([0-9a-f-]+)"`)
	patients := regexp.MustCompile(`"(?:subject|patient)":\{"reference":"Patient/([0-9a-f-]+)"`)
	byPatient := map[string][]byte{}
	for _, r := range records {
		var head struct{ ResourceType, ID string }
		if err := json.Unmarshal(r, &head); err != nil {
			return nil, err
		}
		whose := "others"
		if head.ResourceType == "Patient" {
			whose = head.ID
		} else if m := patients.FindSubmatch(r); m != nil {
			whose = string(m[1])
		}
		byPatient[whose] = fmt.Appendf(byPatient[whose], `,{"fullUrl":"urn:uuid:%s","resource":%s,"request":{"method":"POST","url":"%s"}}`, head.ID,
			references.ReplaceAll(bytes.TrimSpace(r), []byte(`"reference":"urn:uuid:$1"`)), head.ResourceType)
	}
	var all [][]byte
	for _, whose := range slices.Sorted(maps.Keys(byPatient)) {
		all = append(all, append(append([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[`), byPatient[whose][1:]...), "]}"...))
	}
	return all, nil
}

func isBundle(record []byte) bool { return bytes.HasPrefix(record, []byte(`{"resourceType":"Bundle"`)) }

// lines reads records of the published vectors.
func (l *lab) lines(pattern ...string) ([][]byte, error) {
	names, err := files(append([]string{l.options.vectors}, pattern...)...)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err == nil {
			b, err = io.ReadAll(z)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, bytes.Split(bytes.TrimSpace(b), []byte{'\n'})...)
	}
	return all, nil
}

// deidentify runs a preset on each record by itself. It returns what comes out, of which record of
// the input each is, and how many records, or entries of Bundles, were rejected.
func deidentify(ctx context.Context, preset string, in [][]byte) (out [][]byte, lines []int, rejected int64, err error) {
	rules, err := deid.Preset(preset)
	if err != nil {
		return nil, nil, 0, err
	}
	e, err := deid.Compile(rules)
	if err != nil {
		return nil, nil, 0, err
	}
	for i, record := range in {
		var one bytes.Buffer
		report, err := e.Process(ctx, bytes.NewReader(record), &one, deid.Options{
			ReferenceDate: "2026-12-31", SurrogateKey: [32]byte{1}, Workers: 1,
			Values: map[string][]byte{deid.PseudonymKey: bytes.Repeat([]byte{2}, 32), deid.ShiftKey: bytes.Repeat([]byte{3}, 32)},
		})
		if err != nil {
			return nil, nil, 0, err
		}
		if rejected += report.RecordsRejected; report.RecordsIn == 0 && !isBundle(record) {
			return nil, nil, 0, fmt.Errorf("record %d is neither out nor rejected", i+1)
		}
		if one.Len() > 0 {
			out, lines = append(out, bytes.TrimSpace(one.Bytes())), append(lines, i)
		}
	}
	return out, lines, rejected, nil
}

// validate returns for each record what is wrong with it.
func (l *lab) validate(ctx context.Context, records [][]byte) ([][]string, error) {
	script, err := filepath.Abs("fhir.mjs")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, l.options.node, script)
	cmd.Dir = l.options.modules
	out, err := output(cmd, bytes.NewReader(bytes.Join(records, []byte{'\n'})))
	if err != nil {
		return nil, err
	}
	var found [][]string
	return found, json.Unmarshal(out, &found)
}
