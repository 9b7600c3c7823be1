package deid_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A kept is a row of a table in README.md: a value, its place, and what becomes of it under each
// preset.
type kept struct {
	what, path, value string
	outcome           map[string]string
}

// keptRows reads the tables, by their heads.
func keptRows(t *testing.T) []kept {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []kept
	var head []string
	for l := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(l), "|"), "|")
		for i, c := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(c), "`")
		}
		switch {
		case len(cells) < 4:
			head = nil
		case cells[0] == "What" && cells[1] == "Element":
			head = cells
		case head != nil && !strings.HasPrefix(cells[0], "--"):
			r := kept{cells[0], cells[1], cells[2], map[string]string{}}
			for i := 3; i < len(cells); i++ {
				r.outcome[head[i]] = cells[i]
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// keptStep is one element of a path, with what stands in brackets behind it: nothing for an array,
// or the url of an extension.
var keptStep = regexp.MustCompile(`([A-Za-z]+)(\[([^\]]*)\])?\.?`)

// record makes the smallest record with the value at the path.
func (k kept) record(t *testing.T) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(k.value), &v); err != nil {
		t.Fatalf("%s: %s: %v", k.what, k.value, err)
	}
	steps := keptStep.FindAllStringSubmatch(k.path, -1)
	for i := len(steps) - 1; i > 0; i-- {
		if url := steps[i][3]; url != "" {
			v.(map[string]any)["url"] = url
		}
		if steps[i][2] != "" {
			v = []any{v}
		}
		v = map[string]any{steps[i][1]: v}
	}
	r := v.(map[string]any)
	r["resourceType"], r["id"] = steps[0][1], "p1"
	if kind := steps[0][1]; kind == "Claim" || kind == "ExplanationOfBenefit" {
		r["patient"] = map[string]any{"reference": "Patient/p1"}
	} else if kind != "Patient" {
		r["subject"] = map[string]any{"reference": "Patient/p1"}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// in returns what is at the path in an output.
func (k kept) in(v any) any {
	for _, step := range keptStep.FindAllStringSubmatch(k.path, -1)[1:] {
		m, _ := v.(map[string]any)
		v = m[step[1]]
		if list, ok := v.([]any); ok && step[2] != "" {
			v = list[0]
		}
	}
	return v
}

func TestTableOfWhatStays(t *testing.T) {
	rows := keptRows(t)
	if len(rows) < 70 {
		t.Fatalf("got %d rows, want 70 or more", len(rows))
	}
	for _, k := range rows {
		forPresets(t, func(t *testing.T, preset string) {
			want, ok := k.outcome[preset]
			if !ok {
				t.Fatalf("%s: no column for %s", k.what, preset)
			}
			out, report := run(t, preset, k.record(t)+"\n")
			if want == "no type" {
				if len(report.Rejects) != 1 || report.Rejects[0].Code != "resource-type-not-allowed" {
					t.Errorf("%s: got %s and rejects %v, want no such type", k.what, out, report.Rejects)
				}
				return
			}
			got := k.in(decode(t, []byte(out))[0])
			if !k.became(t, got, want) {
				t.Errorf("%s: got %v of %s, want %s", k.what, got, k.value, want)
			}
		})
	}
}

// became reports whether got is what the table says of the value.
func (k kept) became(t *testing.T, got any, want string) bool {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	switch want {
	case "dropped":
		return got == nil
	case "surrogate":
		return spelt.Match(text)
	case "moved":
		before, after := k.day(t, k.value), k.day(t, string(text))
		days := int(before.Sub(after).Hours() / 24)
		return days >= 7 && days <= 52*7 && days%7 == 0
	case "kept":
		want = k.value
	}
	return same(t, string(text), want)
}

func (k kept) day(t *testing.T, value string) time.Time {
	t.Helper()
	s := strings.Trim(value, `"`)
	d, err := time.Parse(time.DateOnly, s[:min(len(s), len(time.DateOnly))])
	if err != nil {
		t.Errorf("%s: %s is no day", k.what, value)
	}
	return d
}

// same reports whether two texts are the same JSON.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}
