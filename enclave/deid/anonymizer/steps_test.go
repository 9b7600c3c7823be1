package anonymizer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/deid/streamtest"
	"anchorhold/protocol/code"
	"anchorhold/protocol/protocoltest/synthetic"
)

// steps returns the steps of one record and what became of it: a code, or "".
func steps(t *testing.T, e *anonymizer.Engine, values map[string][]byte, record string) (n int, c string) {
	t.Helper()
	counter := &streamtest.Counter{Engine: e}
	o := job(values)
	o.MaxRecord = 256 << 20
	r, err := stream.Process(context.Background(), counter, strings.NewReader(record+"\n"), io.Discard, o)
	if err != nil {
		return counter.Steps(), err.Error()
	}
	for c = range r.RejectCodes {
		break
	}
	return counter.Steps(), c
}

// linear fails the test when what a record grows by costs more the longer it already is, from 10
// elements to 10 and 100 times as many.
func linear(t *testing.T, e *anonymizer.Engine, values map[string][]byte, name string, record func(n int) string) {
	t.Helper()
	var size, took [3]float64
	for i, n := range []int{10, 100, 1_000} {
		r := record(n)
		got, c := steps(t, e, values, r)
		if c == string(code.RecordTooCostly) {
			t.Errorf("%s, %d elements: got %s after %d steps", name, n, c, got)
			return
		}
		size[i], took[i] = float64(len(r)), float64(got)
	}
	first, second := (took[1]-took[0])/(size[1]-size[0]), (took[2]-took[1])/(size[2]-size[1])
	if second > 1.25*first+0.05 {
		t.Errorf("%s: got %.2f steps for each further byte of a long record, want the %.2f of a short one", name, second, first)
	}
}

// everyMethod is a rule for each method on what path selects.
var everyMethod = map[string]string{
	"keep": `"method":"keep"`, "redact": `"method":"redact"`, "dateShift": `"method":"dateShift"`, "cryptoHash": `"method":"cryptoHash"`,
	"encrypt": `"method":"encrypt"`, "perturb": `"method":"perturb","span":1`,
	"substitute": `"method":"substitute","replaceWith":"2020"`,
	"generalize": `"method":"generalize","cases":{"$this.toString().length() > 3":"'long'","true":"$this"}`,
}

// fhirShapes are arrays that FHIR R4 has a place for, each in any size. Others are rejected as they
// are read.
func fhirShapes() map[string]func(n int) string {
	array := func(member, item string) func(n int) string {
		return func(n int) string { return `"` + member + `":[` + item + strings.Repeat(","+item, n) + "]" }
	}
	shapes := map[string]func(n int) string{
		"given names": func(n int) string { return `"name":[{"given":["a"` + strings.Repeat(`,"a"`, n) + "]}]" },
		"null halves": func(n int) string {
			return `"name":[{"given":[null` + strings.Repeat(`,null`, n) + `],"_given":[{"id":"a"}` + strings.Repeat(`,null`, n) + "]}]"
		},
		"a long text": func(n int) string { return `"gender":"` + strings.Repeat("a", 10*n) + `"` },
		"a long number": func(n int) string {
			return `"multipleBirthInteger":1,"extension":[{"url":"u","valueDecimal":1` + strings.Repeat("0", 10*n) + "}]"
		},
		"a long fraction": func(n int) string {
			return `"extension":[{"url":"u","valueDecimal":0.` + strings.Repeat("0", 10*n) + "1}]"
		},
		"a long exponent": func(n int) string {
			return `"extension":[{"url":"u","valueDecimal":1e` + strings.Repeat("0", 10*n) + "1}]"
		},
		"a long date": func(n int) string {
			return `"extension":[{"url":"u","valueDateTime":"2020-01-02T03:04:05.` + strings.Repeat("0", 10*n) + `Z"}]`
		},
	}
	for name, item := range map[string]string{
		"name": `{}`, "telecom": `{"rank":1}`, "contact": `{"name":{"given":["a"]}}`, "address": `{"line":["a"],"postalCode":"02139"}`,
		"identifier": `{"value":"1"}`, "photo": `{"data":"YQ=="}`, "communication": `{"language":{"text":"x"}}`,
		"generalPractitioner": `{"reference":"Practitioner/1"}`, "contained": `{"resourceType":"Basic","id":"b","created":"2020-01-02"}`,
		"extension": `{"url":"u","valueDateTime":"2020-01-02"}`, "modifierExtension": `{"url":"u","extension":[{"url":"v","valueDecimal":1.5}]}`,
		"link": `{"other":{"reference":"#b"}}`,
	} {
		shapes[name] = array(name, item)
	}
	return shapes
}

// Every method over every shape, by every way in which rules find elements. The id stands behind
// all: dateShift asks for it.
func TestStepsOfEveryMethodAreLinear(t *testing.T) {
	paths := []string{
		"nodesByType('dateTime')", "nodesByType('string')", "nodesByName('given')", "nodesByType('HumanName').given", "nodesByType('Extension').value",
		"Patient.name.given", "Patient.extension.value", "Patient.descendants()", "Patient.nodesByType('decimal')", "Resource.id", "Patient.repeat(children()).ofType(string)",
		"Patient.name.given | Patient.address.line", "Patient.descendants().where($this is dateTime)", "Patient.contained.descendants()",
		"Patient.generalPractitioner.reference", "Patient.extension.where(url = 'u').value",
	}
	for _, name := range anonymizer.MethodNames() {
		method := everyMethod[name]
		t.Run(name, func(t *testing.T) {
			if method == "" {
				t.Fatal("got no rule for the method, want one in everyMethod")
			}
			for _, path := range paths {
				e, values := configure(t, rules(`"dateShiftScope":"resource"`, `"path":"`+path+`",`+method))
				for shape, members := range fhirShapes() {
					if strings.Contains(path, "repeat(") && shape != "name" {
						// what is new it compares with all that it has: the budget's, not ours
						continue
					}
					linear(t, e, values, path+" over "+shape, func(n int) string {
						return `{"resourceType":"Patient",` + members(n) + `,"id":"` + strings.Repeat("i", n) + `"}`
					})
				}
			}
		})
	}
}

// Expressions that compare everything with everything, or make text of all text there was: their
// records are rejected, after work that is linear in what they hold, and the job goes on.
func TestExplosionsAreTooCostly(t *testing.T) {
	names := strings.TrimSuffix(strings.Repeat(`{"given":["Anna"],"family":"x"},`, 5_000), ",")
	var different strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&different, `,{"given":["Anna%d"],"family":"x"}`, i)
	}
	long := strings.Repeat("a", 1<<20) // bytes
	const next = `{"resourceType":"Basic","id":"b"}`
	for _, c := range []struct{ name, path, members string }{
		{"distinct", "name.given.distinct()", `"name":[` + different.String()[1:] + "]"},
		{"repeat", "repeat(children())", `"name":[` + different.String()[1:] + "]"},
		{"where in where", "name.where(%resource.name.where(given.count() = 2).exists())", `"name":[` + names + "]"},
		{"descendants for each", "descendants().where(%resource.descendants().count() = 1)", `"name":[` + names + "]"},
		{"text that grows", "where(name.given.aggregate($total & $this, '') = '')", `"name":[` + names + "]"},
		{"lists that grow", "where(name.aggregate($total | $this, {}).count() = 1)", `"name":[` + names + "]"},
		{"text for each", "name.where(given.first().replace('n', '" + strings.Repeat("x", 2000) + "') = 'x')", `"name":[` + names + "]"},
		{"letters of all text", "where(gender.toChars().count() > 1)", `"gender":"` + long + long + `"`},
		{"long texts compared", "name.where(%resource.gender < %resource.language)", `"gender":"` + long + `a","language":"` + long + `b","name":[` + names + "]"},
		{"long texts matched", "name.where(%resource.gender.matches('(a+)+b'))", `"gender":"` + long[:100_000] + `","name":[` + names + "]"},
		{"long texts replaced", "name.where(%resource.gender.replaceMatches('a', 'b') = '')", `"gender":"` + long[:1000] + `","name":[` + names + "]"},
	} {
		e, values := configure(t, rules("", `"path":"Patient.`+c.path+`","method":"redact"`))
		record := `{"resourceType":"Patient",` + c.members + `,"id":"p"}`
		out, report, err := run(e, job(values), record+"\n"+next+"\n")
		if err != nil || report.RejectCodes[string(code.RecordTooCostly)] != 1 || out != next+"\n" {
			t.Errorf("%s: got %v and %v, want the record rejected as %s and the next one done", c.name, err, report, code.RecordTooCostly)
		}
		if c.name != "text that grows" {
			continue
		}
		o := job(values)
		o.Raise = true
		if _, _, err := run(e, o, record); code.Of(err) != code.RecordRejected {
			t.Errorf("%s, with raise: got %v, want %s", c.name, err, code.RecordRejected)
		}
	}
}

// processingErrors: skip is for cases that fail, not for a record that takes too much: nothing
// takes its place.
func TestSkipDoesNotHideCostlyRecords(t *testing.T) {
	config := `{"processingErrors":"skip","fhirPathRules":[{"path":"Patient.name.given","method":"generalize","cases":{"%resource.descendants().where(%resource.descendants().count() = 1).empty()":"'x'"}}],"parameters":{}}`
	names := strings.TrimSuffix(strings.Repeat(`{"given":["Anna"],"family":"x"},`, 5_000), ",")
	if got := one(t, config, `{"resourceType":"Patient","name":[`+names+`]}`); got != string(code.RecordTooCostly) {
		t.Errorf("got %.100s, want %s", got, code.RecordTooCostly)
	}
}

// What rules put into a record is bounded by what was there: a long replacement for each of many
// small elements is not.
func TestReplacementsAreBounded(t *testing.T) {
	names := func(n int) string {
		return `{"resourceType":"Patient","name":[` + strings.TrimSuffix(strings.Repeat(`{"family":"a"},`, n), ",") + "]}"
	}
	text := strings.Repeat("x", 100_000)
	for name, rule := range map[string]string{
		"text":    `"path":"Patient.name.family","method":"substitute","replaceWith":"` + text + `"`,
		"element": `"path":"Patient.name","method":"substitute","replaceWith":{"given":["a"` + strings.Repeat(`,"a"`, 2_000) + `]}`,
		"case":    `"path":"Patient.name.family","method":"generalize","cases":{"true":"'` + text[:3000] + `'"}`,
		"made":    `"path":"Patient.name.family","method":"generalize","cases":{"true":"'aaaaaaaaaa'.replace('a', '` + text[:300] + `')"}`,
	} {
		config := rules("", rule)
		if got := one(t, config, names(2)); !strings.HasPrefix(got, "{") {
			t.Errorf("%s, two names: got %.100s, want a record", name, got)
		}
		if got := one(t, config, names(5_000)); got != string(code.RecordTooCostly) {
			t.Errorf("%s, 5,000 names: got %.100s, want %s", name, got, code.RecordTooCostly)
		}
	}
}

// Ordinary records stay far below their budget under the usual configuration and Microsoft's
// sample, and so does a Bundle as long as a record may be.
func TestOrdinaryRecordsAreFarBelowTheirBudget(t *testing.T) {
	var lines []string
	var parts []*bytes.Buffer
	err := synthetic.Generate(func(string) io.Writer {
		parts = append(parts, &bytes.Buffer{})
		return parts[len(parts)-1]
	}, synthetic.Options{Patients: 5})
	for _, p := range parts {
		lines = append(lines, strings.Split(strings.TrimSpace(p.String()), "\n")...)
	}
	if err != nil || len(lines) == 0 {
		t.Fatalf("got %d records, %v", len(lines), err)
	}
	configs := map[string]string{"usual": usual()}
	if root := os.Getenv("VECTORS"); root != "" {
		configs["sample"] = load(t, filepath.Join(root, "ms-anonymizer", "configs", "r4-configuration-sample.json"))
		samples, _ := filepath.Glob(filepath.Join(root, "ms-anonymizer", "samples", "*.json"))
		for _, f := range samples {
			lines = append(lines, oneLine(t, load(t, f)))
		}
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			e, values := configure(t, config)
			worst := 0.0
			for _, l := range lines {
				n, c := steps(t, e, values, l)
				if c != "" {
					t.Fatalf("got %s for %.60s", c, l)
				}
				worst = max(worst, float64(n)/float64(strings.Count(l, ",")+1))
			}
			// A Bundle of nothing but the smallest of them would have to pass as well.
			if worst > 128 {
				t.Errorf("got %.0f steps for each value, want at most half of the 256 that a record has", worst)
			}
			t.Logf("at most %.0f steps for each value", worst)
			bundle := bundleOf(lines, 8<<20)
			n, c := steps(t, e, values, bundle)
			if c != "" {
				t.Errorf("got %s for a Bundle of %d bytes, after %d steps", c, len(bundle), n)
			}
			t.Logf("%d steps for a Bundle of %d bytes", n, len(bundle))
		})
	}
}

// bundleOf makes a Bundle of records, again and again, of at most so many bytes.
func bundleOf(lines []string, most int) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i := 0; b.Len()+len(lines[i%len(lines)]) < most-64; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":%s}`, lines[i%len(lines)])
	}
	b.WriteString("]}")
	return b.String()
}
