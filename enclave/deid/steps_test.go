package deid_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/deid/streamtest"
	"anchorhold/protocol/code"
)

// mostPerByte is how many steps a record may take for each of its bytes: half of what the budget
// has.
const mostPerByte = 8

// steps returns the steps of one record and the code it is rejected with, if it is.
func steps(t *testing.T, e *deid.Engine, record string) (n int, c string) {
	t.Helper()
	counter := &streamtest.Counter{Engine: e}
	o := options()
	o.Workers, o.MaxRecord = 1, 256<<20
	r, err := stream.Process(context.Background(), counter, strings.NewReader(record+"\n"), io.Discard, o)
	if err != nil {
		t.Fatal(err)
	}
	for c = range r.RejectCodes {
		break
	}
	return counter.Steps(), c
}

// linear fails the test when what a record grows by costs more the longer it already is, from 10
// elements to 10 and 100 times as many.
func linear(t *testing.T, e *deid.Engine, name string, record func(n int) string) {
	t.Helper()
	var size, took [3]float64
	for i, n := range []int{10, 100, 1_000} {
		r := record(n)
		got, c := steps(t, e, r)
		if c == string(code.RecordTooCostly) || got > mostPerByte*len(r) {
			t.Errorf("%s, %d elements: got %d steps for %d bytes and code %q, want at most %d a byte", name, n, got, len(r), c, mostPerByte)
			return
		}
		size[i], took[i] = float64(len(r)), float64(got)
	}
	first, second := (took[1]-took[0])/(size[1]-size[0]), (took[2]-took[1])/(size[2]-size[1])
	if second > 1.25*first+0.05 {
		t.Errorf("%s: got %.2f steps for each further byte of a long record, want the %.2f of a short one", name, second, first)
	}
}

// everyMethod is a rule for each method, by its word; X is the element.
var everyMethod = map[string]string{
	"drop": "X drop", "group": "X group\n  a, b boolean", "boolean": "X boolean", "must-be": "X modifier must-be true", "integer": "X integer 5",
	"decimal": "X decimal 5", "span": "X span unit", "one-of": "X one-of a b", "year": "X year or other", "day": "X day", "shift": "X shift or other",
	"state": "X state", "clock": "X clock", "place": "X place", "zip-code": "X zip-code", "zip3": "X zip3 021", "zip3-padded": "X zip3-padded 021", "surrogate": "X surrogate",
	"identifier": "X identifier", "reference": "X reference", "link-id": "X link-id", "coding": "X coding", "quantity": "X quantity mg", "age": "X age",
	"age-low": "X age-low", "age-high": "X age-high", "claim": "meta claim http://x.example/p", "canonical": "X canonical",
	"media-type": "X media-type text/plain", "contained": "X contained",
	"age-from": "extension http://x.example/e age-from X", "year-from": "extension http://x.example/e year-from X",
}

// methodRules is a rule file in which elements x and y have the method, in the resource and in a
// group, and others all that methods ask of a record.
func methodRules(word string) string {
	var b strings.Builder
	rule := everyMethod[word]
	in := func(indent, name string) {
		for l := range strings.Lines(rule + "\n") {
			b.WriteString(indent + strings.Replace(l, "X", name, 1))
		}
	}
	b.WriteString("anchorhold: rules/v1\nrequires expert-determination\npatients subject\ntargets\n  Patient Basic\npersonal\n  29463-7\n" +
		"profiles\n  http://hl7.org/fhir/StructureDefinition/*\nsystems\n  http://loinc.org loinc\n  http://unitsofmeasure.org ucum\n" +
		"resource Basic\n  id surrogate\nresource Patient\n  id surrogate\n  code coding\n  subject reference\n  old year\n  aged age\n")
	if word != "contained" {
		b.WriteString("  contained contained\n")
	}
	in("  ", "x")
	b.WriteString("  g group\n    ok boolean\n")
	if word != "claim" && word != "zip3-padded" {
		in("    ", "x")
	}
	return b.String()
}

// Every method over every shape: none takes more than its size. The parts that rules ask for stand
// behind it, where a search for them has to pass over all of it.
func TestStepsOfEveryMethodAreLinear(t *testing.T) {
	words := deid.MethodWords()
	if len(words) != deid.WordedMethods {
		t.Errorf("got %d words for %d methods, want one each: a method without a word needs a test of its own, as labels have", len(words), deid.WordedMethods)
	}
	for _, word := range words {
		t.Run(word, func(t *testing.T) {
			if everyMethod[word] == "" {
				t.Fatal("got no rule for the method, want one in everyMethod")
			}
			e, err := deid.Compile([]byte(methodRules(word)))
			if err != nil {
				t.Fatal(err)
			}
			const tail = `,"unit":"a","code":{"system":"http://loinc.org","code":"29463-7"},"old":"1990","aged":{"value":30,"unit":"a"},` +
				`"subject":{"reference":"Patient/1"},"country":"US","contained":[{"resourceType":"Basic","id":"p"}],"id":"a"}`
			for shape, value := range streamtest.Shapes() {
				for _, place := range []string{"x", "extension", "meta"} {
					linear(t, e, place+": "+shape, func(n int) string {
						return `{"resourceType":"Patient","` + place + `":` + value(n) + tail
					})
				}
				linear(t, e, "group: "+shape, func(n int) string {
					return `{"resourceType":"Patient","g":[{"ok":true},{"x":` + value(n) + `,"unit":"a"}]` + tail
				})
			}
			if word == "age-from" || word == "year-from" {
				linear(t, e, "extensions before the date", func(n int) string {
					return `{"resourceType":"Patient","extension":[{}` + strings.Repeat(`,{"url":"http://x.example/e"}`, n) + `],"x":"1980-01-02"}`
				})
			}
		})
	}
}

// Labels are written at the end of a resource, in the method that has no word.
func TestStepsOfLabelsAreLinear(t *testing.T) {
	e := compiled(t, extending("safe-harbor", "option labels\n"))
	for shape, value := range streamtest.Shapes() {
		for _, format := range []string{`"meta":%s,"birthDate":"1980-01-02"`, `"meta":{"security":%s},"birthDate":"1980-01-02"`, `"birthDate":"1980-01-02","meta":{"profile":%s}`, `"meta":{},"contained":%s`} {
			linear(t, e, format+": "+shape, func(n int) string {
				return `{"resourceType":"Patient",` + fmt.Sprintf(format, value(n)) + `,"id":"a"}`
			})
		}
	}
}

// The presets, over every shape in every element of the first two levels that some record has.
func TestStepsOfPresetsAreLinear(t *testing.T) {
	elements := map[string][]string{
		"Patient":           {"identifier", "birthDate", "address", "deceasedDateTime", "generalPractitioner", "extension", "contained", "meta", "name", "communication"},
		"MedicationRequest": {"dosageInstruction", "subject", "authoredOn", "medicationCodeableConcept"},
		"Observation":       {"component", "valueQuantity", "code", "referenceRange", "effectiveDateTime", "issued", "subject"},
	}
	forPresets(t, func(t *testing.T, preset string) {
		e := engine(t, preset)
		for kind, names := range elements {
			for _, name := range names {
				for shape, value := range streamtest.Shapes() {
					linear(t, e, kind+"."+name+": "+shape, func(n int) string {
						return `{"resourceType":"` + kind + `","` + name + `":` + value(n) + `,"birthDate":"1980-01-02","id":"a"}`
					})
				}
			}
		}
	})
}

// The attacks that were found: each took time that grew with the square of its size.
func TestStepsOfAttacksAreLinear(t *testing.T) {
	age := `,{"url":"http://fhir.org/guides/hrsa/uds-plus/StructureDefinition/uds-plus-age-extension"}`
	for name, attack := range map[string]struct {
		preset string
		record func(n int) string
	}{
		"durations before their unit": {"safe-harbor", func(n int) string {
			return `{"resourceType":"MedicationRequest","dosageInstruction":[{"timing":{"repeat":{"duration":[1` + strings.Repeat(",1", n) + `],"durationUnit":"d"}}}]}`
		}},
		"ages before the date of birth": {"uds-plus", func(n int) string {
			return `{"resourceType":"Patient","extension":[{}` + strings.Repeat(age, n) + `],"birthDate":"1980-01-02"}`
		}},
		"codes of an address before its country": {"safe-harbor", func(n int) string {
			return `{"resourceType":"Patient","address":[{"postalCode":["02139"` + strings.Repeat(`,"02139"`, n) + `],"country":"US"}]}`
		}},
		"extensions in extensions": {"safe-harbor", func(n int) string {
			return `{"resourceType":"Patient"` + strings.Repeat(`,"extension":[{"valueString":"`+strings.Repeat("a", n)+`"`, 25) + strings.Repeat(`,"url":"u"}]`, 25) + `}`
		}},
	} {
		linear(t, engine(t, attack.preset), name, attack.record)
	}
}

// A search that passes over a long number or over white space is charged as one over a long string
// is.
func TestSearchesAreChargedForAllThatTheyPass(t *testing.T) {
	const n = 20_000
	for name, long := range map[string]string{
		"letters": `"` + strings.Repeat("a", n) + `"`, "digits": "1" + strings.Repeat("0", n), "space": strings.Repeat(" ", n) + "1",
	} {
		got, c := steps(t, safeHarbor(t), `{"resourceType":"Patient","x":`+long+`,"id":"a"}`)
		if want := n / 64; got < want || c != "" {
			t.Errorf("%s: got %d steps and code %q, want %d at least", name, got, c, want)
		}
	}
}

// A record whose id has as many bytes as it has references to what it contains: each would be
// hashed with the id, and kept for the crosswalk. It is rejected after work that its length bounds.
func TestLongIdsInManyReferencesAreTooCostly(t *testing.T) {
	record := func(id, references int) string {
		return `{"resourceType":"Patient","id":"` + strings.Repeat("a", id) + `","contained":[{"resourceType":"Practitioner","id":"p"}],"generalPractitioner":[{}` +
			strings.Repeat(`,{"reference":"#p"}`, references) + `]}`
	}
	for _, n := range []int{2_000, 6_000} {
		r := record(10*n, n)
		if got, c := steps(t, safeHarbor(t), r); c != string(code.RecordTooCostly) || got > 33*len(r) {
			t.Errorf("%d references: got code %q after %d steps for %d bytes, want %s", n, c, got, len(r), code.RecordTooCostly)
		}
		// Nothing more is done once it is known.
		if got := touched(t, safeHarbor(t), r); got > n/10 {
			t.Errorf("got rules applied to %d values of a record with %d references, want few", got, n)
		}
	}
	// The longest id of FHIR is no reason to reject.
	if _, c := steps(t, safeHarbor(t), record(64, 20_000)); c != "" {
		t.Errorf("got %s for an id of 64 letters", c)
	}
}

// touched returns to how many values rules are applied.
func touched(t *testing.T, e *deid.Engine, record string) (n int) {
	t.Helper()
	o := options()
	o.Workers = 1
	if _, err := stream.Process(context.Background(), traced{e, &n}, strings.NewReader(record), io.Discard, o); err != nil {
		t.Fatal(err)
	}
	return n
}

// traced counts the values that rules are applied to.
type traced struct {
	*deid.Engine
	n *int
}

func (e traced) NewWorker(j *stream.Job) (stream.Worker, error) {
	w, err := e.Engine.NewWorker(j)
	if err == nil {
		w.(stream.Tracer).Trace(func(stream.Touch) { *e.n++ })
	}
	return w, err
}

// nestedRules are rules without end: an extension that holds its like.
const nestedRules = minimal + "  extension http://x.example/e Level\ntype Level\n  ok boolean\n  extension http://x.example/e Level\n"

// nested is a record of so many levels, each with its address behind the next and an array of n
// small values.
func nested(levels, n int) string {
	return `{"resourceType":"Patient"` + strings.Repeat(`,"extension":[{"a":[1`+strings.Repeat(",1", n)+"]", levels) +
		strings.Repeat(`,"url":"http://x.example/e"}]`, levels) + `}`
}

// Nesting ends the work where it is too deep: 4,900 levels, each searched for what stands behind
// the next, are a square too.
func TestNestingStopsTheWork(t *testing.T) {
	e, err := deid.Compile([]byte(nestedRules))
	if err != nil {
		t.Fatal(err)
	}
	for _, levels := range []int{100, 1_000, 4_900} {
		r := nested(levels, 10)
		if got, c := steps(t, e, r); c != string(code.JSONTooDeep) || got > mostPerByte*len(r) {
			t.Errorf("%d levels: got code %q after %d steps for %d bytes, want %s", levels, c, got, len(r), code.JSONTooDeep)
		}
	}
}

// What a search passes over is charged, or it would be done for nothing: here every level has all
// that lie in it searched.
func TestSearchesAreCharged(t *testing.T) {
	e, err := deid.Compile([]byte(nestedRules))
	if err != nil {
		t.Fatal(err)
	}
	r := nested(30, 2_000)
	if got, c := steps(t, e, r); c != "" || got < 10*len(r)/64 {
		t.Errorf("got code %q after %d steps for %d bytes, want as many as passing over them ten times and more", c, got, len(r))
	}
}

// Ordinary records stay far below their budget, whatever the preset, and so does a Bundle as long
// as a record may be.
func TestOrdinaryRecordsAreFarBelowTheirBudget(t *testing.T) {
	in := sample(t, 20).records
	if dir := os.Getenv("VECTORS"); dir != "" {
		in = append(in, synthea(t, "10")...)
	}
	lines := slices.Collect(strings.Lines(string(in)))
	forPresets(t, func(t *testing.T, preset string) {
		counter := &streamtest.Counter{Engine: engine(t, preset)}
		worst := 0.0
		for i := 0; i < len(lines); i += 8 {
			l := lines[i]
			o := options()
			o.Workers = 1
			r, err := stream.Process(context.Background(), counter, strings.NewReader(l), io.Discard, o)
			if err != nil || r.RejectCodes[string(code.RecordTooCostly)] > 0 {
				t.Fatalf("got %v and %v", err, r.RejectCodes)
			}
			worst = max(worst, float64(counter.Steps())/float64(len(l)))
		}
		if worst > 1 {
			t.Errorf("got %.2f steps a byte, want at most 1", worst)
		}
		t.Logf("at most %.2f steps a byte", worst)

		const most = 8 << 20
		var bundle strings.Builder
		bundle.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
		entries := int64(0)
		for i := 0; ; i++ {
			l := strings.TrimSpace(lines[i%len(lines)])
			if bundle.Len()+len(l) > most-64 {
				break
			}
			if entries++; entries > 1 {
				bundle.WriteByte(',')
			}
			fmt.Fprintf(&bundle, `{"resource":%s}`, l)
		}
		bundle.WriteString("]}\n")
		_, r := run(t, preset, bundle.String())
		for _, c := range []code.Record{code.RecordTooCostly, code.JSONTooManyValues, code.RecordTooLong} {
			if n := r.RejectCodes[string(c)]; n > 0 || r.RecordsIn != entries {
				t.Errorf("a Bundle of %d bytes: got %d of %d entries rejected with %s", bundle.Len(), n, entries, c)
			}
		}
	})
}
