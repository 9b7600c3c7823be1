package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sort"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
)

func lineOf(id int) string { return fmt.Sprintf(`{"resourceType":"Patient","id":"%d"}`, id) }

func TestRejects(t *testing.T) {
	const marker = "MARKER"
	deep := strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70)
	lines := []struct{ in, code, place string }{
		{lineOf(1), "", ""},
		{`{"resourceType":"Patient","a":"MARKER"`, "json-malformed", ""},
		{`{"resourceType":"Patient"} MARKER`, "json-malformed", ""},
		{`{"resourceType":"Patient","id":"MARKER","id":"b"}`, "json-duplicate-name", "/id"},
		{`{"resourceType":"Patient","x":{"MARKER":1,"\u004dARKER":1}}`, "json-duplicate-name", "/x/MARKER"},
		{`{"resourceType":"Patient","x":"MARKER` + "\xff" + `"}`, "utf8-invalid", "/x"},
		{`{"resourceType":"Patient","x":"MARKER\ud800"}`, "json-malformed", "/x"},
		{`{"resourceType":"Patient","gender":"male","MARKER":` + deep + `}`, "json-too-deep", "/MARKER" + strings.Repeat("/0", 63)},
		{strings.Repeat(`{"MARKER":`, 20000), "json-too-deep", ""},
		{`{"resourceType":"MolecularSequence","id":"MARKER"}`, "resource-type-not-allowed", ""},
		{`{"resourceType":"MARKER"}`, "resource-type-not-allowed", ""},
		{`{"id":"MARKER"}`, "resource-malformed", ""},
		{`{"resourceType":["Patient"],"id":"MARKER"}`, "resource-malformed", ""},
		{`{"resourceType":"Patient","id":7,"x":"MARKER"}`, "resource-malformed", ""},
		{`["MARKER"]`, "resource-malformed", ""},
		{`"MARKER"`, "resource-malformed", ""},
		{`{"resourceType":"Patient","id":"MARKER","gender":"male","modifierExtension":[]}`, "modifier-extension", "/modifierExtension"},
		{`{"resourceType":"Patient","x":"` + strings.Repeat("MARKER", 60000) + `"}`, "record-too-long", ""},
		{lineOf(2), "", ""},
	}
	var in strings.Builder
	var want []deid.Reject
	for i, l := range lines {
		in.WriteString(l.in + "\n")
		if l.code != "" {
			want = append(want, deid.Reject{Line: int64(i + 1), Code: l.code, Pointer: l.place})
		}
	}
	o := options()
	o.MaxRecord = 300_000
	out, report := processWith(t, in.String(), o)
	if got := fmt.Sprint(report.Rejects); got != fmt.Sprint(want) {
		t.Errorf("got  %s\nwant %s", got, fmt.Sprint(want))
	}
	// Where a reject lies is told by the names on the way, and by nothing else of the record.
	named := *report
	named.Rejects = nil
	text, err := json.Marshal(named)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out+string(text), marker) {
		t.Error("bytes of a rejected record are in the output or the report")
	}
	if n := strings.Count(out, "\n"); n != 2 || report.RecordsOut != 2 || report.RecordsIn != int64(len(lines)) || report.RecordsRejected != int64(len(want)) {
		t.Errorf("got %d lines, %s", n, text)
	}
	patients := report.ByType["Patient"]
	if patients.In != 5 || patients.Out != 2 || report.ByType["MolecularSequence"].In != 1 || len(report.ByType) != 2 {
		t.Errorf("got %v by type, want 5 and 2 patients and an observation", report.ByType)
	}

	o.Raise = true
	_, err = safeHarbor(t).Process(context.Background(), strings.NewReader(in.String()), io.Discard, o)
	if code.Of(err) != code.RecordRejected {
		t.Errorf("with raise: got error %v, want %s", err, code.RecordRejected)
	}
}

func TestReportNamesAtMostTenThousandRejects(t *testing.T) {
	out, report := process(t, strings.Repeat("x\n", 12_345))
	if len(report.Rejects) != 10_000 || report.RejectsOmitted != 2_345 || report.RecordsRejected != 12_345 || out != "" {
		t.Errorf("got %d named, %d omitted, %d in all", len(report.Rejects), report.RejectsOmitted, report.RecordsRejected)
	}
	if got := report.Rejects[9_999].Line; got != 10_000 {
		t.Errorf("last reject is line %d, want 10000", got)
	}
}

func TestReportIsThatOfTheSpec(t *testing.T) {
	_, report := process(t, `{"resourceType":"Patient","id":"1","x":1}`+"\n"+`{"resourceType":"Patient","id":"2","y":1,"modifierExtension":[]}`+"\n")
	got, err := json.Marshal(report)
	want := `{"records_in":2,"records_out":1,"records_rejected":1,"reference_date":"2026-12-31","by_type":{"Patient":{"in":2,"out":1}},` +
		`"by_rule":[{"letters":"R","path":"Resource.id","method":"surrogate","count":1,"removed":0}],` +
		`"unknown":[{"path":"Patient.x","count":1}],"unknown_omitted":0,"reject_codes":{"modifier-extension":1},` +
		`"rejects":[{"line":2,"code":"modifier-extension","pointer":"/modifierExtension"}],"rejects_omitted":0,"not_proven":"` + stream.NotProven + `"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLineEnds(t *testing.T) {
	want, _ := process(t, lineOf(1)+"\n"+lineOf(2)+"\n")
	for _, in := range []string{
		lineOf(1) + "\n" + lineOf(2),
		lineOf(1) + "\r\n" + lineOf(2) + "\r\n",
		"\n\n" + lineOf(1) + "\n \t\r\n\n" + lineOf(2) + "\n\n",
		lineOf(1) + "\n" + lineOf(2) + "\r",
	} {
		if got, report := process(t, in); got != want || report.RecordsIn != 2 {
			t.Errorf("%q: got %q, %d records, want %q", in, got, report.RecordsIn, want)
		}
	}
	if got, report := process(t, ""); got != "" || report.RecordsIn != 0 {
		t.Errorf("empty input: got %q", got)
	}
	_, report := process(t, "\n\nx\n")
	if len(report.Rejects) != 1 || report.Rejects[0].Line != 3 {
		t.Errorf("blank lines: got rejects %v, want line 3", report.Rejects)
	}
}

// A line that is too long must not be buffered whole: the reader here gives
// 64 MiB, twice.
func TestEndlessLineIsRejectedInBoundedMemory(t *testing.T) {
	o := options()
	o.MaxRecord = 1 << 20
	long := io.LimitReader(repeat('x'), 64<<20)
	in := io.MultiReader(strings.NewReader(lineOf(1)+"\n"), long, strings.NewReader("\n"+lineOf(2)+"\nx\n"), long)
	var out bytes.Buffer
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	report, err := safeHarbor(t).Process(context.Background(), in, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []deid.Reject{{Line: 2, Code: "record-too-long"}, {Line: 4, Code: "json-malformed"}}
	if fmt.Sprint(report.Rejects) != fmt.Sprint(want) || report.RecordsOut != 2 {
		t.Errorf("got %v, %d out, want %v", report.Rejects, report.RecordsOut, want)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
		t.Errorf("allocated %d bytes for lines of 64 MiB, want a few times the limit of 1 MiB", got)
	}
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestLongestRecord(t *testing.T) {
	for _, size := range []int{1000, 196_608, 400_000} {
		for extra := range 3 {
			for _, end := range []string{"", "\n", "\r\n"} {
				o := options()
				o.MaxRecord = size
				head, tail := `{"resourceType":"Patient","x":"`, `"}`
				// size-1, size, size+1
				long := head + strings.Repeat("y", size+extra-1-len(head)-len(tail)) + tail
				_, report := processWith(t, long+end, o)
				if want := int64(extra / 2); report.RecordsRejected != want || report.RecordsIn != 1 {
					t.Errorf("record of %d bytes, end %q, limit %d: got %d rejected, want %d", len(long), end, size, report.RecordsRejected, want)
				}
			}
		}
	}
}

func TestOutputDoesNotDependOnReaderOrWorkers(t *testing.T) {
	in := mixed(t, 5000)
	want, wantReport := process(t, in)
	for _, workers := range []int{1, 2, 7} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(in), "half": iotest.HalfReader(strings.NewReader(in)),
			"random": &randomReader{strings.NewReader(in), rand.New(rand.NewPCG(1, uint64(workers)))},
			"eof":    iotest.DataErrReader(strings.NewReader(in)),
		} {
			o := options()
			o.Workers = workers
			var out bytes.Buffer
			report, err := safeHarbor(t).Process(context.Background(), r, &out, o)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != want || fmt.Sprint(report) != fmt.Sprint(wantReport) {
				t.Errorf("%s reader, %d workers: output differs", name, workers)
			}
		}
	}
	o := options()
	o.SurrogateKey[0]++
	if other, _ := processWith(t, in, o); other == want {
		t.Error("another key gives the same surrogates")
	}
}

// mixed is a job with rejects, long records and references back and forth.
func mixed(tb testing.TB, n int) string {
	tb.Helper()
	var b strings.Builder
	for i := range n {
		switch i % 50 {
		case 17:
			b.WriteString("{\n")
		case 33:
			fmt.Fprintf(&b, `{"resourceType":"Condition","id":"%d","note":[{"text":"%s"}]}`+"\n", i, strings.Repeat("n", i*20%60_000))
		default:
			fmt.Fprintf(&b, `{"resourceType":"Condition","id":"%d","subject":{"reference":"Patient/%d"},"identifier":[{"system":"s","value":"%d"}]}`+"\n", i, (i*7919)%97, i/3)
		}
	}
	return b.String()
}

type randomReader struct {
	r io.Reader
	n *rand.Rand
}

func (r *randomReader) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), 1+r.n.IntN(100_000))])
}

// Order of lines changes nothing but order and the numbering of surrogates:
// with surrogates renamed by what they stand for, the lines are the same.
func TestOrderOfLinesChangesOnlyNumbering(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(mixed(t, 2000), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	straight, _ := process(t, strings.Join(lines, ""))
	order := rand.New(rand.NewPCG(3, 4)).Perm(len(lines))
	var shuffled strings.Builder
	var accepted []int // which line of the input an output line is from
	for _, i := range order {
		shuffled.WriteString(lines[i])
		if lines[i] != "{\n" {
			accepted = append(accepted, i)
		}
	}
	got, _ := process(t, shuffled.String())
	gotLines, wantLines := strings.SplitAfter(got, "\n"), strings.SplitAfter(straight, "\n")
	sorted := make([]string, len(accepted))
	rank := append([]int(nil), accepted...)
	sort.Ints(rank)
	for i, from := range accepted {
		sorted[sort.SearchInts(rank, from)] = gotLines[i]
	}
	names := map[string]string{}
	for i, l := range sorted {
		a, b := spelt.FindAllString(l, -1), spelt.FindAllString(wantLines[i], -1)
		if spelt.ReplaceAllString(l, "") != spelt.ReplaceAllString(wantLines[i], "") || len(a) != len(b) {
			t.Fatalf("line %d differs in more than surrogates", i)
		}
		for k := range a {
			if old, ok := names[a[k]]; ok && old != b[k] {
				t.Fatalf("line %d: a surrogate stands for two identifiers", i)
			}
			names[a[k]] = b[k]
		}
	}
}

func TestLimitsOfAJob(t *testing.T) {
	in := lineOf(1) + "\n" + lineOf(2) + "\n" + lineOf(2) + "\n"
	tests := []struct {
		name string
		set  func(*deid.Options)
		want code.Code
	}{
		{"records", func(o *deid.Options) { o.MaxRecords = 2 }, code.TooManyRecords},
		{"records, just", func(o *deid.Options) { o.MaxRecords = 3 }, ""},
		{"identifiers", func(o *deid.Options) { o.MaxIdentifiers = 1 }, code.TooManyIdentifiers},
		{"identifiers, just", func(o *deid.Options) { o.MaxIdentifiers = 2 }, ""},
		{"no reference date", func(o *deid.Options) { o.ReferenceDate = "" }, code.ReferenceDateMissing},
		{"no date", func(o *deid.Options) { o.ReferenceDate = "2026-02-30" }, code.ContextInvalid},
	}
	for _, test := range tests {
		o := options()
		test.set(&o)
		report, err := safeHarbor(t).Process(context.Background(), strings.NewReader(in), io.Discard, o)
		if code.Of(err) != test.want || (err != nil) != (report == nil) {
			t.Errorf("%s: got report %v, error %v, want code %q", test.name, report, err, test.want)
		}
	}
}

func TestBrokenStreams(t *testing.T) {
	defer goleak.VerifyNone(t)
	broken := errors.New("broken")
	in := mixed(t, 30_000)
	e := safeHarbor(t)
	var out bytes.Buffer
	r := io.MultiReader(strings.NewReader(in+lineOf(7)), iotest.ErrReader(broken))
	if report, err := e.Process(context.Background(), r, &out, options()); !errors.Is(err, broken) || report != nil {
		t.Errorf("reader breaks: got %v, want its error", err)
	}
	if whole, _ := process(t, in); !strings.HasPrefix(whole, out.String()) {
		t.Error("reader breaks: output has a line that may have had more")
	}
	if _, err := e.Process(context.Background(), strings.NewReader(in), brokenWriter{broken}, options()); !errors.Is(err, broken) {
		t.Errorf("writer breaks: got %v, want its error", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := e.Process(ctx, io.MultiReader(strings.NewReader(in), cancelReader(cancel), repeat('\n')), io.Discard, options())
	if code.Of(err) != code.Canceled {
		t.Errorf("cancelled: got %v, want %s", err, code.Canceled)
	}
	idle := iotest.TimeoutReader(strings.NewReader(in))
	if _, err := e.Process(context.Background(), idle, io.Discard, options()); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("reader times out: got %v, want its error", err)
	}
	if _, err := e.Process(context.Background(), nothing{}, io.Discard, options()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("reader gives nothing: got %v, want %v", err, io.ErrNoProgress)
	}
}

// TestPanicsOutsideTheRules fail the job and not the process: in decodes frames that a tenant of
// the same enclave has sealed.
func TestPanicsOutsideTheRules(t *testing.T) {
	defer goleak.VerifyNone(t)
	e, in := safeHarbor(t), mixed(t, 2_000)
	for name, streams := range map[string]struct {
		in  io.Reader
		out io.Writer
	}{
		"reader": {io.MultiReader(strings.NewReader(in), panics{}), io.Discard},
		"writer": {strings.NewReader(in), panics{}},
	} {
		report, err := e.Process(context.Background(), streams.in, streams.out, options())
		if c, ok := errors.AsType[*code.Error](err); !ok || c.Code != code.Internal || report != nil {
			t.Errorf("%s: got %v, want %s", name, err, code.Internal)
		}
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error)  { panic("SECRET") }
func (panics) Write([]byte) (int, error) { panic("SECRET") }

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

type cancelReader func()

func (c cancelReader) Read([]byte) (int, error) { c(); return 0, io.EOF }

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }
