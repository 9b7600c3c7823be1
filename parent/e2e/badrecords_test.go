package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/code"
)

// badRecord is a line of NDJSON that is no record. It must cost itself and nothing else.
type badRecord struct {
	name string
	line func() string
	want code.Record
	at   string // where in the record, as far as that can be told
}

func line(s string) func() string { return func() string { return s } }

var badRecords = []badRecord{
	{"malformed in the middle", line(`{"resourceType":"Patient","id":"bad"`), code.JSONMalformed, ""},
	{"no JSON at all", line(`<Patient/>`), code.JSONMalformed, ""},
	{"duplicate names", line(`{"resourceType":"Patient","id":"bad","gender":"male","gender":"female"}`), code.JSONDuplicateName, "/gender"},
	{"duplicate names, escaped", line(`{"resourceType":"Patient","id":"bad","gender":"male","gend\u0065r":"female"}`), code.JSONDuplicateName, "/gender"},
	{"10,000 deep", func() string {
		return `{"resourceType":"Patient","id":"bad","extension":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`
	}, code.JSONTooDeep, ""},
	{"10,000 deep and never closed", func() string { return `{"resourceType":"Patient","id":` + strings.Repeat(`{"a":`, 10_000) }, code.JSONTooDeep, ""},
	{"invalid UTF-8", line("{\"resourceType\":\"Patient\",\"id\":\"bad\xff\"}"), code.UTF8Invalid, "/id"},
	{"half a surrogate pair", line(`{"resourceType":"Patient","id":"bad\ud800"}`), code.JSONMalformed, "/id"},
	{"100 MB in one line", func() string { return `{"resourceType":"Patient","id":"` + strings.Repeat("a", 100<<20) + `"}` }, code.RecordTooLong, ""},
	{"unknown type", line(`{"resourceType":"Nothing","id":"bad"}`), code.ResourceTypeNotAllowed, ""},
}

// A bad line among good records: the enclave rejects it by code and line, the records around it
// come out, and open says which line of which file it was. In a pipeline where one bad record fails
// the job there is no result at all.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	s := twoTenants(t)
	for i, b := range badRecords {
		t.Run(b.name, func(t *testing.T) {
			j := job{s, fmt.Sprintf("r%d", i)}
			in := j.path(".in")
			check(t, os.Mkdir(in, 0o700))
			lines := []string{strings.TrimSpace(goodRecord), b.line(), strings.Replace(strings.TrimSpace(goodRecord), "good", "after", 1)}
			write(t, filepath.Join(in, "records.ndjson"), []byte(strings.Join(lines, "\n")+"\n"))
			b.counted(t, j, in)
			check(t, os.RemoveAll(in))
		})
	}
}

// counted runs the job in the pipeline that goes on, then in the one that does not.
func (b badRecord) counted(t *testing.T, j job, in string) {
	t.Helper()
	mustOwner(t, j.s, 0, j.sealArgs("policy", in)...)
	mustOwner(t, j.s, 0, j.submitArgs()...)
	out := mustOwner(t, j.s, 4, j.openArgs("policy")...)
	// seal tells where each file begins; run leads a line back to it, open has only the job's.
	place := "line 2 of the job"
	if b.at != "" {
		place += " at " + b.at
	}
	if want := place + ": " + string(b.want); !strings.Contains(out, want) {
		t.Errorf("open does not say %q:\n%.500s", want, out)
	}
	var report struct {
		In       int `json:"records_in"`
		Out      int `json:"records_out"`
		Rejected int `json:"records_rejected"`
		Rejects  []struct {
			Line int         `json:"line"`
			Code code.Record `json:"code"`
		} `json:"rejects"`
	}
	check(t, json.Unmarshal(read(t, filepath.Join(j.path(".out"), "report.json")), &report))
	if report.In != 3 || report.Out != 2 || report.Rejected != 1 || len(report.Rejects) != 1 || report.Rejects[0].Line != 2 || report.Rejects[0].Code != b.want {
		t.Errorf("got report %+v, want line 2 rejected as %s", report, b.want)
	}
	records := read(t, filepath.Join(j.path(".out"), "Patient.ndjson"))
	if bytes.Count(records, []byte("\n")) != 2 || bytes.Contains(records, []byte("bad")) {
		t.Errorf("got records %.300q, want those around the bad line", records)
	}
	if len(b.line()) < 1<<20 { // the code is the same for a long one, the time is not
		b.raised(t, j, in)
	}
}

func (b badRecord) raised(t *testing.T, j job, in string) {
	t.Helper()
	strict := job{j.s, j.name + "s"}
	mustOwner(t, j.s, 0, replace(strict.sealArgs("policy", in), "--pipeline", "strict")...)
	kept := inventory(t, strict)
	if reason := reasonOf(t, mustOwner(t, j.s, 1, strict.submitArgs()...)); !strings.HasPrefix(reason, string(code.RecordRejected)+": ") {
		t.Errorf("submit says %q, want %s", reason, code.RecordRejected)
	}
	if got := inventory(t, strict); got != kept {
		t.Errorf("submit left\n%s, want the job file alone", got)
	}
}

// An empty export is most often a mistake, and seal says so; past the tool it is a job that holds
// nothing.
func TestEmptyInput(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	for name, content := range map[string]string{"empty": "", "blank": "\n \n\n"} {
		write(t, s.Path(name+".ndjson"), []byte(content))
		j := job{s, name}
		if reason := reasonOf(t, mustOwner(t, s, 1, j.sealArgs("policy", s.Path(name+".ndjson"))...)); reason != "no record found: nothing to seal" {
			t.Errorf("seal says %q", reason)
		}
		if got := inventory(t, j); strings.Contains(got, ".ahjob") {
			t.Errorf("seal left %s", got)
		}
		o := newOrder(t, s)
		o.records = []byte(content)
		past := job{s, name + "past"}
		write(t, past.path(".ahjob"), o.seal(t, s).job(t))
		mustOwner(t, s, 0, past.submitArgs()...)
		if out := mustOwner(t, s, 0, past.openArgs("policy")...); !strings.Contains(out, "0 records in, 0 out, 0 rejected") {
			t.Errorf("open says %s", out)
		}
		if files, _ := filepath.Glob(filepath.Join(past.path(".out"), "*")); len(files) != 1 || filepath.Base(files[0]) != "report.json" {
			t.Errorf("got %v, want the report alone", files)
		}
	}
}
