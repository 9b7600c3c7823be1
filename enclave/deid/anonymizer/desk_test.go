package anonymizer_test

import (
	"fmt"
	"strings"
	"testing"

	"anchorhold/enclave/deid/stream"
)

// told runs one record with a worker that tells why it is rejected, and returns what it told.
func told(t *testing.T, config, record string) (reasons []stream.Touch, verdict stream.Verdict) {
	t.Helper()
	e, values := configure(t, config)
	engine := &deskEngine{Engine: e, tell: func(x stream.Touch) {
		if x.Reason != "" {
			reasons = append(reasons, x)
		}
	}, verdict: &verdict}
	var report *stream.Report
	report, err := stream.Process(t.Context(), engine, strings.NewReader(record), &strings.Builder{}, job(values))
	// What leaves an enclave: codes, whatever the desk is shown.
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", report)} {
		if strings.Contains(text, "CANARY") || strings.Contains(text, "birthDate") || strings.Contains(text, "value is") {
			t.Errorf("%s: the result of the job says %s", record, text)
		}
	}
	return reasons, verdict
}

type deskEngine struct {
	stream.Engine
	tell    func(stream.Touch)
	verdict *stream.Verdict
}

func (e *deskEngine) NewWorker(j *stream.Job) (stream.Worker, error) {
	w, err := e.Engine.NewWorker(j)
	if err != nil {
		return nil, err
	}
	tracer := w.(stream.Tracer)
	tracer.Trace(e.tell)
	return &deskWorker{tracer, e}, nil
}

type deskWorker struct {
	stream.Tracer
	engine *deskEngine
}

func (w *deskWorker) Resource(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	out, v := w.Tracer.Resource(dst, r, s)
	*w.engine.verdict = v
	return out, v
}

// A person at a desk is shown where a record is rejected, by which rule, and why.
func TestWhyARecordIsRejected(t *testing.T) {
	redactDates := rules("", `"path":"Patient.id","method":"keep"`, `"path":"nodesByType('date')","method":"redact"`, `"path":"nodesByType('dateTime')","method":"redact"`)
	const malformed = "resource-malformed"
	for _, c := range []struct {
		config, record, pointer, reason string
		rule                            int
		code                            string
	}{
		{redactDates, patient(`"birthDate":"1990-05-05Z"`), "/birthDate", "rule 2 (nodesByType('date')): value is not a date: it has a time zone and no time", 1, malformed},
		{redactDates, patient(`"birthDate":"1990-05+02:00"`), "/birthDate", "rule 2 (nodesByType('date')): value is not a date: it has a time zone and no time", 1, malformed},
		{redactDates, patient(`"deceasedDateTime":"1990-05-05-05:00"`), "/deceasedDateTime", "rule 3 (nodesByType('dateTime')): value is not a date: it has a time zone and no time", 2, malformed},
		{redactDates, patient(`"birthDate":"1990-02-30"`), "/birthDate", "rule 2 (nodesByType('date')): value is not a date: the calendar has no such day", 1, malformed},
		{redactDates, patient(`"birthDate":"1990-13"`), "/birthDate", "rule 2 (nodesByType('date')): value is not a date: the calendar has no such day", 1, malformed},
		{redactDates, patient(`"birthDate":"1990-02-03T10:00:00Z"`), "/birthDate", "rule 2 (nodesByType('date')): value is not a date: it has a time, and the element is a date alone", 1, malformed},
		{redactDates, patient(`"birthDate":"CANARY"`), "/birthDate", "rule 2 (nodesByType('date')): value is not a date", 1, malformed},
		{redactDates, patient(`"CANARY":1`), "/CANARY", "FHIR R4 has no such element here", -1, malformed},
		{redactDates, patient(`"name":[{},{"CANARY":{"x":1}}]`), "/name/1/CANARY", "FHIR R4 has no such element here", -1, malformed},
		{redactDates, patient(`"gender":["a","b"]`), "/gender/1", "element does not repeat in FHIR R4", -1, malformed},
		{redactDates, patient(`"active":"CANARY"`), "/active", "value is not true or false", -1, malformed},
		{redactDates, patient(`"multipleBirthInteger":99999999999`), "/multipleBirthInteger", "value is not an integer of 32 bits", -1, malformed},
		{redactDates, patient(`"extension":[{"url":"u","valueDecimal":"CANARY"}]`), "/extension/0/valueDecimal", "value is not a number", -1, malformed},
		{redactDates, patient(`"name":["CANARY"]`), "/name/0", "is a single value, and the element holds others", -1, malformed},
		{redactDates, patient(`"birthDate":{"CANARY":1}`), "/birthDate", "is an object, and the element is a primitive", -1, malformed},
		{redactDates, patient(`"name":[[1]]`), "/name/0", "is an array in an array", -1, malformed},
		{redactDates, patient(`"_birthDate":"CANARY"`), "/birthDate", "what the member with the underscore holds is no object", -1, malformed},
		{redactDates, `{"resourceType":"CANARY"}`, "", "resourceType is missing or names no resource of FHIR R4", -1, malformed},
		{redactDates, patient(`"contained":[{"id":"CANARY"}]`), "/contained/0", "resourceType is missing or names no resource of FHIR R4", -1, malformed},
		{
			rules("", `"path":"Patient.birthDate","method":"generalize","cases":{"true":"1 | 2"}`), patient(`"birthDate":"1990"`),
			"/birthDate", "rule 1 (Patient.birthDate): case does not give a single value\nprocessingErrors is raise: the job fails with the record", 0, "processing-failed",
		},
		{
			cases("Patient.birthDate", "", "true", "1990"), patient(`"birthDate":"1990-01-01","_birthDate":{"id":"i","extension":[{"url":"CANARY"}]}`), "/_birthDate/extension/0",
			"rule 1 (Patient.birthDate): generalize does not apply to an element with an extension: upstream's tool stops here, whatever processingErrors says\nthe job fails with the record", 0, "processing-failed",
		},
		{
			rules("", `"path":"Patient.where(name.single().exists())","method":"redact"`), patient(`"name":[{"family":"A"},{"family":"B"}]`), "",
			"rule 1 (Patient.where(name.single().exists())): evaluation of single at byte 11: more than one item where one is expected\nthe job fails with the record", 0, "processing-failed",
		},
		{`{"processingErrors":"skip",` + strings.TrimPrefix(cases("Patient.birthDate", "", "true", "1 | 2"), "{"), patient(`"birthDate":"1990"`), "", "", 0, ""},
		{redactDates, patient(`"birthDate":"1990-05-05"`), "", "", 0, ""},
	} {
		reasons, verdict := told(t, c.config, c.record)
		if string(verdict.Code) != c.code || verdict.At != 0 {
			t.Errorf("%s: got verdict %+v, want %s", c.record, verdict, c.code)
		}
		if c.reason == "" {
			if len(reasons) != 0 {
				t.Errorf("%s: got %v, want nothing", c.record, reasons)
			}
			continue
		}
		if len(reasons) != 1 || reasons[0].Pointer != c.pointer || reasons[0].Reason != c.reason || reasons[0].Rule != c.rule {
			t.Errorf("%s:\n got %+v\nwant rule %d at %q: %s", c.record, reasons, c.rule, c.pointer, c.reason)
		}
	}
}

// Arrays of nulls stay next to what says why nothing is there.
func TestArraysOfNulls(t *testing.T) {
	none := rules("", `"path":"Patient.photo","method":"redact"`)
	for record, want := range map[string]string{
		`"name":[{"given":[null],"_given":[{"extension":[{"url":"u","valueCode":"masked"}]}]}]`:        "",
		`"name":[{"_given":[{"id":"a"}],"given":[null]}]`:                                              "",
		`"name":[{"given":[null,null],"_given":[{"id":"a"},{"id":"b"}]}]`:                              "",
		`"name":[{"_given":[{"id":"a"}]}]`:                                                             "",
		`"name":[{"given":["A",null],"_given":[null,{"id":"b"}]}]`:                                     "",
		`"name":[{"given":[null,null],"_given":[{"id":"a"},null]}]`:                                    `{"name":[{"_given":[{"id":"a"}],"given":[null]}]}`,
		`"name":[{"given":[null]}]`:                                                                    `{}`,
		`"name":[{"given":[null,null],"_given":[null]}]`:                                               `{}`,
		`"contact":[{"name":{"given":[null],"_given":[{"id":"a"}]}}]`:                                  "",
		`"identifier":[{"system":"s"}],"name":[{"prefix":[null],"_prefix":[{"id":"a"}],"family":"F"}]`: "",
	} {
		if want == "" {
			want = bare(t, patient(record))
		}
		check(t, none, patient(record), want)
	}
	// A rule that takes the rest away takes the array, too.
	check(t, rules("", `"path":"Patient.name.given","method":"redact"`), patient(`"name":[{"family":"F","given":[null],"_given":[{"id":"a"}]}]`), `{"name":[{"family":"F"}]}`)
}

// A redact rule whose condition compares ages takes away every age over 89, however its unit is
// coded, and fails the job rather than leave one that it can't compare.
func TestConditionsOnAges(t *testing.T) {
	config := rules("", `"path":"Condition.where(onset > 89 years).onset","method":"redact"`)
	const u = `"system":"http://unitsofmeasure.org",`
	for age, want := range map[string]string{
		`{"value":95,` + u + `"code":"a"}`: `{}`, `{"value":1140,` + u + `"code":"mo"}`: `{}`, `{"value":5000,` + u + `"code":"wk"}`: `{}`, `{"value":40000,` + u + `"code":"d"}`: `{}`,
		`{"value":45,` + u + `"code":"a"}`: "", `{"value":95,"unit":"years"}`: "failed: record-rejected", `{"value":95,"system":"http://snomed.info/sct","code":"a"}`: "failed: record-rejected",
		`{"value":95,"code":"a"}`: "failed: record-rejected",
	} {
		if want == "" {
			want = `{"onsetAge":` + age + `}`
			want = bare(t, `{"resourceType":"Condition",`+strings.TrimPrefix(want, "{"))
		}
		check(t, config, `{"resourceType":"Condition","onsetAge":`+age+`}`, want)
	}
	e, _ := configure(t, config)
	want := "rule 1 (Condition.where(onset > 89 years).onset): path: at byte 22: comparison > is empty for a quantity in a unit that does not convert to years"
	if got := strings.Join(e.Warnings(), "\n"); got != want {
		t.Errorf("got warnings %q, want %q", got, want)
	}
	e, _ = configure(t, rules("", `"path":"nodesByType('Extension')","method":"redact"`, `"path":"Patient.gender","method":"generalize","cases":{"%resource.multipleBirth > 1 'g'":"'x'"}`))
	want = `rule 2 (Patient.gender): case "%resource.multipleBirth > 1 'g'": at byte 24: comparison > is empty for a quantity in a unit that does not convert to 'g'`
	if got := strings.Join(e.Warnings(), "\n"); got != want {
		t.Errorf("got warnings %q, want %q", got, want)
	}
}
