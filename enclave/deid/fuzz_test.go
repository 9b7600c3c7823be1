package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid"
)

// checkOutput runs an engine and wants no panic, valid NDJSON and true counts.
func checkOutput(tb testing.TB, e *deid.Engine, in string) string {
	tb.Helper()
	o := options()
	o.Workers = 1
	o.MaxRecord = 1 << 16
	var out bytes.Buffer
	report, err := e.Process(context.Background(), strings.NewReader(in), &out, o)
	if err != nil {
		tb.Fatalf("process: %v", err)
	}
	var lines, records int64
	for l := range bytes.Lines(out.Bytes()) {
		lines++
		records += recordsIn(l)
		if !jsontext.Value(l).IsValid() {
			tb.Errorf("output line %d is not valid JSON: %q", lines, l)
		}
	}
	if records != report.RecordsOut || report.RecordsIn != report.RecordsOut+report.RecordsRejected ||
		int64(len(report.Rejects))+report.RejectsOmitted != report.RecordsRejected {
		tb.Errorf("got %d records, report of %d in, %d out, %d rejected", records, report.RecordsIn, report.RecordsOut, report.RecordsRejected)
	}
	if strings.Contains(out.String(), "____") && !strings.Contains(in, "_") {
		tb.Error("output has the place of a surrogate without it")
	}
	return out.String()
}

// recordsIn counts the records on a line: a Bundle's entries, or one.
func recordsIn(l []byte) int64 {
	var b struct {
		Type  string            `json:"resourceType"`
		Entry []json.RawMessage `json:"entry"`
	}
	if json.Unmarshal(l, &b) == nil && b.Type == "Bundle" {
		return int64(len(b.Entry))
	}
	return 1
}

// FuzzProcess runs the preset on hostile records. No fuzzed text may hold the
// marker's letters together but where the engine must drop it.
func FuzzProcess(f *testing.F) {
	e, o := safeHarbor(f), newOracle(f, "safe-harbor")
	for _, s := range []string{
		patient(`"id":"1","name":[{"family":"%"}],"birthDate":"2000-01-01","address":[{"postalCode":"66801","line":["%"]}]`),
		patient(`"gender":"%","extension":[{"url":"%","valueString":"%"},{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"}]`),
		`{"resourceType":"Condition","id":"1","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p","display":"%"},"onsetAge":{"value":95,"code":"a"}}`,
		`{"resourceType":"Encounter","status":"finished","length":{"value":1.0e1,"unit":"%"},"subject":{"reference":"https://x/Patient/1/_history/1"}}`,
		`{"resourceType":"Encounter","status":"finished","participant":[{"individual":{"reference":"Practitioner?identifier=a%7Cb"}}],"\u0069d":"\ud83d\ude00"}`,
		`{"resourceType":"Patient","deceasedDateTime":"1900","deceasedDateTime":1}`,
		`{"resourceType":"Encounter","length":{"value":5558107203,"unit":"years","system":"http://unitsofmeasure.org","code":"a{%}"},"class":{"system":"http://snomed.info/sct","code":"44054006"}}`,
		`{"resourceType":"MedicationRequest","dosageInstruction":[{"sequence":1,"timing":{"event":["2001-02-03"],"repeat":{"period":1.5,"periodUnit":"d","when":["MORN"],"boundsRange":{"low":{"value":1,"unit":"mg"}}}}}]}`,
		`{"resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain; %","creation":"2001-02-03"}}],"meta":{"profile":["http://hl7.org/fhir/StructureDefinition/%"],"tag":[{"system":"http://hl7.org/fhir/%","code":"%"}]}}`,
		`{"resourceType":"Observation","issued":"2024-02-03T04:05:06Z","code":{"coding":[{"system":"http://loinc.org","code":"30525-0"}]},"valueInteger":95,"component":[{"valueQuantity":{"value":9.5,"code":"(10.a)/1{%}","system":"http://unitsofmeasure.org"}}]}`,
		`{"resourceType":"Condition","meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-condition|%"]},"subject":{"reference":"urn:uuid:1","type":"%"},"onsetAge":{"value":30,"unit":"a","system":"http://unitsofmeasure.org","code":"a"},"recordedDate":"1960"}`,
		`{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:%","resource":{"resourceType":"Patient","id":"x","birthDate":"1990-01-01","address":[{},{"postalCode":"%"}]}}]}`,
		"{\"resourceType\":\"Patient\"}\r\n\n[[[[", "\\", `"`, `{"a`, `{"resourceType":"Patient","a":"\\\"%"}`,
	} {
		f.Add(s)
	}
	others := []*deid.Engine{engine(f, "uds-plus"), engine(f, "expert-shift")}
	const marker = "Zebra Quixote" // a space: no code, no number
	f.Fuzz(func(t *testing.T, in string) {
		out := checkOutput(t, e, strings.ReplaceAll(in, "%", marker))
		if strings.Contains(out, "Zebra") || strings.Contains(out, "Quixote") {
			t.Errorf("marker is in the output: %s", out)
		}
		if month.MatchString(out) {
			t.Errorf("a date is in the output: %s", out)
		}
		o.check(t, out)
		for _, other := range others {
			out := checkOutput(t, other, strings.ReplaceAll(in, "%", marker))
			if strings.Contains(out, "Zebra") || strings.Contains(out, "Quixote") {
				t.Errorf("marker is in the output: %s", out)
			}
		}
		// The owner's tool takes eight times the policy's record-bytes.
		if len(out) > 8*len(strings.ReplaceAll(in, "%", marker)) {
			t.Errorf("%d bytes became %d", len(in), len(out))
		}
	})
}
