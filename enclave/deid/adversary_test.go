package deid_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// An attempt is an input that tries to carry something past the presets. In
// testdata/adversary/*.ndjson a comment with these members comes before each.
type attempt struct {
	Try     string   // what is tried
	Not     []string // what must not be in the output
	Has     []string // what must be in the output of Safe Harbor, as it is written
	Presets []string // for which Not holds; safe-harbor and uds-plus if there are none
	input   string
	line    int
}

func attempts(t *testing.T, file string) []attempt {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines)%2 != 0 {
		t.Fatalf("%s: got %d lines, want a comment before each input", file, len(lines))
	}
	var all []attempt
	for i := 0; i < len(lines); i += 2 {
		a := attempt{input: lines[i+1], line: i + 2}
		comment, ok := strings.CutPrefix(lines[i], "# ")
		if err := json.Unmarshal([]byte(comment), &a); err != nil || !ok || a.Try == "" || len(a.Not) == 0 {
			t.Fatalf("%s:%d: no comment with members try and not: %v", file, i+1, err)
		}
		if a.Presets == nil {
			a.Presets = []string{"safe-harbor", "uds-plus"}
		}
		all = append(all, a)
	}
	return all
}

// holds reports whether a text has s, if s is short with neither letters nor digits around it: 95
// is not in 1950.
func holds(text, s string) bool {
	text, s = strings.ToLower(text), strings.ToLower(s)
	joins := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] >= 'a' && text[i] <= 'z')
	}
	for from := 0; ; from++ {
		i := strings.Index(text[from:], s)
		if i < 0 {
			return false
		}
		if from += i; len(s) > 4 || !joins(from-1) && !joins(from+len(s)) {
			return true
		}
	}
}

// left returns the strings that are somewhere in the output. Numbers are found in any spelling: 95,
// 95.0 and 9.5e1.
func left(t *testing.T, out string, forbidden []string) []string {
	t.Helper()
	var texts []string
	var names func(v any)
	names = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, x := range v {
				texts = append(texts, name)
				names(x)
			}
		case []any:
			for _, x := range v {
				names(x)
			}
		case string:
			texts = append(texts, v)
		case float64:
			texts = append(texts, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	for _, record := range decode(t, []byte(out)) {
		names(record)
	}
	texts = append(texts, out)
	var found []string
	for _, s := range forbidden {
		for _, text := range texts {
			if holds(text, s) {
				found = append(found, s)
				break
			}
		}
	}
	return found
}

func TestAdversary(t *testing.T) {
	files, err := filepath.Glob("testdata/adversary/*.ndjson")
	if err != nil || len(files) == 0 {
		t.Fatalf("got no files (%v), want some", err)
	}
	chosen := compiled(t, extending("safe-harbor", "option masked\noption labels\nidentifiers\n  http://clinic.example/mrn\n"))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".ndjson"), func(t *testing.T) {
			for _, a := range attempts(t, file) {
				for _, preset := range a.Presets {
					out, _ := run(t, preset, a.input+"\n")
					if found := left(t, out, a.Not); len(found) > 0 {
						t.Errorf("%s:%d, %s: %s: got %q left in %s", file, a.line, preset, a.Try, found, out)
					}
				}
				out, _ := runWith(t, chosen, a.input+"\n", options())
				if found := left(t, out, a.Not); len(found) > 0 {
					t.Errorf("%s:%d, all options: %s: got %q left in %s", file, a.line, a.Try, found, out)
				}
				out, _ = run(t, "safe-harbor", a.input+"\n")
				for _, s := range a.Has {
					if !strings.Contains(out, s) {
						t.Errorf("%s:%d: %s: got %s, want %s in it", file, a.line, a.Try, out, s)
					}
				}
			}
		})
	}
}

// The search finds what is there, or finding nothing means nothing.
func TestAdversarySearch(t *testing.T) {
	for out, want := range map[string]string{
		`{"a":95.0}`: "95", `{"a":9.5e1}`: "95", `{"a":{"b":["x 95 y"]}}`: "95", `{"Smith":1}`: "smith", `{"a":"\u0053mith"}`: "smith", `{"a":-71.10}`: "-71.1",
	} {
		if len(left(t, out, []string{want})) != 1 {
			t.Errorf("%s: %s is not found", out, want)
		}
	}
	if found := left(t, `{"a":1950,"b":"x95"}`, []string{"95"}); len(found) > 0 {
		t.Errorf("got %q, want nothing", found)
	}
}

// The attack: a Bundle whose number is judged before its resource is read. What a worker knew of
// the record before was used, whose place may be beyond the end of this one: the job crashed, or
// the number of one record depended on the years of another.
func TestNumbersOfBundlesAreJudgedByThemselves(t *testing.T) {
	long := `{"fullUrl":"https://x.example/Patient/` + strings.Repeat("x", 3000) + `","resource":{"resourceType":"Condition","onsetDateTime":"1937","onsetAge":{"value":1,"unit":"a"}}}`
	for score, want := range map[string]string{
		"95": `"search":{"mode":"match"}`, "1": `"search":{"mode":"match","score":1}`, "0.75": `"search":{"mode":"match","score":0.75}`,
	} {
		in := `{"resourceType":"Bundle","type":"searchset","total":250,"entry":[` + long +
			`,{"search":{"mode":"match","score":` + score + `},"resource":{"resourceType":"Patient","gender":"male"}}]}`
		o := options()
		o.Workers = 1
		out, _ := runWith(t, safeHarbor(t), in+"\n"+in+"\n"+`{"resourceType":"Bundle","total":123}`+"\n", o)
		if strings.Count(out, want) != 2 || strings.Count(out, `"total":250`) != 2 || !strings.Contains(out, `"total":123`) {
			t.Errorf("score %s: got %s, want %s and the totals", score, out, want)
		}
	}
}
