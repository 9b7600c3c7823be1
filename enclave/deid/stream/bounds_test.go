package stream_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/steps"
	"anchorhold/protocol/code"
)

// hands is an engine whose workers do with a record what work says.
type hands struct {
	work      func(j *stream.Job, r []byte) stream.Verdict
	treeBytes int // for each value
}

func (hands) Types() []string      { return nil }
func (hands) Rules() []stream.Rule { return nil }
func (hands) DefaultDeny() bool    { return true }
func (hands) Surrogates() bool     { return false }

func (e hands) NewWorker(j *stream.Job) (stream.Worker, error) { return &hand{e, j}, nil }

type hand struct {
	hands
	j *stream.Job
}

func (h *hand) Resource(dst, r []byte, _ *stream.Sink) ([]byte, stream.Verdict) {
	return append(dst, '1'), h.work(h.j, r)
}

func (h *hand) TreeBytes(values, _ int) int { return h.treeBytes * values }
func (h *hand) Forget()                     {}

// The deadline of a job reaches into a record: one that would take far longer ends with its job, by
// the job's code.
func TestDeadlineWithinARecord(t *testing.T) {
	for name, end := range map[code.Code]error{code.Timeout: context.DeadlineExceeded, code.Canceled: nil} {
		ctx, cancel := context.WithCancelCause(context.Background())
		var after atomic.Int64
		e := hands{work: func(j *stream.Job, _ []byte) stream.Verdict {
			b := steps.New(j.Done)
			b.Start(1 << 28) // or it would never end where this does not hold
			for b.Spend(1) {
				if b.Used() == 1<<20 {
					cancel(end)
				}
			}
			after.Store(int64(b.Used() - 1<<20))
			return stream.Verdict{Type: -1}
		}}
		o := stream.Options{ReferenceDate: "2026-12-31", Workers: 2}
		_, err := stream.Process(ctx, e, strings.NewReader("{}\n"), io.Discard, o)
		if code.Of(err) != name {
			t.Errorf("got %v, want %s", err, name)
		}
		if n := after.Load(); n > 1<<13 {
			t.Errorf("got %d steps after the end of the job, want a few thousand", n)
		}
	}
}

// Records that take memory wait for one another, those of all jobs together.
func TestTreesFitTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// bytes for each value, and of the room: three of the records fit
		const each, most = 100, 16 << 20
		line := `{"a":[1` + strings.Repeat(",1", 50_000) + "]}\n"
		var now, worst atomic.Int64
		e := hands{treeBytes: each, work: func(*stream.Job, []byte) stream.Verdict {
			worst.Store(max(worst.Load(), now.Add(1)))
			time.Sleep(time.Second) // of the bubble: until all who can are in
			now.Add(-1)
			return stream.Verdict{Type: -1}
		}}
		room := stream.NewRoom(8*most, 2)
		var jobs sync.WaitGroup
		for range 2 {
			jobs.Go(func() {
				o := stream.Options{ReferenceDate: "2026-12-31", Workers: 4, Room: room}
				r, err := stream.Process(context.Background(), e, strings.NewReader(strings.Repeat(line, 8)), io.Discard, o)
				if err != nil || r.RecordsOut != 8 {
					t.Errorf("got %v, %+v, want 8 records", err, r)
				}
			})
		}
		jobs.Wait()
		if w := worst.Load(); w != 3 {
			t.Errorf("got %d records at once, want 3", w)
		}
	})
}

// A record that never fits is rejected, and one that waits for room leaves with its job.
func TestRecordsThatFindNoRoom(t *testing.T) {
	line := `{"a":[1` + strings.Repeat(",1", 50_000) + "]}\n"
	o := stream.Options{ReferenceDate: "2026-12-31", Workers: 2, Room: stream.NewRoom(8*4_000_000, 1)}
	e := hands{treeBytes: 100, work: func(*stream.Job, []byte) stream.Verdict { return stream.Verdict{Type: -1} }}
	r, err := stream.Process(context.Background(), e, strings.NewReader(line+"{}\n"), io.Discard, o)
	if err != nil || r.RecordsOut != 1 || r.RejectCodes[string(code.JSONTooManyValues)] != 1 {
		t.Errorf("got %v, %+v, want one record of two and the other rejected with %s", err, r, code.JSONTooManyValues)
	}

	ctx, cancel := context.WithCancel(context.Background())
	held := make(chan struct{})
	e.work = func(j *stream.Job, _ []byte) stream.Verdict {
		close(held) // the only one that gets in
		cancel()
		<-j.Done
		return stream.Verdict{Type: -1}
	}
	o.Room = stream.NewRoom(8*6_000_000, 1)
	if _, err := stream.Process(ctx, e, strings.NewReader(line+line), io.Discard, o); code.Of(err) != code.Canceled {
		t.Errorf("got %v, want %s", err, code.Canceled)
	}
	select {
	case <-held:
	default:
		t.Error("no record got in")
	}
}

// Values are counted before anything is made of them: those of a record, of an entry and of a whole
// line with a Bundle.
func TestValuesAreBounded(t *testing.T) {
	e := hands{work: func(*stream.Job, []byte) stream.Verdict { return stream.Verdict{Type: -1} }}
	const record = 1 << 18 // bytes, of which 32 KiB may be values
	array := func(item string, n int) string {
		return `{"a":[` + item + strings.Repeat(","+item, n-1) + "]}\n"
	}
	for name, c := range map[string]struct {
		line string
		want code.Record
	}{
		"empty objects":       {array(`{}`, 40_000), code.JSONTooManyValues},
		"empty arrays":        {array(`[]`, 40_000), code.JSONTooManyValues},
		"numbers":             {array(`1`, 40_000), code.JSONTooManyValues},
		"empty strings":       {array(`""`, 40_000), code.JSONTooManyValues},
		"strings with quotes": {array(`"\""`, 40_000), code.JSONTooManyValues},
		"objects in objects":  {strings.Repeat(`{"a":`, 40_000) + "1" + strings.Repeat("}", 40_000) + "\n", code.JSONTooManyValues},
		"just enough":         {array(`1`, 32_000), ""},
		"commas in a string":  {`{"a":"` + strings.Repeat(`,[{\"`, 40_000) + "\"}\n", ""},
		"escapes at an end":   {`{"a":"` + strings.Repeat(`,`, 40_000) + `\\","b":[` + strings.Repeat("1,", 1000) + "1]}\n", ""},
		"an open string":      {`{"a":"` + strings.Repeat(`,`, 40_000) + "\n", code.JSONMalformed},
	} {
		o := stream.Options{ReferenceDate: "2026-12-31", Workers: 1, MaxRecord: record}
		for _, message := range []bool{false, true} {
			o.Message = message
			r, err := stream.Process(context.Background(), e, strings.NewReader(c.line), io.Discard, o)
			if err != nil || r.RecordsIn != 1 || r.RejectCodes[string(c.want)] != r.RecordsRejected || (r.RecordsRejected == 0) != (c.want == "") {
				t.Errorf("%s, as a message %t: got %v, %+v, want code %q", name, message, err, r, c.want)
			}
		}
	}
}

// A member that stands at the top of a Bundle is remembered for the next; a million of them are
// not.
func TestMembersOfABundleAreBounded(t *testing.T) {
	e := bundles{hands{work: func(*stream.Job, []byte) stream.Verdict { return stream.Verdict{Type: -1} }}}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"m` + strings.Repeat("x", i) + `":1`)
		}
		return b.String()
	}
	o := stream.Options{ReferenceDate: "2026-12-31", Workers: 1, Message: true}
	for n, want := range map[int]code.Code{1000: "", 1100: code.RecordRejected} {
		in := `{"resourceType":"Bundle","entry":[{"resource":{}}]` + many(n) + `}`
		if _, err := stream.Process(context.Background(), e, strings.NewReader(in), io.Discard, o); code.Of(err) != want {
			t.Errorf("%d members behind the entries: got %v, want %q", n, err, want)
		}
		in = `{"resourceType":"Bundle"` + many(n) + `,"entry":[{"resource":{}}]}`
		if r, err := stream.Process(context.Background(), e, strings.NewReader(in), io.Discard, o); err != nil || r.RecordsOut != 1 {
			t.Errorf("%d members before the entries: got %v, want one entry", n, err)
		}
	}
}

// bundles is hands that know Bundles.
type bundles struct{ hands }

func (e bundles) NewWorker(j *stream.Job) (stream.Worker, error) {
	return &bundleHand{hand{e.hands, j}}, nil
}

type bundleHand struct{ hand }

func (h *bundleHand) Frame(dst, _ []byte, _ *stream.Sink) ([]byte, stream.Verdict) {
	return append(dst, `{"resourceType":"Bundle"}`...), stream.Verdict{Type: -1}
}

func (h *bundleHand) Entry(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	return h.Resource(dst, r, s)
}

// A Bundle on a line comes apart into its entries, wherever they stand, and without a list of them.
func TestBundlesOnALine(t *testing.T) {
	var entries []string
	e := bundles{hands{work: func(_ *stream.Job, r []byte) stream.Verdict {
		entries = append(entries, string(r))
		return stream.Verdict{Type: -1}
	}}}
	o := stream.Options{ReferenceDate: "2026-12-31", Workers: 1}
	for in, want := range map[string]string{
		`{"entry":[ {"a":[1,"]"]} , 2,"x,y" ],"resourceType":"Bundle"}`:      `{"a":[1,"]"]} 2 "x,y"`,
		`{"resourceType":"Bundle","entry":[]}`:                               "",
		`{"resourceType":"Bundle"}`:                                          "",
		`{"resourceType":"Bundle","entry":{"a":1}}`:                          "",
		`{"resourceType":"Bundle","x":[{"entry":[1]}],"entry":[[ ]],"y":{}}`: `[ ]`,
	} {
		entries = nil
		r, err := stream.Process(context.Background(), e, strings.NewReader(in+"\n"), io.Discard, o)
		if got := strings.Join(entries, " "); err != nil || got != want || r.RecordsIn != int64(len(entries)) {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
}
