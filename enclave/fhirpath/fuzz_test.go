package fhirpath_test

import (
	"errors"
	"os"
	"testing"

	"anchorhold/enclave/fhirpath"
)

func seeds(f *testing.F, add func(expression string)) {
	f.Helper()
	for _, list := range tables {
		for _, rows := range list {
			for _, r := range rows {
				add(r.expression)
			}
		}
	}
}

// FuzzCompile: what parses prints to something that parses and prints to the
// same; what compiles still does.
func FuzzCompile(f *testing.F) {
	seeds(f, func(e string) { f.Add(e) })
	f.Fuzz(func(t *testing.T, expression string) {
		first, err := fhirpath.Print(expression)
		if err != nil {
			return
		}
		second, err := fhirpath.Print(first)
		if tooLarge(err) { // parentheses and backticks were added
			return
		}
		if err != nil || second != first {
			t.Fatalf("%q prints as %q, and that as %q, %v", expression, first, second, err)
		}
		for _, exact := range []bool{false, true} {
			o := fhirpath.Options{Clock: true, Exact: exact}
			_, err = fhirpath.Compile(expression, o)
			_, again := fhirpath.Compile(first, o)
			if (err == nil) != (again == nil) && !tooLarge(again) {
				t.Fatalf("%q: %v, but %q: %v", expression, err, first, again)
			}
		}
	})
}

func tooLarge(err error) bool {
	var e *fhirpath.CompileError
	return errors.As(err, &e) && e.Kind == fhirpath.Limit
}

// FuzzEvaluate: no panic, no result beside an error, the same result twice.
func FuzzEvaluate(f *testing.F) {
	patient, err := os.ReadFile("testdata/patient.json")
	if err != nil {
		f.Fatal(err)
	}
	observation, err := os.ReadFile("testdata/observation.json")
	if err != nil {
		f.Fatal(err)
	}
	seeds(f, func(e string) {
		f.Add(e, patient)
		f.Add(e, observation)
	})
	f.Fuzz(func(t *testing.T, expression string, record []byte) {
		n, err := fhirpath.Read(record)
		if err != nil {
			return
		}
		x, err := fhirpath.Compile(expression, fhirpath.Options{Clock: true, UnknownElements: true, Exact: len(expression)%2 == 0})
		if err != nil {
			return
		}
		env := fhirpath.Env{Now: clock, MaxSteps: 100_000}
		items, err := x.Evaluate(n, env)
		if err != nil && items != nil {
			t.Fatalf("%q: result beside an error", expression)
		}
		again, err2 := x.Evaluate(n, env)
		if literals(items) != literals(again) || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %s, then %s", expression, literals(items), literals(again))
		}
	})
}

// FuzzRead: no panic; every node is inside of the bytes and of its parent; a Reader gives what
// ReadLoose gives.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"patient", "observation"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	reader := fhirpath.NewReader(fhirpath.MaxNesting)
	f.Fuzz(func(t *testing.T, record []byte) {
		loose, looseErr := fhirpath.ReadLoose(record, fhirpath.MaxNesting)
		again, againErr := reader.Read(record)
		if looseErr != againErr || looseErr == nil && dump(loose) != dump(again) {
			t.Fatalf("a Reader that has read before gives another tree, %v and %v", looseErr, againErr)
		}
		root, err := fhirpath.Read(record)
		if err != nil {
			return
		}
		walk(root, func(n *fhirpath.Node) {
			v, p := n.Value(), fhirpath.Span{End: len(record)}
			if n.Parent() != nil {
				if p = n.Parent().Value(); n.Parent().Kind() != '{' {
					p = n.Parent().Extra()
				}
			}
			if v != (fhirpath.Span{}) && (v.Start < p.Start || v.End > p.End || v.Start >= v.End) {
				t.Fatalf("%s is at %v, its parent at %v", n.Pointer(), v, p)
			}
		})
	})
}
