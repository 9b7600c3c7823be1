package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// validator is a program that reads records, one on each line, and prints the errors of each as a
// JSON array, or null if it does not know the record's type.
type validator struct {
	name    string
	command []string
	faults  [][]string // by record: the causes of its errors
}

// judge runs the validator over all records.
func (v *validator) judge(ctx context.Context, records [][]byte) error {
	cmd := exec.CommandContext(ctx, v.command[0], v.command[1:]...)
	cmd.Stdin = bytes.NewReader(append(bytes.Join(records, []byte("\n")), '\n'))
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(diagnostics.String()))
	}
	s := bufio.NewScanner(&out)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var errs [][3]string
		if err := json.Unmarshal(s.Bytes(), &errs); err != nil {
			return fmt.Errorf("record %d: malformed answer: %w", len(v.faults)+1, err)
		}
		causes := []string{}
		for _, e := range errs {
			causes = append(causes, cause(e))
		}
		slices.Sort(causes)
		v.faults = append(v.faults, slices.Compact(causes))
	}
	if err := s.Err(); err != nil {
		return err
	}
	if len(v.faults) != len(records) {
		return fmt.Errorf("got %d answers, want %d", len(v.faults), len(records))
	}
	return nil
}

func lastLine(s string) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return all[len(all)-1]
}

// valid reports whether a record has no error. A type that the validator does not know counts as
// valid before and after.
func (v *validator) valid(record int) bool { return len(v.faults[record]) == 0 }

var (
	minimum = regexp.MustCompile(`^([\w.\[\]]+): minimum required`)
	place   = regexp.MustCompile(`\.?\b\d+\b|\[\d+\]`)
)

// cause names an error without the place of the element in arrays: what is missing, or which rule
// is broken.
func cause(e [3]string) string {
	where, id, message := e[0], e[1], e[2]
	if m := minimum.FindStringSubmatch(message); m != nil {
		return "missing " + m[1]
	}
	if i := strings.LastIndex(id, "/"); i >= 0 { // the name of an invariant: a URL
		return id[i+1:]
	}
	return strings.ReplaceAll(strings.TrimSpace(id+" "+place.ReplaceAllString(where, "")), " ", "_")
}

// exceptions are causes that are allowed, by "VALIDATOR PRESET CAUSE"; an asterisk is any validator
// or any preset.
type exceptions struct {
	reasons map[string]string
	used    map[string]bool
}

// readExceptions reads lines "VALIDATOR PRESET CAUSE: REASON". Lines that begin with # are
// comments.
func readExceptions(path string) (*exceptions, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	x := &exceptions{reasons: map[string]string{}, used: map[string]bool{}}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, ": ")
		if fields := strings.SplitN(key, " ", 3); !ok || len(fields) != 3 || reason == "" {
			return nil, fmt.Errorf("%s:%d: want \"VALIDATOR PRESET CAUSE: REASON\"", path, n)
		}
		if x.reasons[key] != "" {
			return nil, fmt.Errorf("%s:%d: duplicate %q", path, n, key)
		}
		x.reasons[key] = reason
	}
	return x, nil
}

// unlisted returns the causes that no exception allows.
func (x *exceptions) unlisted(validator, preset string, causes []string) []string {
	var bad []string
	for _, c := range causes {
		listed := false
		for _, key := range []string{validator + " " + preset + " " + c, "* " + preset + " " + c, validator + " * " + c, "* * " + c} {
			if x.reasons[key] != "" {
				x.used[key], listed = true, true
			}
		}
		if !listed {
			bad = append(bad, c)
		}
	}
	return bad
}

// unused returns an error that names the exceptions that no record needed.
func (x *exceptions) unused() error {
	var idle []string
	for key := range x.reasons {
		if !x.used[key] {
			idle = append(idle, key)
		}
	}
	if len(idle) > 0 {
		slices.Sort(idle)
		return errors.New("exceptions that no record needs: " + strings.Join(idle, "; "))
	}
	return nil
}
