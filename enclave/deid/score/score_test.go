package score_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"anchorhold/enclave/deid/score"
)

var few = score.Options{People: 5, Seed: 7}

// generate returns the folder of a benchmark and its required actions.
func generate(t *testing.T, o score.Options) (string, []score.Truth) {
	t.Helper()
	dir := t.TempDir()
	if _, err := score.Generate(dir, o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, score.TruthFile))
	if err != nil {
		t.Fatal(err)
	}
	truth, err := score.ReadTruth(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return dir, truth
}

// rewrite makes an output from each record of a benchmark.
func rewrite(t *testing.T, dir string, f func(file string, line int, record string) string) string {
	t.Helper()
	out := t.TempDir()
	paths, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		name := filepath.Base(p)
		if name == score.TruthFile {
			continue
		}
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		var o strings.Builder
		for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
			o.WriteString(f(name, i+1, line) + "\n")
		}
		if err := os.WriteFile(filepath.Join(out, name), []byte(o.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func judge(t *testing.T, dir, out string) *score.Result {
	t.Helper()
	r, err := score.Judge(dir, out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantShares(t *testing.T, what string, counts map[string]score.Count, want float64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if c := counts[name]; c.Share() != want {
			t.Errorf("%s of %q is %d of %d, want a share of %v", what, name, c.Right, c.Total, want)
		}
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	a, _ := generate(t, few)
	b, _ := generate(t, few)
	c, _ := generate(t, score.Options{People: few.People, Seed: few.Seed + 1})
	for _, name := range []string{score.TruthFile, "Patient.ndjson", "Observation.ndjson"} {
		x, errX := os.ReadFile(filepath.Join(a, name))
		y, errY := os.ReadFile(filepath.Join(b, name))
		z, errZ := os.ReadFile(filepath.Join(c, name))
		if errX != nil || errY != nil || errZ != nil {
			t.Fatal(errX, errY, errZ)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs between two runs with the same options", name)
		}
		if bytes.Equal(x, z) {
			t.Errorf("%s is the same for two seeds", name)
		}
	}
}

func TestEveryLetterIsPlanted(t *testing.T) {
	_, truth := generate(t, few)
	count := map[string]int{}
	for _, x := range truth {
		count[x.Letter]++
	}
	for _, l := range strings.Split(score.Letters, "") {
		if count[l] < few.People {
			t.Errorf("letter %s has %d values, want at least one for each of %d people", l, count[l], few.People)
		}
	}
}

func TestUnchangedRecordsHaveNoRecallAndFullUtility(t *testing.T) {
	dir, _ := generate(t, few)
	r := judge(t, dir, rewrite(t, dir, func(_ string, _ int, record string) string { return record }))
	wantShares(t, "recall", r.Recall, 0)
	wantShares(t, "utility", r.Utility, 1)
	if r.Precision != 0 {
		t.Errorf("precision is %v, want 0", r.Precision)
	}
}

func TestRejectedRecordsHaveFullRecallAndNoUtility(t *testing.T) {
	dir, _ := generate(t, few)
	for _, empty := range []string{"", "{}"} {
		r := judge(t, dir, rewrite(t, dir, func(string, int, string) string { return empty }))
		wantShares(t, "recall", r.Recall, 1)
		wantShares(t, "utility", r.Utility, 0)
		if r.Rejected == 0 {
			t.Error("no rejected record was counted")
		}
	}
}

// A tool that does what the truth says, and nothing else, must have full marks: the required
// actions contradict neither each other nor the search.
func TestPerfectToolHasFullMarks(t *testing.T) {
	dir, truth := generate(t, few)
	r := judge(t, dir, perfect(t, dir, truth))
	wantShares(t, "recall", r.Recall, 1)
	wantShares(t, "utility", r.Utility, 1)
	if r.Precision != 1 {
		t.Errorf("precision is %v, want 1", r.Precision)
	}
	for _, f := range r.Faults {
		t.Errorf("fault: %+v", f.Truth)
	}
}

// perfect writes the output of a tool that follows the truth.
func perfect(t *testing.T, dir string, truth []score.Truth) string {
	t.Helper()
	type place struct {
		file string
		line int
	}
	todo := map[place][]score.Truth{}
	for _, x := range truth {
		if x.Action.Removes() {
			todo[place{x.File, x.Line}] = append(todo[place{x.File, x.Line}], x)
		}
	}
	surrogates := map[string]string{}
	return rewrite(t, dir, func(file string, line int, record string) string {
		var v any
		d := json.NewDecoder(strings.NewReader(record))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		for _, x := range todo[place{file, line}] {
			steps := strings.Split(strings.TrimPrefix(x.Pointer, "/"), "/")
			v = edit(v, steps, func(leaf any) any { return obey(x, leaf, surrogates) })
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	})
}

func edit(v any, steps []string, f func(any) any) any {
	if len(steps) == 0 {
		return f(v)
	}
	switch v := v.(type) {
	case map[string]any:
		v[steps[0]] = edit(v[steps[0]], steps[1:], f)
	case []any:
		i, _ := strconv.Atoi(steps[0])
		v[i] = edit(v[i], steps[1:], f)
	}
	return v
}

// obey does to a leaf what the truth says.
func obey(x score.Truth, leaf any, surrogates map[string]string) any {
	s, ok := leaf.(string)
	if !ok {
		return nil
	}
	stays := ""
	switch x.Action {
	case score.Year:
		stays = x.Value[:4]
	case score.Zip3:
		stays = x.Value[:3]
	case score.Replace:
		if surrogates[x.Value] == "" {
			surrogates[x.Value] = "surrogate" + strconv.Itoa(len(surrogates))
		}
		stays = surrogates[x.Value]
	}
	if b, err := base64.StdEncoding.DecodeString(s); err == nil && strings.Contains(string(b), x.Value) {
		return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(b), x.Value, stays)))
	}
	return strings.ReplaceAll(s, x.Value, stays)
}

// Each disguise is a way in which real tools leave an identifier. None may score as removed.
func TestDisguisedIdentifiersAreLeaks(t *testing.T) {
	dir, truth := generate(t, few)
	clean := perfect(t, dir, truth)
	for _, test := range []struct {
		name     string
		pick     func(score.Truth) bool
		disguise func(string) string
	}{
		{"as it is", any2, same},
		{"upper case", func(x score.Truth) bool { return x.Letter == "A" }, strings.ToUpper},
		{"base64", func(x score.Truth) bool { return x.Letter == "A" }, func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte("for " + s))
		}},
		{"other separators", func(x score.Truth) bool { return x.Letter == "G" }, func(s string) string {
			return strings.ReplaceAll(s, "-", " ")
		}},
		{"no separators", func(x score.Truth) bool { return x.Letter == "D" && strings.Contains(x.Value, "-") }, func(s string) string {
			return strings.NewReplacer("(", "", ")", "", "-", "", " ", "", "+", "").Replace(s)
		}},
		{"a day without its time", func(x score.Truth) bool { return x.Action == score.Year && len(x.Value) > 10 }, func(s string) string {
			return s[:10]
		}},
		{"an age within text", func(x score.Truth) bool { return x.Letter == "C" && len(x.Value) <= 3 }, func(s string) string {
			return "aged " + s + " years"
		}},
		{"a small ZIP area", func(x score.Truth) bool { return x.Letter == "B" && len(x.Value) == 5 && x.Action == score.Remove }, same},
		{"five digits of a ZIP code", func(x score.Truth) bool { return x.Action == score.Zip3 }, same},
		{"an id in another place", func(x score.Truth) bool { return x.Action == score.Replace }, func(s string) string {
			return "Patient/" + s
		}},
	} {
		i := slices.IndexFunc(truth, test.pick)
		if i < 0 {
			t.Errorf("%s: no value to test", test.name)
			continue
		}
		x := truth[i]
		leaky := rewrite(t, clean, func(file string, line int, record string) string {
			if file != x.File || line != x.Line {
				return record
			}
			return strings.TrimSuffix(record, "}") + `,"leak":` + strconv.Quote(test.disguise(x.Value)) + "}"
		})
		if c := judge(t, dir, leaky).Recall[x.Letter]; c.Right >= c.Total {
			t.Errorf("%s: recall of %s is %d of %d, want the leak of %q to count", test.name, x.Letter, c.Right, c.Total, x.Value)
		}
	}
}

func any2(x score.Truth) bool { return x.Action == score.Remove }
func same(s string) string    { return s }

// An identifier that is moved into the output of another record, or into the name of a member, is a
// leak too.
func TestMovedIdentifiersAreLeaks(t *testing.T) {
	dir, truth := generate(t, few)
	clean := perfect(t, dir, truth)
	x := truth[slices.IndexFunc(truth, func(x score.Truth) bool { return x.Letter == "F" })]
	for name, format := range map[string]string{"value": `,"leak":"VALUE"}`, "member name": `,"VALUE":1}`} {
		leaky := rewrite(t, clean, func(file string, line int, record string) string {
			if file != "Specimen.ndjson" || line != 1 {
				return record
			}
			return strings.TrimSuffix(record, "}") + strings.ReplaceAll(format, "VALUE", x.Value)
		})
		r := judge(t, dir, leaky)
		if c := r.Recall["F"]; c.Right >= c.Total || r.Elsewhere != 1 {
			t.Errorf("%s: recall is %d of %d with %d found elsewhere, want one leak", name, c.Right, c.Total, r.Elsewhere)
		}
	}
}

// What may stay is no leak: the year of a date, three digits of a ZIP code.
func TestWhatMayStayIsNoLeak(t *testing.T) {
	dir, truth := generate(t, few)
	clean := perfect(t, dir, truth)
	before := judge(t, dir, clean)
	for _, action := range []score.Action{score.Year, score.Zip3} {
		x := truth[slices.IndexFunc(truth, func(x score.Truth) bool { return x.Action == action })]
		stays := x.Value[:map[score.Action]int{score.Year: 4, score.Zip3: 3}[action]]
		out := rewrite(t, clean, func(file string, line int, record string) string {
			if file != x.File || line != x.Line {
				return record
			}
			return strings.TrimSuffix(record, "}") + `,"stays":"` + stays + `"}`
		})
		if got, want := judge(t, dir, out).Recall[x.Letter], before.Recall[x.Letter]; got != want {
			t.Errorf("%s: recall is %v, want %v", action, got, want)
		}
	}
}

// Output that cannot be compared is refused: a score of it would be wrong.
func TestOutputThatCannotBeComparedIsRefused(t *testing.T) {
	dir, _ := generate(t, few)
	for name, spoil := range map[string]func(out string) error{
		"a line is missing": func(out string) error { return os.WriteFile(out+"/Patient.ndjson", []byte("{}\n"), 0o666) },
		"a file of another name": func(out string) error {
			return os.WriteFile(out+"/Patients-2.ndjson", []byte("{}\n"), 0o666)
		},
		"not JSON": func(out string) error {
			b, err := os.ReadFile(out + "/Media.ndjson")
			if err != nil {
				return err
			}
			return os.WriteFile(out+"/Media.ndjson", append([]byte("x"), b...), 0o666)
		},
		"two values on a line": func(out string) error {
			b, err := os.ReadFile(out + "/Media.ndjson")
			if err != nil {
				return err
			}
			return os.WriteFile(out+"/Media.ndjson", append([]byte(`{"a":1}`), b...), 0o666)
		},
	} {
		out := rewrite(t, dir, func(_ string, _ int, record string) string { return record })
		if err := spoil(out); err != nil {
			t.Fatal(err)
		}
		if r, err := score.Judge(dir, out); err == nil || r != nil {
			t.Errorf("%s: got a score, want an error", name)
		}
	}
}

func TestMalformedTruthIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":            "",
		"unknown member":   `{"file":"a","line":1,"pointer":"","letter":"A","action":"remove","value":"x","more":1}`,
		"unknown action":   `{"file":"a","line":1,"pointer":"","letter":"A","action":"hide","value":"x"}`,
		"unknown letter":   `{"file":"a","line":1,"pointer":"","letter":"S","action":"remove","value":"x"}`,
		"no letter":        `{"file":"a","line":1,"pointer":"","action":"remove","value":"x"}`,
		"keep, no kind":    `{"file":"a","line":1,"pointer":"","action":"keep","value":"x"}`,
		"line 0":           `{"file":"a","line":0,"pointer":"","letter":"A","action":"remove","value":"x"}`,
		"value is missing": `{"file":"a","line":1,"pointer":"","letter":"A","action":"remove"}`,
		"not JSON":         `x`,
	} {
		if _, err := score.ReadTruth(strings.NewReader(text)); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestTooFewPeopleAreRefused(t *testing.T) {
	if _, err := score.Generate(t.TempDir(), score.Options{People: 4}); err == nil {
		t.Error("4 people: got no error")
	}
}
