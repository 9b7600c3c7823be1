package deid_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// needles are texts to find, many in one pass: it looks at four bytes, then compares.
type needles map[[4]byte][]string

func (n needles) add(s string) {
	if len(s) >= 4 {
		k := [4]byte([]byte(s[:4]))
		n[k] = append(n[k], s)
	}
}

// in returns the needles that occur in b.
func (n needles) in(b []byte) map[string]bool {
	found := map[string]bool{}
	for i := 0; i+4 <= len(b); i++ {
		for _, s := range n[[4]byte(b[i:i+4])] {
			if bytes.HasPrefix(b[i:], []byte(s)) && !inCode(b, i, s) {
				found[s] = true
			}
		}
	}
	return found
}

// inCode reports whether a needle of digits is part of a longer code, such as
// the five of ZIP 00000 in the taxonomy code 208D00000X.
func inCode(b []byte, i int, s string) bool {
	joins := func(i int) bool {
		return i >= 0 && i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] >= 'A' && b[i] <= 'Z')
	}
	return strings.Trim(s, "0123456789") == "" && (joins(i-1) || joins(i+len(s)))
}

// base64Forms are the texts that s has within base64, at each of the three
// places that it can begin at, without the letters that its neighbours share.
func base64Forms(s string) []string {
	var forms []string
	for shift := range 3 {
		e := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), s...))
		from, to := (shift*8+5)/6, len(e)
		if (shift+len(s))%3 != 0 {
			to--
		}
		if to-from >= 8 { // shorter ones occur by chance
			forms = append(forms, e[from:to])
		}
	}
	return forms
}

// walk calls f with the path of every leaf; array places are not in it.
func walk(path string, v any, f func(path string, leaf any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			walk(path+"."+k, x, f)
		}
	case []any:
		for _, x := range v {
			walk(path, x, f)
		}
	default:
		f(path, v)
	}
}

func decode(tb testing.TB, b []byte) []map[string]any {
	tb.Helper()
	var all []map[string]any
	for l := range bytes.Lines(b) {
		var m map[string]any
		if err := json.Unmarshal(l, &m); err != nil {
			tb.Fatalf("line %d is not JSON", len(all)+1)
		}
		all = append(all, m)
	}
	return all
}

// secret matches the paths of what tells who somebody is, apart from what the
// canaries name.
var secret = regexp.MustCompile(`^(\.id|(\.\w+)*\.identifier\.value|\.(name|contact\.name)(\.\w+)?|(\.\w+)*\.telecom\.value|` +
	`(\.\w+)*\.address\.(line|city)|(\.\w+)*\.display|(\.\w+)*\.text|\.serialNumber|\.lotNumber|\.distinctIdentifier|` +
	`\.udiCarrier\.\w+|\.position\.\w+|\.deviceName\.name|\.description)$`)

// secrets are the needles that an input asks for: what stands in its secret
// places, and the canaries of its patients.
func secrets(tb testing.TB, in []byte, canaries []string) []string {
	tb.Helper()
	set := map[string]bool{}
	for _, r := range decode(tb, in) {
		walk("", r, func(path string, leaf any) {
			if s, ok := leaf.(string); ok && secret.MatchString(path) {
				set[s] = true
			}
		})
	}
	for _, s := range canaries {
		set[s] = true
	}
	var all []string
	for s := range set {
		if len(s) >= 4 {
			all = append(all, s)
		}
	}
	sort.Strings(all)
	return all
}

// month is a date with more than a year, wherever it stands.
var month = regexp.MustCompile(`[0-9]{4}-[0-9]{2}`)

func TestNoSecretIsInTheOutput(t *testing.T) {
	if testing.Short() {
		t.Skip("judges what comes out of many records")
	}
	each(t, func(t *testing.T, s source) {
		plain, coded := needles{}, needles{}
		all := secrets(t, s.records, s.canaries)
		for _, needle := range all {
			plain.add(needle)
			for _, f := range base64Forms(needle) {
				coded.add(f)
			}
		}
		// The search must find what is there, or finding nothing means nothing.
		if got := len(plain.in(s.records)); got < len(all)*99/100 {
			t.Fatalf("search finds %d of %d needles in the input, want all but escaped ones", got, len(all))
		}
		if bytes.Contains(s.records, []byte(`"DocumentReference"`)) && len(coded.in(s.records)) == 0 {
			t.Fatal("search finds nothing in base64 in the input, want names in the notes")
		}
		if !month.Match(s.records) {
			t.Fatal("search finds no YYYY-MM in the input")
		}
		for _, preset := range []string{"safe-harbor", "uds-plus"} {
			t.Run(preset, func(t *testing.T) {
				out, _ := run(t, preset, string(s.records))
				for needle := range plain.in(unfold([]byte(out))) {
					if preset == "uds-plus" && needle == "00000" {
						// what the guide wants in the place of a ZIP code is a ZIP code in synthea
						continue
					}
					t.Errorf("output holds %q", needle)
				}
				for needle := range coded.in([]byte(out)) {
					t.Errorf("output holds base64 %q", needle)
				}
				if m := month.FindString(out); m != "" {
					t.Errorf("output holds date %q", m)
				}
				if strings.Contains(out, "display") || strings.Contains(out, `"text"`) {
					t.Error("output holds a display or a text")
				}
				t.Logf("%d needles, %d of base64, in %d bytes of output", len(all), len(coded), len(out))
			})
		}
	})
}

// unfold appends to NDJSON what its strings hold once more: unescaped, out of
// base64, out of JSON in a string, in any order, a few times over.
func unfold(out []byte) []byte {
	all := bytes.Clone(out)
	var visit func(v any, depth int)
	visit = func(v any, depth int) {
		walk("", v, func(_ string, leaf any) {
			s, ok := leaf.(string)
			if !ok || depth == 0 || len(s) < 4 {
				return
			}
			all = append(append(all, '\n'), s...)
			var inner any
			if (s[0] == '{' || s[0] == '[' || s[0] == '"') && json.Unmarshal([]byte(s), &inner) == nil {
				visit(inner, depth-1)
			}
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
				if b, err := e.DecodeString(s); err == nil {
					visit(string(b), depth-1)
					break
				}
			}
		})
	}
	for l := range bytes.Lines(out) {
		var m any
		if json.Unmarshal(l, &m) == nil {
			visit(m, 4)
		}
	}
	return all
}

// The search sees through what it says that it sees through.
func TestUnfold(t *testing.T) {
	inner, err := json.Marshal(map[string]string{"note": "Mr. Quixote"})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(inner)
	line, err := json.Marshal(map[string]any{"a": []any{map[string]string{"b": base64.URLEncoding.EncodeToString([]byte(text))}}})
	if err != nil {
		t.Fatal(err)
	}
	if n := (needles{[4]byte([]byte("Mr. ")): {"Mr. Quixote"}}); len(n.in(line)) != 0 || len(n.in(unfold(line))) != 1 {
		t.Error("a name in base64 in base64 in JSON is not found")
	}
}
