package deid_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// An oracle says of every leaf of an output of a preset whether it may be
// there. It knows the words of the rule file and the types of FHIR's elements,
// but nothing of the engine.
type oracle struct {
	preset   string
	forms    forms
	words    map[string]bool
	prefixes []string // of addresses
}

// forms are what a preset lets stay of some types. Nil: nothing.
type forms struct{ date, instant, clock, zip, city *regexp.Regexp }

var (
	year      = regexp.MustCompile(`^(193[7-9]|19[4-9][0-9]|20[01][0-9]|202[0-6])$`)
	fullDate  = regexp.MustCompile(`^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?$`)
	movedDate = regexp.MustCompile(`^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z)?)?)?$`)
	clockTime = regexp.MustCompile(`^[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?$`)
	zip3      = regexp.MustCompile(`^[0-9]{3}$`)
	zip5      = regexp.MustCompile(`^[0-9]{5}(-?[0-9]{4})?$`)
	zipPadded = regexp.MustCompile(`^[0-9]{3}00$`)
	stateCode = regexp.MustCompile(`^(A[AEKLPRSZ]|C[AOT]|D[CE]|FL|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEINOPST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|U[MT]|V[AIT]|W[AIVY])$`)
	town      = regexp.MustCompile(`^[A-Za-z][A-Za-z .'-]{1,39}$`)
)

var presetForms = map[string]forms{
	"safe-harbor":      {date: year, zip: zip3},
	"uds-plus":         {date: year, zip: zipPadded},
	"limited-data-set": {date: fullDate, instant: fullDate, clock: clockTime, zip: zip5, city: town},
	"expert-shift":     {date: movedDate, instant: movedDate, clock: clockTime, zip: zip3},
}

func newOracle(tb testing.TB, preset string) *oracle {
	tb.Helper()
	f, ok := presetForms[preset]
	if !ok {
		tb.Fatalf("preset %s has no forms", preset)
	}
	o := &oracle{preset: preset, forms: f, words: map[string]bool{
		"urn:anchorhold:surrogate": true, "<": true, "<=": true, ">=": true, ">": true,
		"http://hl7.org/fhir/StructureDefinition/data-absent-reason": true, "masked": true, "unsupported": true,
	}}
	for l := range strings.Lines(rulesOf(tb, preset)) {
		if strings.HasPrefix(strings.TrimSpace(l), "#") {
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
	leafSurrogate = regexp.MustCompile(`^[b-df-hj-np-t]{32}$`)
	leafReference = regexp.MustCompile(`^([A-Z][A-Za-z]+/|#|urn:anchorhold:surrogate:|[A-Z][A-Za-z]+\?identifier=urn:anchorhold:surrogate\|)[b-df-hj-np-t]{32}$`)
	leafCode      = regexp.MustCompile(`^[!-~]{1,64}$`)
	leafLink      = regexp.MustCompile(`^([b-df-hj-np-t]{32}|/?(L[PALG])?[0-9]{1,7}-[0-9])$`)
	leafTail      = regexp.MustCompile(`^[A-Za-z0-9.|/-]{1,128}$`)
	leafNumber    = regexp.MustCompile(`^-?([0-9]{1,7}|[0-9]{1,4}0+)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)
	drugCode      = regexp.MustCompile(`^([0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-[0-9]{3}-[0-9]{2}|[0-9]{5}-[0-9]{4}-[0-9]{1,2})$`)
	codeDigits    = regexp.MustCompile(`[0-9]`)
)

// bundleForms is what of a Bundle may stay under all presets (SPEC 3.5), beside id and identifier.
var bundleForms = map[string]*regexp.Regexp{
	"Bundle.type":                      regexp.MustCompile(`^[a-z]+(-response)?$`),
	"Bundle.total":                     regexp.MustCompile(`^[0-9]{1,9}$`),
	"Bundle.entry.fullUrl":             regexp.MustCompile(`^(https://anchorhold\.invalid/fhir/[A-Z][A-Za-z]+/|urn:anchorhold:surrogate:)[b-df-hj-np-t]{32}$`),
	"Bundle.entry.search.mode":         regexp.MustCompile(`^(match|include|outcome)$`),
	"Bundle.entry.search.score":        leafNumber,
	"Bundle.entry.request.method":      regexp.MustCompile(`^[A-Z]{3,6}$`),
	"Bundle.entry.request.url":         regexp.MustCompile(`^[A-Z][A-Za-z]+((/|\?identifier=urn:anchorhold:surrogate\|)[b-df-hj-np-t]{32})?$`),
	"Bundle.entry.request.ifNoneExist": regexp.MustCompile(`^identifier=urn:anchorhold:surrogate\|[b-df-hj-np-t]{32}$`),
	"Bundle.entry.response.status":     regexp.MustCompile(`^[0-9]{3}$`),
}

// allows reports whether a leaf may stand where it does.
func (o *oracle) allows(l leaf) bool {
	if form, ok := bundleForms[l.path]; ok {
		return form.MatchString(fmt.Sprint(l.value))
	}
	switch v := l.value.(type) {
	case bool:
		return l.kind == "boolean"
	case json.Number:
		switch l.kind {
		case "integer", "positiveInt", "unsignedInt", "decimal":
			return leafNumber.MatchString(v.String())
		}
	case string:
		return o.text(l, v)
	}
	return false // null, too
}

func (o *oracle) text(l leaf, v string) bool {
	matches := func(r *regexp.Regexp) bool { return r != nil && r.MatchString(v) }
	switch l.kind {
	case "date", "dateTime":
		return matches(o.forms.date)
	case "instant":
		return matches(o.forms.instant)
	case "time":
		return matches(o.forms.clock)
	case "id":
		return leafSurrogate.MatchString(v)
	case "code":
		if l.name == "code" && (l.holder == "Coding" || l.holder == "Quantity" || r4()[l.holder].base == "Quantity") {
			return leafCode.MatchString(v) && (!month.MatchString(v) || drugCode.MatchString(v))
		}
		return o.words[v]
	case "uri", "canonical":
		return o.address(l, v)
	case "string":
		switch l.holder + "." + l.name {
		case "Address.state":
			return stateCode.MatchString(v)
		case "Identifier.value", "Resource.id", "DomainResource.id":
			return leafSurrogate.MatchString(v)
		case "Reference.reference":
			// names one entry of a Bundle to another
			tail, entry := strings.CutPrefix(v, "urn:anchorhold:surrogate:")
			// from a contained resource to its record
			if v == "#" {
				return strings.Contains(l.path, ".contained:")
			}
			return leafReference.MatchString(v) || entry && strings.HasPrefix(l.path, "Bundle.entry.") && leafSurrogate.MatchString(tail)
		case "Address.postalCode":
			return matches(o.forms.zip)
		case "Address.city":
			return matches(o.forms.city)
		case "Address.country":
			return o.words[v]
		case "QuestionnaireResponse.item.linkId", "Questionnaire.item.linkId":
			return leafLink.MatchString(v)
		case "ImagingStudy.series.uid", "ImagingStudy.series.instance.uid":
			return leafSurrogate.MatchString(v)
		}
		return l.name == "unit" && leafCode.MatchString(v) && !month.MatchString(v)
	}
	return false
}

// address judges systems, profiles and the addresses of extensions.
func (o *oracle) address(l leaf, v string) bool {
	switch l.name {
	case "system", "profile", "url":
	default:
		return false
	}
	if o.words[v] {
		return true
	}
	for _, p := range o.prefixes {
		if tail, ok := strings.CutPrefix(v, p); ok && leafTail.MatchString(tail) && len(codeDigits.FindAllString(tail, -1)) <= 4 {
			return l.name != "url"
		}
	}
	return false
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
		leaves(m, func(l leaf) {
			if !o.allows(l) {
				tb.Errorf("%s: output has %v at %s, of type %q", o.preset, l.value, l.path, l.kind)
			}
		})
	}
}

func TestEveryLeafIsOneThatMayStay(t *testing.T) {
	if testing.Short() {
		t.Skip("judges what comes out of many records")
	}
	forPresets(t, func(t *testing.T, preset string) {
		o := newOracle(t, preset)
		each(t, func(t *testing.T, s source) {
			out, _ := run(t, preset, string(s.records))
			o.check(t, out)
		})
		t.Run("examples", func(t *testing.T) {
			out, _ := run(t, preset, string(examples(t)))
			o.check(t, out)
		})
		for _, v := range []any{"Smith", "1936-07", nil, json.Number("5558107203"), "http://hl7.org/fhir/x y"} {
			for _, l := range []leaf{
				{"", "Patient", "birthDate", "date", v},
				{"", "Coding", "system", "uri", v},
				{"", "Patient", "gender", "code", v},
				{"", "HumanName", "family", "string", v},
			} {
				if o.allows(l) && (preset == "safe-harbor" || preset == "uds-plus" || l.kind != "date") {
					t.Errorf("oracle allows %v at %s.%s", v, l.holder, l.name)
				}
			}
		}
	})
}
