package deid_test

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/code"
)

// A reader of FHIR could not say what a contained resource has to do with the record to which
// nothing of it leads (dom-3).
func TestContainedResourcesThatNothingRefersToGo(t *testing.T) {
	contained := func(rest string) string { return `{"resourceType":"Patient","id":"p"` + rest + `}` }
	for name, test := range map[string]struct {
		in   string
		want int // contained resources in the output
	}{
		"referred to":            {`{"resourceType":"Condition","contained":[` + contained("") + `],"subject":{"reference":"#p"}}`, 1},
		"reference goes":         {`{"resourceType":"Condition","contained":[` + contained("") + `],"note":[{"authorReference":{"reference":"#p"}}]}`, 0},
		"not referred to before": {`{"resourceType":"Condition","contained":[` + contained("") + `]}`, 1},
		"refers to the record":   {`{"resourceType":"Patient","contained":[{"resourceType":"RelatedPerson","id":"r","patient":{"reference":"#"}}]}`, 1},
		"refers to itself only":  {`{"resourceType":"Condition","contained":[` + contained(`,"link":[{"other":{"reference":"#p"},"type":"seealso"}]`) + `]}`, 0},
		"through another": {`{"resourceType":"Condition","contained":[` + contained(`,"managingOrganization":{"reference":"#o"}`) +
			`,{"resourceType":"Organization","id":"o"}],"subject":{"reference":"#p"}}`, 2},
		"through one that goes": {`{"resourceType":"Condition","contained":[` + contained(`,"managingOrganization":{"reference":"#o"}`) +
			`,{"resourceType":"Organization","id":"o"}],"note":[{"authorReference":{"reference":"#p"}}]}`, 0},
		// A reference in what is taken back counts for nothing.
		"in what goes": {`{"resourceType":"Patient","contained":[` + contained("") + `],"link":[{"other":{"reference":"#p"},"type":"Smith"}]}`, 0},
	} {
		got := one(t, test.in)
		if n := strings.Count(got, `{"resourceType":`) - 1; n != test.want {
			t.Errorf("%s: got %s, want %d contained resources", name, got, test.want)
		}
		if test.want == 0 && strings.Contains(got, "#") {
			t.Errorf("%s: got %s, want no reference to what is gone", name, got)
		}
	}
}

// What is read twice counts once.
func TestReportCountsARecordOnceThatLosesAContainedResource(t *testing.T) {
	_, report := process(t, `{"resourceType":"Condition","id":"1","contained":[{"resourceType":"Patient","id":"p","birthDate":"1980"}],"zebra":"#p"}`)
	got := counts(report, "Resource.id", "Patient.birthDate", "Resource.contained")
	if want := " Resource.contained contained 1-1\nR Resource.id surrogate 1-0\n? Condition.zebra 1\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// A partial date is moved by its middle, and a zone goes: either can turn a period around (per-1).
func TestPeriodsEndAfterTheirStart(t *testing.T) {
	record := func(patient, start, end string) string {
		return `{"resourceType":"Encounter","subject":{"reference":"Patient/` + patient + `"},"period":{"start":"` + start + `","end":"` + end + `"}}`
	}
	for _, preset := range []string{"safe-harbor", "expert-shift"} {
		for _, test := range []struct {
			start, end string
			masked     bool
		}{
			{"2012-01-02", "2012-01-02", false},
			{"2012-01-02T10:00:00Z", "2012-01-02T10:00:00.5Z", false},
			{"2012-01-02T10:00:00Z", "2011-01-02T10:00:00Z", false}, // the other way round before
			{"2012-01-02", "2011", false},
			{"2012-01-01T00:30:00+05:00", "2011-12-31T23:00:00-05:00", true},
		} {
			out, _ := run(t, preset, record("1", test.start, test.end))
			if got := strings.Contains(out, `"_end":`+masked); got != test.masked || got == strings.Contains(out, `"end":`) {
				t.Errorf("%s: %s to %s: got %s, want a reason %t", preset, test.start, test.end, out, test.masked)
			}
		}
	}
	some := false
	for patient := range 20 { // whose offsets are between 1 and 52 weeks
		for _, p := range [][2]string{{"2012-03-01", "2013"}, {"2012-12-31", "2013"}, {"2012-12-31", "2013-01"}, {"2012", "2013-01-31"}} {
			out, _ := run(t, "expert-shift", record(strconv.Itoa(patient), p[0], p[1]))
			start := edge.FindStringSubmatch(out)
			if start == nil {
				t.Fatalf("%s to %s: got %s, want a start", p[0], p[1], out)
			}
			if some = some || start[2] == ""; start[2] != "" {
				if n := min(len(start[1]), len(start[2])); start[1][:n] >= start[2][:n] {
					t.Errorf("%s to %s: got %s to %s, want no end that is not after the start", p[0], p[1], start[1], start[2])
				}
			}
		}
	}
	if !some {
		t.Error("got no end that went: the test shows nothing")
	}
}

var edge = regexp.MustCompile(`"start":"([^"]+)"(?:,"end":"([^"]+)")?`)

func TestMandatoryLinesCanReject(t *testing.T) {
	rules := bytes.Replace(safeHarborText(t), []byte("\n  Goal.description\n"), []byte("\n  Goal.description reject\n"), 1)
	e := compiled(t, string(rules))
	for in, want := range map[string]string{
		`{"resourceType":"Goal","description":{"text":"Smith"}}`:                                           string(code.MandatoryRemoved),
		`{"resourceType":"Goal","description":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]}}`: `"8480-6"`,
		`{"resourceType":"Goal"}`: `{"resourceType":"Goal"}`,
	} {
		got, report := runWith(t, e, in, options())
		for _, r := range report.Rejects {
			got = r.Code
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestExtensionsCannotChangeWhatIsMandatory(t *testing.T) {
	_, err := deid.Compile([]byte("anchorhold: rules/v1\nextends safe-harbor\nmandatory\n  Goal.description unless status\n"))
	if err == nil || !strings.Contains(err.Error(), "mandatory") {
		t.Errorf("got %v, want an error about the section mandatory", err)
	}
}
