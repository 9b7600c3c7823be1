package code_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"anchorhold/protocol/code"
)

// specified returns the codes that SPEC 9 lists, job codes and record codes.
func specified(t *testing.T) (job, record []string) {
	t.Helper()
	b, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## 9 Codes\n")
	section, _, ok2 := strings.Cut(section, "\n## 10")
	jobs, rest, ok3 := strings.Cut(section, "\nAny failure")
	_, records, ok4 := strings.Cut(rest, "\nRecord codes")
	if !ok || !ok2 || !ok3 || !ok4 {
		t.Fatal("SPEC.md has no section 9 of the known shape")
	}
	one := regexp.MustCompile("`([a-z0-9-]+)`")
	for _, m := range one.FindAllStringSubmatch(jobs, -1) {
		job = append(job, m[1])
	}
	for _, m := range one.FindAllStringSubmatch(records, -1) {
		record = append(record, m[1])
	}
	return job, record
}

func TestCodesAreThoseOfTheSpec(t *testing.T) {
	job, record := specified(t)
	if len(job) != 39 || len(record) != 12 {
		t.Errorf("got %d job codes and %d record codes in SPEC 9, want 39 and 12: count anew", len(job), len(record))
	}
	for _, c := range job {
		if !code.Code(c).Valid() || code.Record(c).Valid() {
			t.Errorf("%s is not a job code alone", c)
		}
	}
	for _, c := range record {
		if !code.Record(c).Valid() || code.Code(c).Valid() {
			t.Errorf("%s is not a record code alone", c)
		}
	}
	if code.All() != len(job)+len(record) {
		t.Errorf("got %d codes, want the %d of SPEC 9", code.All(), len(job)+len(record))
	}
	for _, c := range []string{"", "Internal", "internal ", "job"} {
		if code.Code(c).Valid() || code.Record(c).Valid() {
			t.Errorf("%q is valid", c)
		}
	}
}

func TestError(t *testing.T) {
	err := fmt.Errorf("job 7: %w", code.New(code.Truncated, fmt.Errorf("record of Jane Doe: %w", io.ErrUnexpectedEOF)))
	if code.Of(err) != code.Truncated {
		t.Errorf("got %s, want truncated", code.Of(err))
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	// What is logged or sent is the text: the cause must not be in it.
	if got, want := err.Error(), "job 7: failed: truncated"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, code.New(code.Busy, errors.New("Jane Doe"))); strings.Contains(s, "Jane") {
			t.Errorf("%s prints %q", verb, s)
		}
	}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want code.Code
	}{
		{nil, ""},
		{io.EOF, code.Internal},
		{code.New(code.Busy, nil), code.Busy},
		{code.New(code.Busy, code.New(code.Expired, nil)), code.Busy},
		{errors.Join(io.EOF, code.New(code.Expired, nil)), code.Expired},
		// A code that came from elsewhere must not pass on as it is.
		{code.New("jane-doe", nil), code.Internal},
	} {
		if got := code.Of(c.err); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}
