package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// A variant changes published records to what hospitals write in their place: what
// de-identification then takes away is not what it takes from the originals. A variant that is not
// valid does not count, like any other record.
type variant struct {
	name string
	// change returns what takes the place of the member name of an object.
	change func(name string, v any) (string, any)
}

var variants = []variant{
	{"local codes", func(name string, v any) (string, any) {
		if c, ok := v.(map[string]any); ok && !bound[name] && c["code"] != nil && c["system"] != nil && c["value"] == nil {
			c["system"] = "https://codes.example.org/local"
		}
		return name, v
	}},
	{"text for codes", func(name string, v any) (string, any) {
		if c, ok := v.(map[string]any); ok && !bound[name] && c["coding"] != nil {
			return name, map[string]any{"text": "words of a clinician"}
		}
		return name, v
	}},
	{"names for references", func(name string, v any) (string, any) {
		if r, ok := v.(map[string]any); ok && r["reference"] != nil && !strings.HasPrefix(fmt.Sprint(r["reference"]), "#") {
			return name, map[string]any{"display": "somebody"}
		}
		return name, v
	}},
	{"extensions for values", func(name string, v any) (string, any) {
		if s, ok := v.(string); !ok || kept[name] || len(s) > 100 || hash(name)%2 == 0 {
			return name, v
		}
		return "_" + name, map[string]any{"extension": []any{map[string]any{
			"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown",
		}}}
	}},
	{"partial dates", func(name string, v any) (string, any) {
		s, ok := v.(string)
		if !ok || len(s) < 10 || s[4] != '-' || s[7] != '-' || strings.Trim(s[:4]+s[5:7]+s[8:10], "0123456789") != "" {
			return name, v
		}
		return name, s[:[]int{4, 7, 10, len(s)}[hash(name+s)%4]]
	}},
}

// bound are elements whose codes R4 prescribes; kept are those that say what a record is, or to
// what they belong.
var (
	bound = nameSet("clinicalStatus", "verificationStatus")
	kept  = nameSet("resourceType", "id", "reference", "url", "system", "code", "unit", "contentType", "div", "linkId")
)

func nameSet(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func hash(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

// vary returns the sets of variants of the records. Each record has one of them in turn, or all.
func vary(name string, records [][]byte, all bool) ([]set, error) {
	sets := make([]set, len(variants))
	for i, v := range variants {
		sets[i].name = name + ", " + v.name
		for j, r := range records {
			if !all && j%len(variants) != i {
				continue
			}
			changed, err := v.of(r)
			if err != nil {
				return nil, err
			}
			if changed != nil {
				sets[i].records = append(sets[i].records, changed)
			}
		}
	}
	return sets, nil
}

// of returns the variant of a record, or nil where it is the record.
func (v variant) of(record []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	var r any
	if err := d.Decode(&r); err != nil {
		return nil, err
	}
	before, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(v.walk("", r))
	if err != nil || bytes.Equal(before, after) {
		return nil, err
	}
	return after, nil
}

// walk changes the members of all objects but narrative, meta and extensions. The name of an object
// in an array is the array's.
func (v variant) walk(name string, x any) any {
	switch x := x.(type) {
	case []any:
		for i := range x {
			if _, ok := x[i].(map[string]any); ok {
				_, x[i] = v.change(name, v.walk(name, x[i]))
			}
		}
	case map[string]any:
		for _, member := range slices.Sorted(maps.Keys(x)) {
			switch member {
			case "text", "meta", "extension", "modifierExtension":
				continue
			}
			old := v.walk(member, x[member])
			delete(x, member)
			changed, value := v.change(member, old)
			x[changed] = value
		}
	}
	return x
}
