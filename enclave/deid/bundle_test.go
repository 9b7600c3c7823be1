package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/code"
)

// asMessage runs a job of one resource or Bundle.
func asMessage(tb testing.TB, in io.Reader, set func(*deid.Options)) (string, *deid.Report, error) {
	tb.Helper()
	o := options()
	o.Message = true
	if set != nil {
		set(&o)
	}
	var out bytes.Buffer
	report, err := safeHarbor(tb).Process(context.Background(), in, &out, o)
	return out.String(), report, err
}

const sampleBundle = `{"resourceType":"Bundle","id":"b1","meta":{"lastUpdated":"2024-01-02T03:04:05Z"},"type":"transaction","timestamp":"2024-01-02T03:04:05Z","total":2,` +
	`"link":[{"relation":"self","url":"https://x/Patient?name=MARKER"}],"entry":[` +
	`{"fullUrl":"urn:uuid:11111111-MARKER","resource":{"resourceType":"Patient","id":"MARKER1","gender":"female"},"request":{"method":"POST","url":"Patient","ifNoneExist":"name=MARKER"}},` +
	`{"fullUrl":"https://ehr.example/fhir/Encounter/MARKER2","resource":{"resourceType":"Encounter","id":"MARKER2","status":"finished","subject":{"reference":"urn:uuid:11111111-MARKER","display":"MARKER"}},` +
	`"search":{"mode":"match","score":0.5,"extension":[]},"request":{"method":"PUT","url":"Encounter/MARKER2","ifMatch":"MARKER"},"response":{"status":"201 MARKER","location":"Encounter/MARKER2/_history/1","etag":"MARKER"}},` +
	`{"fullUrl":"urn:oid:1.2.3","resource":{"resourceType":"Zebra","id":"MARKER"}},` +
	`{"resource":{"resourceType":"Condition","subject":{"reference":"Encounter/MARKER2"},"modifierExtension":[{"url":"MARKER"}]}},` +
	`{"link":[{"url":"MARKER"}]},` +
	`{"request":{"method":"DELETE","url":"Patient?name=MARKER"}},` +
	`{"request":{"method":"DELETE","url":"https://ehr.example/fhir/Encounter/MARKER2"},"link":[]},` +
	`"MARKER"],"signature":{"data":"MARKER"}}`

const wantBundle = `{"resourceType":"Bundle","id":"<0>","type":"transaction","total":2,"entry":[` +
	`{"fullUrl":"urn:anchorhold:surrogate:<1>","resource":{"resourceType":"Patient","id":"<2>","gender":"female"},"request":{"method":"POST","url":"Patient"}},` +
	`{"fullUrl":"https://anchorhold.invalid/fhir/Encounter/<3>","resource":{"resourceType":"Encounter","id":"<3>","status":"finished","subject":{"reference":"urn:anchorhold:surrogate:<1>"}},` +
	`"search":{"mode":"match","score":0.5},"request":{"method":"PUT","url":"Encounter/<3>"},"response":{"status":"201"}},` +
	`{"request":{"method":"DELETE","url":"Encounter/<3>"}}]}` + "\n"

// numbered replaces surrogates by the order in which they appear.
func numbered(s string) string {
	seen := map[string]string{}
	return spelt.ReplaceAllStringFunc(s, func(x string) string {
		if seen[x] == "" {
			seen[x] = fmt.Sprintf("<%d>", len(seen))
		}
		return seen[x]
	})
}

func indented(tb testing.TB, s string) string {
	tb.Helper()
	v := jsontext.Value(s)
	if err := v.Indent(); err != nil {
		tb.Fatal(err)
	}
	return string(v)
}

// As a line among others, as a message, as a message over many lines: one Bundle, its references
// still resolve, and each entry counts.
func TestBundle(t *testing.T) {
	wantRejects := `[{1 resource-type-not-allowed /entry/2/resource} {1 modifier-extension /entry/3/resource/modifierExtension} {1 resource-malformed /entry/4} {1 resource-malformed /entry/5} {1 resource-malformed /entry/7}]`
	line, lineReport := process(t, sampleBundle+"\n")
	for name, in := range map[string]string{"compact": sampleBundle, "indented": "\n" + indented(t, sampleBundle) + "\r\n\n"} {
		out, report, err := asMessage(t, strings.NewReader(in), nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, "MARKER") || strings.Contains(line, "MARKER") {
			t.Errorf("%s: marker in %s", name, out)
		}
		if got := strings.ReplaceAll(numbered(out), "\n", "") + "\n"; got != wantBundle {
			t.Errorf("%s: got  %s\nwant %s", name, got, wantBundle)
		}
		if got := fmt.Sprint(report.Rejects); got != wantRejects {
			t.Errorf("%s: got %s, want %s", name, got, wantRejects)
		}
		a, _ := json.Marshal(report)
		b, _ := json.Marshal(lineReport)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the report differs from that of a line:\n%s\n%s", name, a, b)
		}
	}
	if got := numbered(line); got != wantBundle {
		t.Errorf("line: got  %s\nwant %s", got, wantBundle)
	}
	if r := lineReport; r.RecordsIn != 8 || r.RecordsOut != 3 || r.RecordsRejected != 5 || r.ByType["Patient"].Out != 1 || r.ByType["Condition"].In != 1 {
		t.Errorf("got %+v", r)
	}
	if got := counts(lineReport, "Bundle.entry.fullUrl", "Bundle.timestamp"); !strings.Contains(got, "C Bundle.timestamp drop 1-1\nN,R Bundle.entry.fullUrl reference 2-0\n? Bundle.entry.link 1\n") {
		t.Errorf("got %s", got)
	}
}

// What a message is when it is no Bundle with entries to stream: one record, accepted or rejected,
// and the job goes well.
func TestMessagesOfOneRecord(t *testing.T) {
	patient := `{"resourceType":"Patient","gender":"male"}`
	for in, want := range map[string]string{
		patient:                                  patient + "\n",
		" \n\t" + indented(t, patient) + "\r\n ": patient + "\n",
		"":                                       "",
		" \n\r\n":                                "",
		patient + patient:                        "json-malformed",
		patient + "\n" + patient:                 "json-malformed",
		patient + "x":                            "json-malformed",
		`{"resourceType":"Patient","gender":1 2}`:                                                  "json-malformed",
		`{"resourceType":"Patient","gender":"male",}`:                                              "json-malformed",
		`{"resourceType":"Patient" "gender":"male"}`:                                               "json-malformed",
		`{"resourceType":"Patient","gender"`:                                                       "json-malformed",
		`{"resourceType":"Patient","gender":"ma`:                                                   "json-malformed",
		`{"resourceType":"Patient","x":[}}`:                                                        "json-malformed",
		`{"resourceType":"Patient","x":"` + "\xff" + `"}`:                                          "utf8-invalid",
		`{"resourceType":"Patient","a":1,"a":2}`:                                                   "json-duplicate-name",
		`{"resourceType":"Patient","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`: "json-too-deep",
		`[` + patient + `]`:                                                                        "resource-malformed",
		`"Bundle"`:                                                                                 "resource-malformed",
		`{"resourceType":"Zebra"}`:                                                                 "resource-type-not-allowed",
		`{"x":"` + strings.Repeat("y", 100_000) + `"}`:                                             "record-too-long",
		strings.Repeat(`{"x":`, 30_000):                                                            "record-too-long",
		`{"resourceType":"Bundle","type":"collection"}`:                                            `{"resourceType":"Bundle","type":"collection"}` + "\n",
		`{"type":"batch","entry":[{"resource":` + patient + `}],"resourceType":"Bundle"}`:          `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + patient + `}]}` + "\n",
		`{"resourceType":"Bundle","type":"batch","entry":null}`:                                    `{"resourceType":"Bundle","type":"batch"}` + "\n",
		`{"resourceType":"Bundle","type":"batch","entry":[]}`:                                      `{"resourceType":"Bundle","type":"batch"}` + "\n",
		`{"resourceType":"Bundle","type":"batch","entry":[1,{}]}`:                                  `{"resourceType":"Bundle","type":"batch"}` + "\n",
	} {
		out, report, err := asMessage(t, iotest.HalfReader(strings.NewReader(in)), func(o *deid.Options) { o.MaxRecord = 90_000 })
		if err != nil {
			t.Errorf("%.60q: %v", in, err)
			continue
		}
		got := strings.ReplaceAll(out, ",\n", ",")
		if len(report.Rejects) == 1 {
			got = report.Rejects[0].Code
		}
		if got != want {
			t.Errorf("%.60q: got %q, want %q", in, got, want)
		}
	}
}

// A Bundle that turns out to be none after entries have left ends the job: what was sent is void
// without its last chunk.
func TestBundlesThatBreakOff(t *testing.T) {
	head := `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"}}`
	for _, tail := range []string{
		"", ",", "]", "],", `],"x"`, `],"x":1`, "}", "]]", "]}x", "]}{", "x", `{}`, ",]}", `],"type":"batch"}`, `],"entry":[]}`, `],"a":1,"a":2}`, `],"a":[1}`,
		`,{"resource":{"resourceType":"Patient"`, `,{"resource":"`,
	} {
		out, report, err := asMessage(t, strings.NewReader(head+tail), nil)
		if code.Of(err) != code.RecordRejected || report != nil {
			t.Errorf("%q: got %v and %s, want %s", tail, err, out, code.RecordRejected)
		}
	}
	broken := io.ErrClosedPipe
	if _, _, err := asMessage(t, io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), nil); err != broken {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// bundleOf reads as a Bundle of n entries, some of which are rejected, one far too long.
func bundleOf(n int) io.Reader {
	i := -1
	return &generated{next: func() []byte {
		switch i++; {
		case i == 0:
			return []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"0"}}`)
		case i < n:
			filler := ""
			if i%1000 == 500 {
				filler = strings.Repeat("f", 3<<20)
			}
			return fmt.Appendf(nil, ",\n {\"fullUrl\":\"urn:uuid:%d\", \"resource\":{\"resourceType\":\"Observation\",\"id\":\"%d\",\"x\":\"%s\\\"]}\",\"subject\":{\"reference\":\"urn:uuid:%d\"}}}", i, i, filler, i/2)
		case i == n:
			return []byte(`],"id":"last"}`)
		}
		return nil
	}}
}

type generated struct {
	next func() []byte
	rest []byte
}

func (g *generated) Read(p []byte) (int, error) {
	for len(g.rest) == 0 {
		if g.rest = g.next(); g.rest == nil {
			return 0, io.EOF
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// Same Bundle, same bytes, however it arrives and on however many workers.
func TestBundleOutputDoesNotDependOnReaderOrWorkers(t *testing.T) {
	whole, err := io.ReadAll(bundleOf(3000))
	if err != nil {
		t.Fatal(err)
	}
	var want string
	var wantReport *deid.Report
	for _, workers := range []int{1, 2, 7} {
		for name, r := range map[string]io.Reader{
			"whole":  bytes.NewReader(whole),
			"random": &randomReader{strings.NewReader(string(whole)), rand.New(rand.NewPCG(1, uint64(workers)))},
		} {
			out, report, err := asMessage(t, r, func(o *deid.Options) { o.Workers, o.MaxRecord = workers, 1<<20 })
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want, wantReport = out, report
			}
			if out != want || fmt.Sprint(report) != fmt.Sprint(wantReport) {
				t.Errorf("%s, %d workers: output differs", name, workers)
			}
		}
	}
	if !jsontext.Value(want).IsValid() || wantReport.RecordsIn != 3000 || wantReport.RejectCodes["record-too-long"] != 3 || !strings.Contains(want, `],"id":"`) {
		t.Errorf("got %d records, rejects %v", wantReport.RecordsIn, wantReport.RejectCodes)
	}
}

// A Bundle on a line remembers where its first 4,096 entries end, and finds the others again.
func TestBundleOnALineKeepsAllEntriesInOrder(t *testing.T) {
	var in, want strings.Builder
	states := []string{"finished", "planned", "triaged", "unknown", "arrived"}
	for i := range 4096 + 100 {
		fmt.Fprintf(&in, ` , { "resource" : {"resourceType":"Encounter","status":%q, "x":["]},{"]} }`, states[i%len(states)])
		fmt.Fprintf(&want, `,{"resource":{"resourceType":"Encounter","status":%q}}`, states[i%len(states)])
	}
	got, _ := process(t, `{"resourceType":"Bundle","entry":[`+in.String()[2:]+`],"type":"collection"}`+"\n")
	if got != `{"resourceType":"Bundle","type":"collection","entry":[`+want.String()[1:]+"]}\n" {
		t.Errorf("got %.300s… of %d bytes", got, len(got))
	}
}

// A Bundle has no limit of its own: memory goes with its largest entry. This one has 124 MB.
func TestBundleInBoundedMemory(t *testing.T) {
	w := &peak{}
	o := options()
	o.Message, o.MaxRecord, o.Workers = true, 1<<20, 2
	base := heap()
	report, err := safeHarbor(t).Process(context.Background(), bundleOf(40_000), w, o)
	if err != nil || report.RecordsIn != 40_000 {
		t.Fatalf("got %v, %+v", err, report)
	}
	const most = 64 << 20
	if w.worst > base+most {
		t.Errorf("got %d MB on the heap, want at most %d", (w.worst-base)>>20, most>>20)
	}
	t.Logf("at most %d MB", (w.worst-base)>>20)
}

// FuzzMessage: one message in both forms gives valid JSON of the same content, or nothing.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{
		sampleBundle, "{", `{"resourceType":"Bundle","entry":[`, `{"resourceType":"Bundle","entry":[{}]}`, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a"}},5,"x\"]}",[1]],"total":3} `,
		`{"resourceType":"Patient","id":"1"}`, `{"entry":[{}],"resourceType":"Bundle"}`, `{"resourceType":"Bundle","a":1,"a":2,"entry":[]}`, "[1] ]", `{"resourceType":"\u0042undle","entry":[{}]}`,
	} {
		f.Add(s)
	}
	e := safeHarbor(f)
	f.Fuzz(func(t *testing.T, in string) {
		o := options()
		o.Workers, o.MaxRecord = 1, 1<<16
		var lines, message bytes.Buffer
		lineReport, err := e.Process(context.Background(), strings.NewReader(in), &lines, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Message = true
		report, err := e.Process(context.Background(), strings.NewReader(in), &message, o)
		if code.Of(err) == code.RecordRejected {
			if jsontext.Value(in).IsValid() {
				t.Errorf("a valid message ends the job")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if out := message.Bytes(); len(out) > 0 && !jsontext.Value(out).IsValid() {
			t.Errorf("output is not valid JSON: %q", out)
		}
		if strings.Contains(message.String(), "_") && !strings.Contains(in, "_") {
			t.Error("output has the place of a surrogate without it")
		}
		one := strings.Count(strings.TrimRight(in, "\n"), "\n") == 0 && jsontext.Value(in).IsValid()
		if one && (report.RecordsIn != lineReport.RecordsIn || report.RecordsOut != lineReport.RecordsOut) {
			t.Errorf("got %d and %d records, as a line %d and %d", report.RecordsIn, report.RecordsOut, lineReport.RecordsIn, lineReport.RecordsOut)
		}
	})
}

// What becomes of a resource does not depend on whether it comes on a line or in a Bundle, so what
// holds of lines (leaks, markers, worth) holds of entries.
func TestEntriesBecomeWhatLinesBecome(t *testing.T) {
	inputs := map[string][]byte{"sample": sample(t, 50).records}
	if os.Getenv("VECTORS") != "" {
		inputs["synthea"] = synthea(t, "10")
	}
	for name, in := range inputs {
		lines, lineReport := process(t, string(in))
		var b bytes.Buffer
		b.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
		for i, l := range bytes.Split(bytes.TrimSpace(in), []byte("\n")) {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"resource":%s}`, l)
		}
		b.WriteString(`]}`)
		out, report, err := asMessage(t, &b, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, l := range strings.Split(out, "\n") {
			if r, ok := strings.CutPrefix(l, `{"resource":`); ok {
				got.WriteString(strings.TrimSuffix(strings.TrimSuffix(r, ","), "}") + "\n")
			}
		}
		if got.String() != lines || report.RecordsIn != lineReport.RecordsIn || report.RecordsRejected != lineReport.RecordsRejected {
			t.Errorf("%s: %d bytes of entries, %d of lines; %d and %d records", name, got.Len(), len(lines), report.RecordsIn, lineReport.RecordsIn)
		}
	}
}
