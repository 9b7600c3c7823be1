package fhirpath_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
	"anchorhold/enclave/steps"
)

// took evaluates an expression on a record and returns the steps.
func took(t *testing.T, expression, record string) (int, error) {
	t.Helper()
	x, err := fhirpath.Compile(expression, fhirpath.Options{Type: "Patient", Exact: true})
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	n, err := fhirpath.Read([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	b := steps.New(nil)
	b.Start(1 << 40)
	_, err = x.Evaluate(n, fhirpath.Env{Budget: b})
	return b.Used(), err
}

// Work that is a square of the record is charged as one, or it would be done for nothing: the loop
// is over names, and what is looked at within it grows too.
func TestSquaresAreCharged(t *testing.T) {
	for _, c := range []struct{ name, expression string }{
		{"a list that is only named", "name.aggregate($total | $this, {}).count()"},
		{"lists combined", "name.aggregate($total.combine($this), {}).count()"},
		{"long texts ordered", "name.where(%resource.gender < %resource.language)"},
		{"long texts compared", "name.where(%resource.gender = %resource.language)"},
		{"long texts as they sort", "name.select(%resource.gender | %resource.language).sort()"},
		{"long text to a number", "name.select(%resource.gender.toInteger())"},
		{"long text to a truth", "name.select(%resource.gender.toBoolean())"},
		{"long addresses of extensions", "name.select(%resource.extension(%resource.gender))"},
		{"descendants for each", "name.select(%resource.descendants().count())"},
	} {
		var used []int
		for _, n := range []int{40, 400} {
			long := strings.Repeat("a", 256*n)
			record := fmt.Sprintf(`{"resourceType":"Patient","gender":"%sa","language":"%sb","extension":[{"url":"%sc"}],"name":[{}%s]}`,
				long, long, long, strings.Repeat(",{}", n-1))
			got, err := took(t, c.expression, record)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			used = append(used, got)
		}
		// Ten times the size is a hundred times the work; at so small sizes some of it is linear
		// still.
		if used[1] < 20*used[0] {
			t.Errorf("%s: got %d steps, and %d for ten times the size, want a square", c.name, used[0], used[1])
		}
	}
}

// All text that one evaluation makes is bounded, not each string alone.
func TestTextsTogetherAreBounded(t *testing.T) {
	names := `{"resourceType":"Patient","name":[{"family":"a"}` + strings.Repeat(`,{"family":"a"}`, 19_999) + `]}`
	for expression, want := range map[string]error{
		// 20,000 squared, halved
		"name.family.aggregate($total & $this, '').length()":                                                fhirpath.ErrBudget,
		"name.select(family.replace('a', '" + strings.Repeat("b", 1000) + "'))":                             fhirpath.ErrBudget,
		"name.select(family & 'x' & 'y').count()":                                                           nil,
		"name.family.join('" + strings.Repeat("b", 40) + "').length()":                                      nil,
		"name.select(family.toString() + 'x').where($this = 'ax').count()":                                  nil,
		"name.take(500).select(family.replace('a', '" + strings.Repeat("b", 1000) + "')).join('').length()": nil,
	} {
		if _, err := took(t, expression, names); !errors.Is(err, want) {
			t.Errorf("%.60s: got %v, want %v", expression, err, want)
		}
	}
}

// Text is taken apart only when the parts are few enough, and numbers and dates without end are
// none.
func TestLongLiterals(t *testing.T) {
	long := strings.Repeat("a", 3<<20)
	zeros := strings.Repeat("0", 1<<20)
	for _, c := range []struct {
		expression, record string
		fails              bool
	}{
		{"gender.toChars().count()", `{"resourceType":"Patient","gender":"` + long + `"}`, true},
		{"gender.split('a').count()", `{"resourceType":"Patient","gender":"` + long + `"}`, true},
		{"extension.value > 1", `{"resourceType":"Patient","extension":[{"url":"u","valueDecimal":1` + zeros + `}]}`, true},
		{"extension.value > 1", `{"resourceType":"Patient","extension":[{"url":"u","valueDecimal":0.` + zeros + `1}]}`, true},
		{"extension.value > 1", `{"resourceType":"Patient","extension":[{"url":"u","valueDecimal":1e` + zeros + `1}]}`, true},
		{"extension.value > @2020", `{"resourceType":"Patient","extension":[{"url":"u","valueDateTime":"2020-01-02T03:04:05.` + zeros + `Z"}]}`, true},
		{"extension.value > 1", `{"resourceType":"Patient","extension":[{"url":"u","valueDecimal":1e0001}]}`, false},
		{"extension.value > @2020", `{"resourceType":"Patient","extension":[{"url":"u","valueDateTime":"2020-01-02T03:04:05.1200000000000Z"}]}`, false},
	} {
		got, err := took(t, c.expression, c.record)
		if (err != nil) != c.fails || got > 1_000_000 {
			t.Errorf("%s of %d bytes: got %v after %d steps, want an error %t after few", c.expression, len(c.record), err, got, c.fails)
		}
	}
}

// The end of a job ends an evaluation.
func TestEvaluationEndsWithItsJob(t *testing.T) {
	done := make(chan struct{})
	close(done)
	x, err := fhirpath.Compile("descendants().count()", fhirpath.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := fhirpath.Read([]byte(`{"resourceType":"Patient","name":[{}` + strings.Repeat(",{}", 20_000) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	b := steps.New(done)
	b.Start(1 << 40)
	if _, err := x.Evaluate(n, fhirpath.Env{Budget: b}); !errors.Is(err, fhirpath.ErrBudget) || b.Err() != steps.ErrEnded {
		t.Errorf("got %v and %v, want an end", err, b.Err())
	}
}
