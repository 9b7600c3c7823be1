package score

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// templates holds records as JSON, in which placeholders stand for values; see README.md,
// "Templates".
//
//go:embed records/*.json
var templates embed.FS

// placeholder matches {{NAME}} and {{=KIND:VALUE}}. A "#" first makes the whole string a number; a
// "!" last says that nothing of the value needs to stay.
var placeholder = regexp.MustCompile(`\{\{(#?)(=[a-z0-9-]+:[^}]*?|[A-Za-z0-9.-]+)(!?)\}\}`)

// encodedPrefix begins a string that is written as base64 once its placeholders are filled.
const encodedPrefix = "base64:"

// loadTemplates returns all templates, in the order of their file names.
func loadTemplates() ([]map[string]any, error) {
	entries, err := templates.ReadDir("records")
	if err != nil {
		return nil, err
	}
	var all []map[string]any
	for _, e := range entries {
		f, err := templates.Open("records/" + e.Name())
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(f)
		d.UseNumber()
		for n := 1; ; n++ {
			var t map[string]any
			if err := d.Decode(&t); err == io.EOF {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: template %d: %w", e.Name(), n, err)
			}
			if _, ok := t["resourceType"].(string); !ok {
				return nil, fmt.Errorf("%s: template %d: no resourceType", e.Name(), n)
			}
			all = append(all, t)
		}
		f.Close()
	}
	if len(all) == 0 {
		return nil, errors.New("no template")
	}
	return all, nil
}

// filler replaces the placeholders of one record and collects what must become of their values.
type filler struct {
	person *person
	truth  []Truth
}

// fill returns v with its placeholders replaced; pointer is v's place in the record.
func (f *filler) fill(pointer string, v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		filled := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			x, err := f.fill(pointer+"/"+name, v[name])
			if err != nil {
				return nil, err
			}
			filled[name] = x
		}
		return filled, nil
	case []any:
		filled := make([]any, len(v))
		for i, x := range v {
			x, err := f.fill(pointer+"/"+strconv.Itoa(i), x)
			if err != nil {
				return nil, err
			}
			filled[i] = x
		}
		return filled, nil
	case string:
		return f.text(pointer, v)
	}
	return v, nil
}

// text fills one string.
func (f *filler) text(pointer, s string) (any, error) {
	text, encoded := strings.CutPrefix(s, encodedPrefix)
	var b strings.Builder
	number := false
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		whole := m[0] == 0 && m[1] == len(text) && !encoded
		name := text[m[4]:m[5]]
		if text[m[2]:m[3]] == "#" {
			if !whole {
				return nil, fmt.Errorf("%s: {{#%s}} is a part of a string, want all of it", pointer, name)
			}
			number = true
		}
		value, err := f.value(pointer, name, whole && text[m[6]:m[7]] == "")
		if err != nil {
			return nil, err
		}
		b.WriteString(text[last:m[0]])
		b.WriteString(value)
		last = m[1]
	}
	b.WriteString(text[last:])
	switch {
	case strings.Contains(b.String(), "{{"):
		return nil, fmt.Errorf("%s: malformed placeholder in %q", pointer, s)
	case number:
		return json.Number(b.String()), nil
	case encoded:
		return base64.StdEncoding.EncodeToString([]byte(b.String())), nil
	}
	return b.String(), nil
}

// value returns the value of a placeholder and records what must become of it. useful says that the
// value is all of an element that a tool can keep in part.
func (f *filler) value(pointer, name string, useful bool) (string, error) {
	if rest, ok := strings.CutPrefix(name, "="); ok {
		kind, value, _ := strings.Cut(rest, ":")
		f.add(Truth{Pointer: pointer, Kind: kind, Action: Keep, Value: value})
		return value, nil
	}
	if id, ok := strings.CutPrefix(name, "id."); ok {
		v := f.person.id(id)
		f.add(Truth{Pointer: pointer, Letter: "R", Action: Replace, Value: v})
		f.add(Truth{Pointer: pointer, Kind: "references", Action: Link, Value: v})
		return v, nil
	}
	letter, what, _ := strings.Cut(name, ".")
	p, ok := f.person.plant(what)
	if !ok || len(letter) != 1 || !strings.Contains(Letters, letter) {
		return "", fmt.Errorf("%s: unknown placeholder {{%s}}", pointer, name)
	}
	f.add(Truth{Pointer: pointer, Letter: letter, Action: p.action, Value: p.value})
	if useful && p.stays != "" {
		f.add(Truth{Pointer: pointer, Kind: p.kind, Action: KeepPrefix, Value: p.stays})
	}
	return p.value, nil
}

func (f *filler) add(t Truth) { f.truth = append(f.truth, t) }
