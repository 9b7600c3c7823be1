package deid_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
)

// An oracle says of every leaf of an output of the preset whether it may be
// there. It knows the words of the rule file, but nothing of the engine.
type oracle struct {
	words    map[string]bool
	prefixes []string // of addresses
}

func newOracle(tb testing.TB) *oracle {
	tb.Helper()
	rules, err := deid.Preset("safe-harbor")
	if err != nil {
		tb.Fatal(err)
	}
	o := &oracle{words: map[string]bool{"urn:anchorhold:surrogate": true, "<": true, "<=": true, ">=": true, ">": true}}
	for l := range strings.Lines(string(rules)) {
		if strings.HasPrefix(l, "#") {
			continue
		}
		for _, w := range strings.Fields(l) {
			if p, ok := strings.CutSuffix(w, "*"); ok && len(p) > 8 {
				o.prefixes = append(o.prefixes, p)
			}
			o.words[w] = true
		}
	}
	return o
}

var (
	leafYear      = regexp.MustCompile(`^(193[7-9]|19[4-9][0-9]|20[01][0-9]|202[0-6])$`)
	leafSurrogate = regexp.MustCompile(`^[b-df-hj-np-t]{32}$`)
	leafReference = regexp.MustCompile(`^([A-Z][A-Za-z]+/|#|[A-Z][A-Za-z]+\?identifier=urn:anchorhold:surrogate\|)[b-df-hj-np-t]{32}$`)
	leafZIP       = regexp.MustCompile(`^[0-9]{3}$`)
	leafCode      = regexp.MustCompile(`^[!-~]{1,64}$`)
	leafTail      = regexp.MustCompile(`^[A-Za-z0-9.|/-]{1,128}$`)
	leafNumber    = regexp.MustCompile(`^-?([0-9]{1,7}|[0-9]{1,4}0+)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)
	dateName      = regexp.MustCompile(`^(start|end|event|creation|publicationDate|presentationDate|date|recorded|lastOccurrence|authoredOn|onset|manufactureDate|.*(Date|DateTime))$`)
	codeDigits    = regexp.MustCompile(`[0-9]`)
)

// allows reports whether a leaf may stand at a path.
func (o *oracle) allows(path string, leaf any) bool {
	name := path[strings.LastIndexByte(path, '.')+1:]
	switch v := leaf.(type) {
	case bool:
		return true
	case json.Number:
		return leafNumber.MatchString(v.String())
	case string:
		switch {
		case name == "id" || name == "value":
			return leafSurrogate.MatchString(v)
		case name == "reference":
			return leafReference.MatchString(v)
		case name == "postalCode":
			return leafZIP.MatchString(v)
		case dateName.MatchString(name):
			return leafYear.MatchString(v)
		case name == "code" || name == "unit":
			return leafCode.MatchString(v) && !month.MatchString(v)
		case o.words[v]:
			return true
		}
		for _, p := range o.prefixes {
			if tail, ok := strings.CutPrefix(v, p); ok && leafTail.MatchString(tail) && len(codeDigits.FindAllString(tail, -1)) <= 4 {
				return name == "system" || name == "profile"
			}
		}
	}
	return false // null, too
}

// check reports what of an output may not be there.
func (o *oracle) check(tb testing.TB, out string) {
	tb.Helper()
	for l := range strings.Lines(out) {
		d := json.NewDecoder(strings.NewReader(l))
		d.UseNumber()
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			tb.Fatalf("output is not JSON: %v", err)
		}
		walk("", m, func(path string, leaf any) {
			if !o.allows(path, leaf) {
				tb.Errorf("output has %v at %s", leaf, path)
			}
		})
	}
}

func TestEveryLeafIsOneThatMayStay(t *testing.T) {
	o := newOracle(t)
	each(t, func(t *testing.T, s source) {
		out, _ := process(t, string(s.records))
		o.check(t, out)
	})
	t.Run("examples", func(t *testing.T) {
		out, _ := process(t, string(examples(t)))
		o.check(t, out)
	})
	for _, leaf := range []any{"Smith", "1936", "2027", "66801", nil, json.Number("5558107203"), "http://hl7.org/fhir/x y"} {
		if o.allows(".system", leaf) || o.allows(".birthDate", leaf) {
			t.Errorf("oracle allows %v", leaf)
		}
	}
}
