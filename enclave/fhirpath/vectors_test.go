package fhirpath_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"anchorhold/enclave/fhirpath"
)

// A suiteCase is one case of the FHIRPath suite of FHIR/fhir-test-cases as JSON.
type suiteCase struct {
	Name, Input, Expression string
	Invalid                 string // syntax, semantic, execution; or empty
	Predicate               bool
	Outputs                 []struct{ Type, V string }
}

type tally struct{ passed, failed, deviates, unsupported, absent int }

// errAbsent marks a case whose input isn't there, or that asks for an extension
// which the JSON form of its input does not have (the suite was written for XML).
var errAbsent = errors.New("input is absent, or lacks the extension")

// errDeviates marks a case of which README.md says why the result is another.
var errDeviates = errors.New("case contradicts the text of FHIRPath or another case")

// suiteClock is the moment that the suite is evaluated at; its cases only ask
// that it lies behind the dates of its resources.
var suiteClock = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// documentedCases is how many cases the file has of which README.md has the table.
const documentedCases = 614

// minPassed is what we hold on to for the file of 614 cases; see the log.
const minPassed = 600

func TestSuite(t *testing.T) {
	vectors := os.Getenv("VECTORS")
	if vectors == "" {
		t.Skip("VECTORS is not set: fhirpath/ (FHIRPath suite of FHIR/fhir-test-cases as JSON)")
	}
	files, err := filepath.Glob(filepath.Join(vectors, "fhirpath", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no suites in %s: %v", vectors, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var cases []suiteCase
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
				t.Fatalf("got %d cases, %v", len(cases), err)
			}
			runSuite(t, filepath.Join(vectors, "fhirpath", "inputs"), cases)
		})
	}
}

func runSuite(t *testing.T, inputs string, cases []suiteCase) {
	table := map[string]*tally{}
	var total tally
	for _, c := range cases {
		problem := runCase(t, inputs, c)
		for _, name := range append(functionsIn(c.Expression), "") {
			if table[name] == nil {
				table[name] = &tally{}
			}
			n := table[name]
			if name == "" {
				n = &total
			}
			var unsupported *fhirpath.CompileError
			switch {
			case problem == nil:
				n.passed++
			case errors.As(problem, &unsupported) && unsupported.Kind == fhirpath.Unsupported:
				n.unsupported++
			case errors.Is(problem, errAbsent):
				n.absent++
			case errors.Is(problem, errDeviates):
				n.deviates++
			default:
				n.failed++
				if name == "" {
					t.Errorf("%s: %s\n\t%v", c.Name, c.Expression, problem)
				}
			}
		}
	}
	delete(table, "")
	var out strings.Builder
	row := func(name string, n *tally) {
		fmt.Fprintf(&out, "| %s | %d | %d | %d | %d | %d |\n", name, n.passed, n.failed, n.deviates, n.unsupported, n.absent)
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		row(name, table[name])
	}
	row("all cases", &total)
	t.Logf("function, passed, failed, deviates, unsupported, not in input; a case counts for each function it uses\n%s", out.String())
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == documentedCases && !strings.HasSuffix(string(readme), "\n"+out.String()) {
		t.Errorf("README.md ends with another table")
	}
	if want := min(minPassed, len(cases)*9/10); total.passed < want {
		t.Errorf("got %d passed, want at least %d", total.passed, want)
	}
}

var (
	extensionForm = regexp.MustCompile(`extension\('([^']*)'\)`)
	callForm      = regexp.MustCompile(`([A-Za-z]\w*)\(`)
	ignorable     = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`)
)

// functionsIn names the functions of an expression, once each.
func functionsIn(expression string) []string {
	names := map[string]bool{}
	for _, m := range callForm.FindAllStringSubmatch(ignorable.ReplaceAllString(expression, "''"), -1) {
		names[m[1]] = true
	}
	if len(names) == 0 {
		return []string{"(no function)"}
	}
	return slices.Sorted(maps.Keys(names))
}

// runCase returns what is wrong. An error that the case expects is right,
// unless we only refuse to support what it uses.
func runCase(t *testing.T, inputs string, c suiteCase) error {
	t.Helper()
	input := c.Input
	if input == "" {
		input = "r4_examples_patient-example.json"
	}
	b, err := os.ReadFile(filepath.Join(inputs, input))
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	if err != nil {
		t.Fatal(err)
	}
	resource, err := fhirpath.Read(b)
	if err != nil {
		return fmt.Errorf("read %s: %w", input, err)
	}
	x, err := fhirpath.Compile(c.Expression, fhirpath.Options{Type: resource.Type().Name(), Clock: true})
	if err != nil {
		var refused *fhirpath.CompileError
		if c.Invalid != "" && errors.As(err, &refused) && refused.Kind != fhirpath.Unsupported {
			return nil
		}
		return err
	}
	items, err := x.Evaluate(resource, fhirpath.Env{Now: suiteClock})
	switch {
	case c.Invalid != "" && err == nil:
		return fmt.Errorf("got %v, want an error", show(items))
	case c.Invalid != "":
		return nil
	case err != nil:
		return err
	}
	if m := extensionForm.FindStringSubmatch(c.Expression); m != nil && len(items) == 0 && !bytes.Contains(b, []byte(m[1])) && len(c.Outputs) > 0 {
		return errAbsent
	}
	err = compare(items, c)
	if err != nil && noBoundary(resource, c) {
		return errDeviates
	}
	return err
}

var boundaryForm = regexp.MustCompile(`^(.*)\.(low|high)Boundary\(\d*\)$`)

// noBoundary reports whether a case wants of lowBoundary() or highBoundary() what is none: a value
// within the input's range, so that the input can be beyond it. A minus before a number is a case
// of its own: the suite reads it as part of the number in one case, and as an operator on the
// result, which it is, in another.
func noBoundary(resource *fhirpath.Node, c suiteCase) bool {
	m := boundaryForm.FindStringSubmatch(c.Expression)
	if m == nil || len(c.Outputs) != 1 {
		return false
	}
	want, finest, operator := c.Outputs[0].V, 28, "<"
	if strings.HasPrefix(want, "@") {
		finest = 17
	}
	if m[2] == "low" {
		operator = ">"
	}
	got, err := evaluate(resource, fmt.Sprintf("%s %s (%s).%sBoundary(%d)", want, operator, m[1], m[2], finest))
	return err == nil && got == "true" || strings.HasPrefix(m[1], "-")
}

func compare(items []fhirpath.Item, c suiteCase) error {
	if c.Predicate {
		items = []fhirpath.Item{fhirpath.Boolean(len(items) > 0 && fmt.Sprint(items[0]) != "false")}
	}
	got := show(items)
	var want []string
	for i, o := range c.Outputs {
		v := strings.TrimPrefix(strings.TrimPrefix(o.V, "@"), "T") // literals of dates and times
		if o.Type == "string" || o.Type == "code" {
			v = o.V
		}
		if o.Type != "" {
			v = o.Type + ":" + v
		} else if i < len(got) {
			_, got[i], _ = strings.Cut(got[i], ":")
		}
		want = append(want, v)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

// show writes items as the suite does: type:value.
func show(items []fhirpath.Item) []string {
	var out []string
	for _, i := range items {
		kind, v := "?", ""
		if t := i.Type(); t != nil {
			kind = t.Name()
		}
		switch x := i.(type) {
		case *fhirpath.Node:
			v, _ = x.Text()
		case fhirpath.Quantity:
			v = x.String()
		default:
			kind = strings.ToLower(kind[:1]) + kind[1:]
			v = fmt.Sprint(i)
		}
		out = append(out, kind+":"+v)
	}
	return out
}
