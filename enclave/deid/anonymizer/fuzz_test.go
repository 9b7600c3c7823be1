package anonymizer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid/anonymizer"
)

// seeds returns configurations and records that the fuzzers begin with; upstream's, too, where they
// are.
func seeds(f *testing.F) (configs, records []string) {
	f.Helper()
	configs = []string{
		rules(partial, `"path":"nodesByType('date') | nodesByType('dateTime')","method":"dateShift"`, `"path":"Resource","method":"redact"`),
		rules("", `"path":"Patient.name","method":"substitute","replaceWith":{"family":"A","period":{"start":"2020"}}`, `"path":"Patient.id","method":"encrypt"`),
		rules("", `"path":"Resource.nodesByName('value')","method":"perturb","span":0.5,"rangeType":"proportional","roundTo":3`, `"path":"nodesByType('Reference').reference","method":"cryptoHash"`),
		rules("", `"path":"Patient.birthDate","method":"generalize","cases":{"$this > @2000":"@1990","true":"$this"},"otherValues":"keep"`),
		`{"processingErrors":"skip","fhirVersion":"R4","fhirPathRules":[{"path":"Patient.name.family","method":"generalize","cases":{"$this>1":"1"}}]}`,
	}
	records = []string{
		bundle, patient(`"name":[{"given":["A",null],"_given":[null,{"id":"x"}]}],"birthDate":"2000-01-01","multipleBirthInteger":2`),
		observation(1, "1.50"), `{"resourceType":"Condition","onsetAge":{"value":90},"subject":{"reference":"Patient/1"},"meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}`,
	}
	if root := os.Getenv("VECTORS"); root != "" {
		for _, pattern := range []string{"configs", "bad-configs", "resources", "resources-r4"} {
			files, _ := filepath.Glob(filepath.Join(root, "ms-anonymizer", pattern, "*.json"))
			for _, file := range files {
				if b := load(f, file); strings.HasSuffix(pattern, "configs") {
					configs = append(configs, b)
				} else {
					records = append(records, b)
				}
			}
		}
	}
	return configs, records
}

// FuzzCompile: no panic; what Split lets through compiles, has no keys and is left as it is by
// another Split.
func FuzzCompile(f *testing.F) {
	configs, _ := seeds(f)
	for _, c := range configs {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		rest, values, err := anonymizer.Split(config)
		if err != nil {
			if e, err := anonymizer.Compile(config); err == nil && e != nil {
				t.Fatal("compiles, but does not split")
			}
			return
		}
		if _, err := anonymizer.Compile(rest); err != nil {
			t.Fatalf("split and refused: %v", err)
		}
		if _, err := anonymizer.Compile(config); (err == nil) != (len(values) == 0) {
			t.Fatalf("%d keys, and Compile says %v", len(values), err)
		}
		again, none, err := anonymizer.Split(rest)
		if err != nil || len(none) != 0 || string(again) != string(rest) {
			t.Fatalf("%s splits into %s, %v", rest, again, err)
		}
	})
}

// FuzzRecord: no panic, output that is valid, and the same output once more.
func FuzzRecord(f *testing.F) {
	configs, records := seeds(f)
	for i, r := range records {
		f.Add([]byte(configs[i%len(configs)]), []byte(oneLine(f, r)))
		f.Add([]byte(configs[0]), []byte(oneLine(f, r)))
	}
	f.Fuzz(func(t *testing.T, config, record []byte) {
		rest, values, err := anonymizer.Split(config)
		if err != nil {
			return
		}
		e, err := anonymizer.Compile(rest)
		if err != nil {
			t.Fatal(err)
		}
		o := job(values)
		o.Values[anonymizer.DateShiftPrefix] = []byte("folder")
		out, report, err := run(e, o, string(record))
		if err != nil {
			if err.Error() != "failed: record-rejected" {
				t.Fatalf("%v", err)
			}
			return
		}
		if report.RecordsIn != report.RecordsOut+report.RecordsRejected {
			t.Fatalf("got report %+v", report)
		}
		for line := range strings.Lines(out) {
			if !jsontext.Value(line).IsValid() {
				t.Fatalf("%s becomes %s", record, line)
			}
		}
		if again, _, err := run(e, o, string(record)); err != nil || again != out {
			t.Fatalf("%s becomes %s, then %s, %v", record, out, again, err)
		}
	})
}
