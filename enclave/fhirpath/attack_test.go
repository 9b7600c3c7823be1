package fhirpath_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"anchorhold/enclave/fhirpath"
	"anchorhold/protocol/protocoltest/cputime"
)

// Small expressions that ask for much: each must end soon, by a result or by
// ErrBudget, on a small record.
func TestWorkIsBounded(t *testing.T) {
	nine := "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9)"
	for expression, want := range map[string]error{
		// A string that doubles, a list that doubles.
		nine + ".aggregate(" + nine + ".aggregate($total & $total, $total), 'aaaa')":   fhirpath.ErrBudget,
		nine + ".aggregate(" + nine + ".aggregate($total.combine($total), $total), 1)": fhirpath.ErrBudget,
		// A path that always finds something new.
		"1.repeat($this + 1).count()": fhirpath.ErrBudget,
		"'a'.repeat($this & 'a')":     fhirpath.ErrBudget,
		// Loops in loops.
		nested(9, nine+".select(", "1", ").count()"): fhirpath.ErrBudget,
		// Text that grows by replacement, and by a pattern that matches everywhere.
		nested(6, "", "'aaaaaaaa'", ".replace('', 'aaaaaaaaaaaaaaaa')"):                                fhirpath.ErrBudget,
		"'" + strings.Repeat("a", 8000) + "'.replaceMatches('.', '" + strings.Repeat("b", 4000) + "')": fhirpath.ErrBudget,
		nested(6, "", "('a' | 'b')", ".join('"+strings.Repeat("c", 1000)+"')"):                         nil,
		// Numbers that grow.
		nested(20, "", "9.9", ".power(9)"):       nil,
		nested(20, "", "2 'm'", " * 1000 'km3'"): nil,
		"1e5.exp()":                              nil,
		nine + ".select(99999999999999999999999999 * 99999999999999999999999999 * 99999999999999999999999999 * 99999999999999999999999999)": nil,
		// Regular expressions that other engines take forever for.
		"'" + strings.Repeat("a", 5000) + "!'.matches('^(a+)+$')":                                             nil,
		nested(4, "", "('"+strings.Repeat("a", 4000)+"')", ".replace('a', 'aaa')") + ".matches('(a?){400}b')": fhirpath.ErrBudget,
		"'" + strings.Repeat("a", 8000) + "'.replaceMatches('.*', '" + strings.Repeat("$0", 4000) + "')":      fhirpath.ErrBudget,
		"'" + strings.Repeat("a", 8000) + "'.replaceMatches('a(.*b)?', 'c')":                                  fhirpath.ErrBudget,
	} {
		before := cputime.Self()
		_, err := evaluate(resource(t, "patient"), expression)
		var refused *fhirpath.CompileError
		if want != nil && !errors.Is(err, want) || want == nil && errors.Is(err, fhirpath.ErrBudget) && !errors.As(err, &refused) {
			t.Errorf("%.80s: got %v, want %v", expression, err, want)
		}
		if d := cputime.Self() - before; d > time.Minute {
			t.Errorf("%.80s: took %v of processor time", expression, d)
		}
	}
}

func nested(n int, before, inside, after string) string {
	return strings.Repeat(before, n) + inside + strings.Repeat(after, n)
}

// The same over a large record: comparing everything with everything.
func TestLargeRecord(t *testing.T) {
	names := strings.TrimSuffix(strings.Repeat(`{"given":["Anna","Berta"],"family":"Chalmers"},`, 20_000), ",")
	n, err := fhirpath.Read([]byte(`{"resourceType":"Patient","name":[` + names + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string]string{
		"name.given.count()":                         "40000",
		"descendants().count()":                      "80000",
		"name.distinct().count()":                    "1",
		"name.where(given.first() = 'Anna').count()": "20000",
		"name.select($index).isDistinct()":           "!budget",
		"name.given.join('').length()":               "180000",
	} {
		got, err := evaluate(n, expression)
		if want == "!budget" {
			if !errors.Is(err, fhirpath.ErrBudget) {
				t.Errorf("%s: got %s, %v, want %v", expression, got, err, fhirpath.ErrBudget)
			}
		} else if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", expression, got, err, want)
		}
	}
}

// A record with many members, and one with long strings, under an expression
// that looks at them again and again.
func TestCostlyRecords(t *testing.T) {
	var members strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&members, `"x%d":1,`, i)
	}
	long := strings.Repeat("a", 1<<19)
	nine := "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9)"
	for expression, record := range map[string]string{
		nested(6, nine+".select(", "%resource.id", ")"):                                      `{"resourceType":"Patient",` + members.String() + `"id":"a"}`,
		nested(6, nine+".select(", "%resource.extension('x')", ")"):                          `{"resourceType":"Patient",` + members.String() + `"id":"a"}`,
		nested(6, nine+".select(", "%resource.name[0] = %resource.name[1]", ")"):             `{"resourceType":"Patient","name":[{` + members.String() + `"id":"a"},{` + members.String() + `"id":"a"}]}`,
		nested(6, nine+".select(", "%resource.name[0] ~ %resource.name[1]", ")"):             `{"resourceType":"Patient","name":[{` + members.String() + `"id":"a"},{` + members.String() + `"id":"a"}]}`,
		nested(6, nine+".select(", "%resource.name.given[0] ~ %resource.name.given[1]", ")"): `{"resourceType":"Patient","name":[{"given":["` + long + `","` + long + `"]}]}`,
		nested(6, nine+".select(", "%resource.name.given[0] = %resource.name.given[1]", ")"): `{"resourceType":"Patient","name":[{"given":["` + long + `","` + long + `"]}]}`,
	} {
		n, err := fhirpath.Read([]byte(record))
		if err != nil {
			t.Fatal(err)
		}
		before := cputime.Self()
		if _, err := evaluate(n, expression); !errors.Is(err, fhirpath.ErrBudget) {
			t.Errorf("%s: got %v, want %v", expression, err, fhirpath.ErrBudget)
		}
		if d := cputime.Self() - before; d > time.Minute {
			t.Errorf("%s: took %v of processor time", expression, d)
		}
	}
}

// Steps are what the caller says.
func TestMaxSteps(t *testing.T) {
	x, err := fhirpath.Compile("name.given.count()", fhirpath.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := resource(t, "patient")
	if _, err := x.Evaluate(n, fhirpath.Env{MaxSteps: 5}); !errors.Is(err, fhirpath.ErrBudget) {
		t.Errorf("5 steps: got %v, want %v", err, fhirpath.ErrBudget)
	}
	if _, err := x.Evaluate(n, fhirpath.Env{MaxSteps: 50}); err != nil {
		t.Errorf("50 steps: %v", err)
	}
}

// Whatever goes wrong with a record, the error doesn't tell what was in it.
func TestErrorsHoldNoContent(t *testing.T) {
	const secret = "CANARY"
	records := []string{
		`{"resourceType":"Patient","id":"CANARY","birthDate":"CANARY","active":"CANARY","multipleBirthInteger":"CANARY",` +
			`"name":[{"family":"CANARY","given":["CANARY","(?CANARY"]}],"CANARY":{"CANARY":"CANARY"}}`,
		`{"resourceType":"CANARY"}`,
		`{"resourceType":"Patient","CANARY":[[]]}`,
		`{"resourceType":"Patient","CANARY":1,"CANARY":2}`,
		`{"resourceType":"Patient","name":"CANARY"`,
	}
	expressions := []string{
		"birthDate > @2020", "active and true", "multipleBirth + 1", "name.family + 1", "name.given.single()", "id.toQuantity() > 1",
		"name.given.matches(id)", "'a'.matches(name.given.last())", "id.decode('hex')", "'a'.encode(id)", "descendants().select($this + 1)",
		"descendants().sort()", "name.given.first() < 1", "birthDate + 1 day", "iif(name.family, 1)",
	}
	failures := 0
	for _, r := range records {
		n, err := fhirpath.Read([]byte(r))
		if err != nil {
			failures++
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error of Read: %v", err)
			}
			continue
		}
		walk(n, func(n *fhirpath.Node) {
			if strings.Contains(n.Path(), secret) {
				t.Errorf("path %s", n.Path())
			}
		})
		for _, e := range expressions {
			x, err := fhirpath.Compile(e, fhirpath.Options{})
			if err != nil {
				t.Fatalf("%s: %v", e, err)
			}
			if _, err := x.Evaluate(n, fhirpath.Env{}); err != nil {
				failures++
				if strings.Contains(fmt.Sprintf("%+v", err), secret) {
					t.Errorf("%s: %v", e, err)
				}
			}
		}
	}
	if failures < len(records)-1+len(expressions)-1 {
		t.Errorf("got %d errors only", failures)
	}
}

// An expression is shared by the workers of an engine.
func TestConcurrent(t *testing.T) {
	x, err := fhirpath.Compile("name.where(given.exists()).select(given.first() & family).join(',')", fhirpath.Options{Type: "Patient"})
	if err != nil {
		t.Fatal(err)
	}
	n := resource(t, "patient")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100 {
				items, err := x.Evaluate(n, fhirpath.Env{})
				if got := literals(items); err != nil || !strings.HasPrefix(got, "'AnnaÄmter") {
					t.Errorf("got %s, %v", got, err)
					return
				}
			}
		})
	}
	group.Wait()
}
