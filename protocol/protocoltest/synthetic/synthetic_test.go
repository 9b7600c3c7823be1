package synthetic_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"index/suffixarray"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/protocoltest/synthetic"
)

// generate returns all streams, one after the other in the order of Types, and by type.
func generate(t testing.TB, o synthetic.Options) (string, map[string]string) {
	t.Helper()
	streams := make(map[string]*bytes.Buffer)
	err := synthetic.Generate(func(resourceType string) io.Writer {
		streams[resourceType] = new(bytes.Buffer)
		return streams[resourceType]
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	byType := make(map[string]string)
	for _, name := range synthetic.Types() {
		byType[name] = streams[name].String()
		all.WriteString(byType[name])
	}
	if len(byType) != len(streams) {
		t.Errorf("got %d streams, want %d", len(streams), len(byType))
	}
	return all.String(), byType
}

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

// golden is the digest of the default sample. A change of it is a change of everybody's sample: say
// so in the commit.
const golden = "20aa6cf8c3e429071a3bf921f2eec6e1088d4722b0ed0b8a7d52072078f4eb6c40e65a35d2cf5c119a1d4024040ad86b"

func TestDeterministic(t *testing.T) {
	all, _ := generate(t, synthetic.Options{})
	if got := digest.Sum([]byte(all)).String(); got != golden {
		t.Errorf("got digest %s, want %s", got, golden)
	}
	if other, _ := generate(t, synthetic.Options{Seed: 2}); other == all {
		t.Error("two seeds give the same records")
	}
	// A larger sample begins with the smaller one, so that tests can grow without new goldens.
	_, small := generate(t, synthetic.Options{Patients: 3})
	_, large := generate(t, synthetic.Options{Patients: 4})
	for name := range small {
		if !strings.HasPrefix(large[name], small[name]) {
			t.Errorf("%s: the larger sample does not begin with the smaller one", name)
		}
	}
}

func TestDefaultsAreEnough(t *testing.T) {
	all, byType := generate(t, synthetic.Options{})
	if got := len(lines(all)); got < 1000 {
		t.Errorf("got %d resources, want at least 1000", got)
	}
	if len(byType) != 13 {
		t.Errorf("got %d types, want 13", len(byType))
	}
	for name, s := range byType {
		for _, line := range lines(s) {
			if !strings.HasPrefix(line, `{"resourceType":"`+name+`","id":"`) {
				t.Fatalf("%s: got %.60s", name, line)
			}
			// jsontext refuses duplicate names and invalid UTF-8, unlike encoding/json.
			if _, err := jsontext.AppendFormat(nil, []byte(line)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// A canary that is not in the input would be "not found" in any output.
func TestCanariesAreInTheInput(t *testing.T) {
	for _, o := range []synthetic.Options{{Patients: 12}, {Patients: 7, Seed: 42}} {
		all, _ := generate(t, o)
		list := synthetic.Canaries(o)
		if len(list) < 100*7 {
			t.Errorf("got %d canaries", len(list))
		}
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Error("canaries are not sorted or not unique")
		}
		index := suffixarray.New([]byte(all))
		for _, c := range list {
			if len(c) < 5 {
				t.Errorf("canary %q is too short to be told from other data", c)
			}
			if index.Lookup([]byte(c), 1) == nil {
				t.Errorf("canary %q is not in the input", c)
			}
		}
	}
}

// walk calls visit for each scalar, with the path of names that leads to it.
func walk(v any, path string, visit func(path, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			walk(e, path+"."+k, visit)
		}
	case []any:
		for _, e := range v {
			walk(e, path, visit)
		}
	case string:
		visit(path, v)
	case json.Number:
		visit(path, v.String())
	}
}

func decode(t testing.TB, line string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What an output rightly keeps must hold no canary: a leak check would cry wolf.
func TestCanariesAreNotCodes(t *testing.T) {
	all, _ := generate(t, synthetic.Options{})
	kept := make(map[string]bool)
	for _, line := range lines(all) {
		walk(decode(t, line), "", func(path, value string) {
			for _, end := range []string{".system", ".code", "coding.display", ".unit", ".status", ".gender", ".resourceType", ".profile", ".contentType"} {
				if strings.HasSuffix(path, end) {
					kept[value] = true
				}
			}
		})
	}
	values := strings.Join(slices.Sorted(maps.Keys(kept)), "\n")
	for _, c := range synthetic.Canaries(synthetic.Options{}) {
		if strings.Contains(values, c) {
			t.Errorf("canary %q is part of what an output keeps", c)
		}
	}
}

// The places where exports hide identifiers, each with what must be there.
func TestIdentifiersHideEverywhere(t *testing.T) {
	_, byType := generate(t, synthetic.Options{})
	canaries := synthetic.Canaries(synthetic.Options{})
	for place, name := range map[string]string{
		".text.div":                                 "Patient",
		".name.family":                              "Patient",
		"._birthDate.extension.valueDateTime":       "Patient",
		".contained.name.text":                      "Patient",
		".contact.address.line":                     "Patient",
		".address.extension.extension.valueDecimal": "Patient",
		".photo.data":                               "Patient",
		".identifier.value":                         "Patient",
		".telecom.value":                            "Patient",
		".extension.valueString":                    "Patient",
		".extension.extension.valueString":          "Patient",
		".maritalStatus.text":                       "Patient",
		".generalPractitioner.reference":            "Patient",
		".managingOrganization.reference":           "Patient",
		".deceasedDateTime":                         "Patient",
		".subject.display":                          "Encounter",
		".reasonCode.text":                          "Encounter",
		".participant.individual.reference":         "Encounter",
		".contained.telecom.value":                  "Condition",
		".note.text":                                "Condition",
		".note.authorString":                        "Condition",
		".code.text":                                "Condition",
		".recorder.identifier.value":                "Procedure",
		".dosageInstruction.patientInstruction":     "MedicationRequest",
		".lotNumber":                                "Immunization",
		".patient.identifier.value":                 "AllergyIntolerance",
		".reaction.description":                     "AllergyIntolerance",
		".udiCarrier.carrierHRF":                    "Device",
		".serialNumber":                             "Device",
		".url":                                      "Device",
		".content.attachment.data":                  "DocumentReference",
		".content.attachment.url":                   "DocumentReference",
		".description":                              "DocumentReference",
		".position.longitude":                       "Location",
		".contact.name.family":                      "Organization",
		".practitioner.identifier.value":            "PractitionerRole",
		".meta.lastUpdated":                         "Practitioner",
	} {
		found := false
		for _, line := range lines(byType[name]) {
			walk(decode(t, line), "", func(path, value string) {
				if path == place && !found {
					found = slices.ContainsFunc(canaries, func(c string) bool { return strings.Contains(value, c) })
				}
			})
			if found {
				break
			}
		}
		if !found {
			t.Errorf("%s%s: no canary there", name, place)
		}
	}
}

// References must resolve inside the sample, or a test of consistent surrogates would test nothing.
func TestReferencesResolve(t *testing.T) {
	all, _ := generate(t, synthetic.Options{})
	known := make(map[string]bool)
	for _, line := range lines(all) {
		v := decode(t, line)
		name, _ := v["resourceType"].(string)
		id, _ := v["id"].(string)
		if known[name+"/"+id] {
			t.Errorf("%s/%s is there twice", name, id)
		}
		known[name+"/"+id] = true
		if ids, ok := v["identifier"].([]any); ok {
			for _, e := range ids {
				e := e.(map[string]any)
				known[name+"?identifier="+e["system"].(string)+"|"+e["value"].(string)] = true
			}
		}
	}
	forms := make(map[string]int)
	for _, line := range lines(all) {
		walk(decode(t, line), "", func(path, value string) {
			if !strings.HasSuffix(path, ".reference") || strings.HasPrefix(value, "#") {
				return
			}
			if !known[value] {
				t.Errorf("%s refers to %s, which is not there", path, value)
			}
			form, _, search := strings.Cut(value, "?")
			if !search {
				form, _, _ = strings.Cut(value, "/")
			}
			forms[form]++
		})
	}
	for _, name := range []string{"Patient", "Practitioner", "Organization", "Location", "Encounter", "Condition"} {
		if forms[name] == 0 {
			t.Errorf("nothing refers to a %s", name)
		}
	}
}

func TestOldPeopleAndNotes(t *testing.T) {
	_, byType := generate(t, synthetic.Options{})
	old := 0
	for _, line := range lines(byType["Patient"]) {
		if s := decode(t, line)["birthDate"].(string); s < "1932" {
			old++
		}
	}
	if old < 5 {
		t.Errorf("got %d patients born before 1932, want at least 5", old)
	}
	note := decode(t, lines(byType["DocumentReference"])[0])
	data := note["content"].([]any)[0].(map[string]any)["attachment"].(map[string]any)["data"].(string)
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil || !strings.Contains(string(text), "SSN 9") {
		t.Errorf("got note %q and %v", text, err)
	}
}

type failing struct{}

var errFull = errors.New("full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestErrors(t *testing.T) {
	for _, bad := range synthetic.Types() {
		err := synthetic.Generate(func(name string) io.Writer {
			if name == bad {
				return failing{}
			}
			return io.Discard
		}, synthetic.Options{Patients: 2})
		if !errors.Is(err, errFull) {
			t.Errorf("%s cannot be written: got %v, want %v", bad, err, errFull)
		}
	}
	if err := synthetic.Generate(func(string) io.Writer { return io.Discard }, synthetic.Options{Patients: -1}); err == nil {
		t.Error("a negative number of patients was accepted")
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func BenchmarkGenerate(b *testing.B) {
	var n counter
	for b.Loop() {
		n = 0
		if err := synthetic.Generate(func(string) io.Writer { return &n }, synthetic.Options{Patients: 200}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(n))
}
