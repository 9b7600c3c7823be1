//go:build ignore

// Generate writes the vectors of testdata/output: what becomes of made-up records, and the report
// on them. Run by go generate.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/protocoltest/vectorfile"
)

const uuid = "6c1d4fd5-3a5c-4d0f-9a8e-0a4f0e2b4f0d"

// people are records with an identifier of every kind, and some that are rejected.
const people = `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2026-01-02T03:04:05Z","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0"]},"text":{"status":"generated","div":"<div>Alonso Quixote</div>"},"identifier":[{"system":"urn:mrn","value":"12345"}],"name":[{"family":"Quixote"}],"telecom":[{"system":"phone","value":"555-810-7203"}],"gender":"male","birthDate":"1931-02-03","deceasedDateTime":"2024-03-04","address":[{"line":["1 Mill Rd"],"city":"Amherst","state":"MA","postalCode":"01002-1234","country":"US"}],"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"S","display":"single"}],"text":"single"}}
{"resourceType":"Patient","id":"p2","birthDate":"1990-12-31","address":[{"state":"NH","postalCode":"03601"}],"favouriteWindmill":"third"}
{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1","display":"Alonso Quixote"},"code":{"coding":[{"system":"http://snomed.info/sct","code":"44054006"}]},"onsetAge":{"value":93,"unit":"years","system":"http://unitsofmeasure.org","code":"a"},"recordedDate":"2024-01-02","note":[{"text":"saw giants"}]}
{"resourceType":"Encounter","id":"e1","status":"finished","subject":{"reference":"Patient?identifier=urn:mrn|12345"},"period":{"start":"2024-01-02T03:04:05Z","end":"2024-01-02T04:04:05Z"},"length":{"value":60,"unit":"min","system":"http://unitsofmeasure.org","code":"min"}}

{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/p2"},"issued":"2024-01-02T03:04:05.678Z","code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]},"valueQuantity":{"value":6.10,"unit":"%","system":"http://unitsofmeasure.org","code":"%"}}
{"resourceType":"Windmill","id":"w1"}
{"resourceType":"Condition","id":"c2","modifierExtension":[{"url":"http://example.org/not"}]}
{"resourceType":"Patient","id":"p3","id":"p4"}
not JSON
`

// bundle is the same in the form in which writers of transactions have it.
const bundle = `{"resourceType":"Bundle","id":"b1","meta":{"lastUpdated":"2026-01-02T03:04:05Z"},"identifier":{"system":"urn:b","value":"1"},"type":"transaction","timestamp":"2026-01-02T03:04:05Z","total":3,"link":[{"relation":"self","url":"https://ehr.example/Patient?name=Quixote"}],"entry":[
{"fullUrl":"urn:uuid:` + uuid + `","resource":{"resourceType":"Patient","id":"` + uuid + `","name":[{"family":"Quixote"}],"birthDate":"1987-05-06"},"request":{"method":"POST","url":"Patient","ifNoneExist":"name=Quixote"}},
{"fullUrl":"https://ehr.example/fhir/Encounter/e1","resource":{"resourceType":"Encounter","id":"e1","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"urn:uuid:` + uuid + `"},"period":{"start":"2024-01-02T03:04:05Z"}},"search":{"mode":"match","score":0.5},"request":{"method":"PUT","url":"Encounter/e1","ifMatch":"7"},"response":{"status":"201 Created","location":"Encounter/e1/_history/1","lastModified":"2024-01-02T03:04:05Z"}},
{"fullUrl":"urn:oid:1.2.3","resource":{"resourceType":"Windmill","id":"w1"}},
{"fullUrl":"urn:uuid:0","resource":{"resourceType":"Condition","id":"c1","subject":{"reference":"urn:uuid:` + uuid + `"},"encounter":{"reference":"Encounter/e1"},"recordedDate":"2024-02-29"}},
{"request":{"method":"DELETE","url":"Encounter/e1"}}],"signature":{"data":"UXVpeG90ZQ=="}}
`

func main() {
	log.SetFlags(0)
	old, err := filepath.Glob("testdata/output/*.txt")
	check(err)
	for _, f := range old {
		check(os.Remove(f))
	}
	check(os.MkdirAll("testdata/output", 0o755))
	for _, preset := range deid.Presets() {
		write("lines-"+preset, preset, false, "records of some types, a blank line, and lines that are rejected", people)
		write("bundle-"+preset, preset, true, "a transaction as a message: entries are records, one is of no known type", bundle)
	}
	write("empty", "safe-harbor", false, "no record", "")
	write("single", "safe-harbor", true, "a message that is one resource, rejected", `{"resourceType":"Patient","modifierExtension":[]}`)
}

func write(name, preset string, message bool, comment, in string) {
	rules, err := deid.Preset(preset)
	check(err)
	e, err := deid.Compile(rules)
	check(err)
	var out bytes.Buffer
	report, err := e.Process(context.Background(), bytes.NewReader([]byte(in)), &out, deid.Options{
		ReferenceDate: "2025-12-31", SurrogateKey: [32]byte{1}, Message: message,
		Values: map[string][]byte{deid.PseudonymKey: bytes.Repeat([]byte{2}, 32), deid.ShiftKey: bytes.Repeat([]byte{3}, 32)},
	})
	check(err)
	text, err := json.Marshal(report)
	check(err)
	header := map[string]string{"preset": preset, "comment": comment, "form": map[bool]string{false: "lines", true: "message"}[message]}
	body := in + "\n==\n" + out.String() + "\n==\n" + string(text) + "\n"
	check(vectorfile.Write("testdata/output/"+name+".txt", header, []byte(body)))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
