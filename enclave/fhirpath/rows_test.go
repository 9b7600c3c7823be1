package fhirpath_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/enclave/fhirpath"
)

// A row is an expression and what it comes to: items by literal or by path,
// or, with !, the reason of an error.
type row struct{ expression, want string }

// tables are all rows, by the resource that they are evaluated on.
var tables = map[string][][]row{
	"patient": {
		existenceRows, subsetRows, combiningRows, filterRows, treeRows, typeRows, pathRows,
		conversionRows, stringRows, patternRows, codingRows, mathRows, boundaryRows, indexRows, partialDateRows,
		logicRows, equalityRows, orderRows, arithmeticRows, dateRows, quantityRows, precedenceRows,
	},
	"observation": {observationRows},
}

// clock is the moment of all tests.
var clock = time.Date(2026, 3, 4, 5, 6, 7, 8_900_000, time.FixedZone("", 2*60*60))

func resource(t testing.TB, name string) *fhirpath.Node {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := fhirpath.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func evaluate(n *fhirpath.Node, expression string) (string, error) {
	x, err := fhirpath.Compile(expression, fhirpath.Options{Type: n.Type().Name(), Clock: true})
	if err != nil {
		return "", err
	}
	items, err := x.Evaluate(n, fhirpath.Env{Now: clock})
	if err != nil {
		return "", err
	}
	return literals(items), nil
}

func literals(items []fhirpath.Item) string {
	var out []string
	for _, i := range items {
		switch v := i.(type) {
		case *fhirpath.Node:
			_, path, _ := strings.Cut(v.Path(), ".")
			out = append(out, "/"+path)
		case fhirpath.String:
			out = append(out, "'"+string(v)+"'")
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	return strings.Join(out, ", ")
}

func TestRows(t *testing.T) {
	for name, list := range tables {
		n := resource(t, name)
		for _, rows := range list {
			for _, r := range rows {
				got, err := evaluate(n, r.expression)
				if want, ok := strings.CutPrefix(r.want, "!"); ok {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: got %s, %v, want error %q", r.expression, got, err, want)
					}
					continue
				}
				if err != nil || got != r.want {
					t.Errorf("%s: got %s, %v, want %s", r.expression, got, err, r.want)
				}
			}
		}
	}
}

// Each function that the list of support names is in the tables, with a
// result and with an error that it makes of a wrong input or argument.
func TestRowsCoverFunctions(t *testing.T) {
	used := map[string]int{}
	for _, list := range tables {
		for _, rows := range list {
			for _, r := range rows {
				for _, name := range functionsIn(r.expression) {
					if !strings.HasPrefix(r.want, "!") {
						used[name]++
					}
				}
			}
		}
	}
	for _, f := range fhirpath.Functions() {
		if used[f.Name] == 0 {
			t.Errorf("function %s is in no row", f.Name)
		}
		// One argument more than it takes is refused, with its name and place.
		args := strings.TrimSuffix(strings.Repeat("'a', ", f.MaxArgs+1), ", ")
		_, err := fhirpath.Compile("  "+f.Name+"("+args+")", fhirpath.Options{Clock: true})
		var refused *fhirpath.CompileError
		if !errors.As(err, &refused) || refused.Offset != 2 || !strings.Contains(refused.Reason, f.Name) {
			t.Errorf("%s with %d arguments: got %v, want an error at byte 2 that names it", f.Name, f.MaxArgs+1, err)
		}
	}
}
