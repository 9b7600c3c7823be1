package deid_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// An index says which lines of a set a reference means.
type index map[string][]int

func buildIndex(all []map[string]any) index {
	x := index{}
	for i, r := range all {
		kind := r["resourceType"].(string)
		if id, ok := r["id"].(string); ok {
			x.add(kind+"/"+id, i)
		}
		ids, _ := r["identifier"].([]any)
		for _, v := range ids {
			m := v.(map[string]any)
			x.add(fmt.Sprintf("%s?%v|%v", kind, m["system"], m["value"]), i)
			x.add(fmt.Sprintf("?%v|%v", m["system"], m["value"]), i)
		}
	}
	return x
}

func (x index) add(key string, line int) { x[key] = append(x[key], line) }

// references returns what the References of a record point at, in the order of
// their paths, as keys of an index.
func references(path string, v any, f func(path, key string)) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			references(fmt.Sprintf("%s[%d]", path, i), e, f)
		}
	case map[string]any:
		if s, ok := v["reference"].(string); ok {
			f(path, referenceKey(s))
		}
		if id, ok := v["identifier"].(map[string]any); ok && path != "" {
			f(path+".identifier", fmt.Sprintf("?%v|%v", id["system"], id["value"]))
		}
		for k, e := range v {
			references(path+"."+k, e, f)
		}
	}
}

func referenceKey(s string) string {
	if kind, query, ok := strings.Cut(s, "?identifier="); ok {
		if token, err := url.PathUnescape(query); err == nil {
			return kind + "?" + token
		}
	}
	return s
}

func TestReferencesResolveAsBefore(t *testing.T) {
	if testing.Short() {
		t.Skip("judges what comes out of many records")
	}
	each(t, func(t *testing.T, s source) {
		before, after := pairs(t, "safe-harbor", s)
		old, now := buildIndex(before), buildIndex(after)
		count := map[string]int{}
		for i := range before {
			keys := map[string]string{}
			references("", after[i], func(path, key string) { keys[path] = key })
			references("", before[i], func(path, key string) {
				if dropped(t, before[i], path) {
					return
				}
				compare(t, path, old[key], now[keys[path]], count)
				if keys[path] != "" && count["shown"] < 3 && len(old[key]) > 0 && len(now[keys[path]]) == 0 {
					count["shown"]++
					t.Errorf("line %d: %s points at nothing", i+1, path)
				}
				delete(keys, path)
			})
			for path := range keys {
				t.Errorf("line %d: reference %s was not there before", i+1, path)
			}
		}
		if count["resolved"] == 0 {
			t.Error("no reference was compared")
		}
		t.Logf("resolved %d, dangling before and after %d", count["resolved"], count["dangling"])
	})
}

// dropped reports whether a reference stands in what the preset drops whole:
// who assigned an identifier, and contained resources of other types.
func dropped(t *testing.T, r map[string]any, path string) bool {
	var i int
	if _, err := fmt.Sscanf(path, ".contained[%d]", &i); err == nil {
		kind, _ := r["contained"].([]any)[i].(map[string]any)["resourceType"].(string)
		return !sections(rulesOf(t, "safe-harbor"))[kind]
	}
	return strings.HasSuffix(path, ".assigner")
}

// pairs returns the records of a source before and after, those left out that
// were rejected for their type. Every line must be one or the other.
func pairs(t *testing.T, preset string, s source) (before, after []map[string]any) {
	t.Helper()
	out, report := run(t, preset, string(s.records))
	all, after := decode(t, s.records), decode(t, []byte(out))
	rejected := map[int64]bool{}
	for _, r := range report.Rejects {
		if r.Code != "resource-type-not-allowed" {
			t.Errorf("line %d is rejected as %s", r.Line, r.Code)
		}
		rejected[r.Line] = true
	}
	for i, r := range all {
		if !rejected[int64(i)+1] {
			before = append(before, r)
		}
	}
	if len(before) != len(after) || len(after) == 0 || report.RecordsIn != int64(len(all)) {
		t.Fatalf("got %d records out, %d in, of %d lines, %d of them allowed", len(after), report.RecordsIn, len(all), len(before))
	}
	return before, after
}

// compare wants the lines that a reference meant before and means now to be the same.
func compare(t *testing.T, path string, old, now []int, count map[string]int) {
	t.Helper()
	if len(old) == 0 && len(now) == 0 {
		count["dangling"]++
		return
	}
	count["resolved"]++
	if fmt.Sprint(old) != fmt.Sprint(now) {
		t.Errorf("%s meant lines %v, means %v", path, old, now)
	}
}
