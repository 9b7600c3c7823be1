package e2e_test

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// readRecords parses every line of the NDJSON files of a folder, gzip or not, with encoding/json:
// nothing of the engine.
func readRecords(t *testing.T, dir string) []map[string]any {
	t.Helper()
	var records []map[string]any
	for _, line := range readLines(t, dir) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		if record["resourceType"] != nil {
			records = append(records, record)
		}
	}
	return records
}

func readLines(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson*"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 64<<20)
		for scanner.Scan() {
			if strings.TrimSpace(scanner.Text()) != "" {
				lines = append(lines, scanner.Text())
			}
		}
		if err := scanner.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return lines
}

// leaves calls f with every string of a JSON value, the decoded text of base64 strings included.
func leaves(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
		if len(v) >= 16 {
			if decoded, err := base64.StdEncoding.DecodeString(v); err == nil {
				f(string(decoded))
			}
		}
	case []any:
		for _, e := range v {
			leaves(e, f)
		}
	case map[string]any:
		for _, e := range v {
			leaves(e, f)
		}
	}
}

// text is what a leak is searched in: the lines as they are, which hold numbers too, and every
// string of them, decoded.
func text(lines []string, records []map[string]any) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	for _, r := range records {
		leaves(r, func(s string) { b.WriteString(s); b.WriteByte('\n') })
	}
	return b.String()
}

// identifying collects from the input what may not come out: resource ids, identifier values, and
// every date with a month.
func identifying(records []map[string]any) map[string]bool {
	found := map[string]bool{}
	month := regexp.MustCompile(`\b(19|20)\d\d-(0[1-9]|1[0-2])\b`)
	for _, r := range records {
		if id, ok := r["id"].(string); ok {
			found[id] = true
		}
		if list, ok := r["identifier"].([]any); ok {
			for _, e := range list {
				if m, ok := e.(map[string]any); ok {
					if value, ok := m["value"].(string); ok {
						found[value] = true
					}
				}
			}
		}
		leaves(r, func(s string) {
			for _, m := range month.FindAllString(s, -1) {
				found[m] = true
			}
		})
	}
	return found
}

// leaked returns how many of the values occur in the text, and up to three of them. A value counts
// where no letter or digit touches it: the ZIP 67060 is not leaked by the SNOMED code 46706006. One
// pass over the text, whatever the number of values: they are found by their first word.
func leaked(values map[string]bool, text string) (n int, some []string) {
	byWord := map[string][]string{}
	for v := range values {
		if from, to := word(v, 0); from < to {
			byWord[v[from:to]] = append(byWord[v[from:to]], v)
		}
	}
	found := map[string]bool{}
	for from, to := word(text, 0); from < to; from, to = word(text, to) {
		for _, v := range byWord[text[from:to]] {
			lead, _ := word(v, 0)
			start, end := from-lead, from-lead+len(v)
			if start >= 0 && end <= len(text) && text[start:end] == v && (end == len(text) || !alphanumeric(text[end]) || !alphanumeric(text[end-1])) {
				found[v] = true
			}
		}
	}
	for v := range found {
		if len(some) < 3 {
			some = append(some, v)
		}
	}
	return len(found), some
}

// word returns where the first run of letters and digits from a place on begins and ends.
func word(s string, at int) (from, to int) {
	for at < len(s) && !alphanumeric(s[at]) {
		at++
	}
	to = at
	for to < len(s) && alphanumeric(s[to]) {
		to++
	}
	return at, to
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// canaries reads a canary file: one JSON object a patient, identifiers by Safe Harbor letter.
func canaries(t *testing.T, name string) map[string]bool {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]bool{}
	for dec := json.NewDecoder(z); ; {
		var line struct {
			PHI map[string][]string `json:"phi"`
		}
		if err := dec.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, list := range line.PHI {
			for _, v := range list {
				values[v] = true
			}
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s: no canary read", name)
	}
	return values
}

// literalReferences counts the references of the form Type/id by the type of record they stand in,
// and those that name exactly one of the records.
func literalReferences(records []map[string]any) (all, resolved map[string]int) {
	all, resolved = map[string]int{}, map[string]int{}
	have := map[string]int{}
	for _, r := range records {
		if id, ok := r["id"].(string); ok {
			have[r["resourceType"].(string)+"/"+id]++
		}
	}
	form := regexp.MustCompile(`^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$`)
	for _, r := range records {
		walkReferences(r, func(ref string) {
			if form.MatchString(ref) {
				all[r["resourceType"].(string)]++
				if have[ref] == 1 {
					resolved[r["resourceType"].(string)]++
				}
			}
		})
	}
	return all, resolved
}

func walkReferences(v any, f func(string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walkReferences(e, f)
		}
	case map[string]any:
		if ref, ok := v["reference"].(string); ok {
			f(ref)
		}
		for name, e := range v {
			// Notes and contained resources are dropped with the references inside.
			if name != "note" && name != "contained" {
				walkReferences(e, f)
			}
		}
	}
}

// The search finds what it must and nothing else: the other tests stand on it.
func TestLeaked(t *testing.T) {
	text := `{"code":"46706006","zip":"67060-1234"} lives at 12 Oak St. (555) 123, born 1980-02-03; Ann-Marie`
	for value, want := range map[string]int{
		"67060": 1, "46706006": 1, "06006": 0, "12 Oak St.": 1, "2 Oak St": 0, "(555) 123": 1, "(555) 12": 0, "1980-02": 1, "1980-0": 0, "Marie": 1, "Ann-Mari": 0, "Oak Street": 0,
	} {
		if got, _ := leaked(map[string]bool{value: true}, text); got != want {
			t.Errorf("%q: got %d, want %d", value, got, want)
		}
	}
}

// codings counts the (system, code) pairs of the records. What kind of identifier somebody has (a
// passport) is part of the identifier and goes with it; so do contained resources.
func codings(records []map[string]any) map[string]int {
	n := map[string]int{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			system, ok1 := v["system"].(string)
			code, ok2 := v["code"].(string)
			if ok1 && ok2 {
				n[system+"|"+code]++
			}
			for name, e := range v {
				if name != "identifier" && name != "contained" {
					walk(e)
				}
			}
		}
	}
	for _, r := range records {
		walk(r)
	}
	return n
}
