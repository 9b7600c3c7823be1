package job_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
	"anchorhold/protocol/receipt"
)

// engine is a pipeline that does what its function says.
type engine func(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error)

func (e engine) Process(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error) {
	return e(ctx, in, out, o)
}

// TestInvariant8_BusyAboveTheLimit: a job too many is refused at once, and the connection lives.
func TestInvariant8_BusyAboveTheLimit(t *testing.T) {
	hold := make(chan struct{})
	var inside atomic.Int32
	b := newBench(t, options{engine: engine(func(_ context.Context, in io.Reader, _ io.Writer, _ stream.Options) (*stream.Report, error) {
		inside.Add(1)
		<-hold
		_, err := io.Copy(io.Discard, in)
		return &stream.Report{}, err
	})})
	var running sync.WaitGroup
	for range 2 { // concurrent-jobs of the bench's policy
		p, o := b.dial(t), newOrder(t, b).seal(t, b)
		running.Go(func() {
			if got := p.run(t, o.job()).code(); got != "done" {
				t.Errorf("got %q, want done", got)
			}
		})
	}
	waitFor(t, func() bool { return inside.Load() == 2 })
	p := b.dial(t)
	if got := p.run(t, newOrder(t, b).seal(t, b).job()).code(); got != code.Busy {
		t.Errorf("got %q, want %q", got, code.Busy)
	}
	check(t, p.conn.Send(message.Describe{}))
	if d, _ := p.receive(t).last.(message.Description); d.Jobs != 2 {
		t.Errorf("got %d jobs, want 2", d.Jobs)
	}
	close(hold)
	running.Wait()
	if got := p.run(t, newOrder(t, b).seal(t, b).job()).code(); got != "done" {
		t.Errorf("got %q once there is room, want done", got)
	}
}

// TestPanicFailsItsJobOnly: code internal, keys zeroed, the service goes on.
func TestPanicFailsItsJobOnly(t *testing.T) {
	var bad atomic.Bool
	b := newBench(t, options{engine: engine(func(_ context.Context, in io.Reader, _ io.Writer, _ stream.Options) (*stream.Report, error) {
		if bad.Load() {
			panic("MARKER")
		}
		_, err := io.Copy(io.Discard, in)
		return &stream.Report{}, err
	})})
	bad.Store(true)
	out := b.dial(t).run(t, newOrder(t, b).seal(t, b).job())
	m, _ := out.last.(message.Failed)
	if m.Code != code.Internal || b.verify(t, m.Receipt).Failure == nil {
		t.Errorf("got %+v, want %q with a failure leaf", m, code.Internal)
	}
	b.zeroed(t)
	bad.Store(false)
	if got := b.dial(t).run(t, newOrder(t, b).seal(t, b).job()).code(); got != "done" {
		t.Errorf("got %q after the panic, want done", got)
	}
}

// zeroed checks every place that a data key was written to.
func (b *bench) zeroed(t *testing.T) {
	t.Helper()
	b.keys.mu.Lock()
	defer b.keys.mu.Unlock()
	if len(b.keys.given) == 0 {
		t.Error("no key was given")
	}
	for i, key := range b.keys.given {
		if *key != [32]byte{} {
			t.Errorf("key %d is still in memory", i)
		}
	}
}

func TestInvariant1_DataKeysAreZeroedAfterTheJob(t *testing.T) {
	b := newBench(t, options{})
	p := b.dial(t)
	b.done(t, p, newOrder(t, b).seal(t, b))
	tampered := newOrder(t, b).seal(t, b)
	tampered.message[len(tampered.message)-1] ^= 1
	p.run(t, tampered.job())
	with := newOrder(t, b)
	with.values = parametersPlaintext("anchorhold/v1 parameters", nil)
	b.done(t, p, with.seal(t, b))
	forged := newOrder(t, b).seal(t, b) // fails before a frame is opened
	forged.message[headerEnd(forged)-1] ^= 1
	p.run(t, forged.job())
	for range 4 { // the last one finds its replays used up once the key is there
		p.run(t, tampered.job())
	}
	b.zeroed(t)
}

// TestInvariant1_ParametersAreZeroedAfterTheJob: pseudonym keys travel in them.
func TestInvariant1_ParametersAreZeroedAfterTheJob(t *testing.T) {
	var given map[string][]byte
	b := newBench(t, options{engine: engine(func(_ context.Context, in io.Reader, _ io.Writer, o stream.Options) (*stream.Report, error) {
		given = o.Values
		_, err := io.Copy(io.Discard, in)
		return &stream.Report{}, err
	})})
	o := newOrder(t, b)
	o.values = parametersPlaintext("anchorhold/v1 parameters", map[string][]byte{"key": []byte("PSEUDONYM-KEY")})
	b.done(t, b.dial(t), o.seal(t, b))
	if v := given["key"]; len(v) != len("PSEUDONYM-KEY") || len(bytes.Trim(v, "\x00")) != 0 {
		t.Errorf("got %q after the job, want %d zeros", v, len("PSEUDONYM-KEY"))
	}
}

// TestPipelineCannotFinishEarly: a pipeline that stops reading makes no success, whatever it
// reports.
func TestPipelineCannotFinishEarly(t *testing.T) {
	b := newBench(t, options{engine: engine(func(_ context.Context, in io.Reader, out io.Writer, _ stream.Options) (*stream.Report, error) {
		_, err := out.Write([]byte("early\n"))
		return &stream.Report{}, err
	})})
	o := newOrder(t, b)
	o.records = bytes.Repeat([]byte(patient), 3000)
	out := b.dial(t).run(t, o.seal(t, b).job())
	if out.code() != code.Internal {
		t.Errorf("got %q, want %q", out.code(), code.Internal)
	}
	if _, _, err := o.open(t, b, out.result); err == nil {
		t.Error("the result opens to its end")
	}
}

// TestPipelineCannotHideWhyReadingFailed: the code is that of the input.
func TestPipelineCannotHideWhyReadingFailed(t *testing.T) {
	for name, e := range map[string]engine{
		"swallowed": func(_ context.Context, in io.Reader, _ io.Writer, _ stream.Options) (*stream.Report, error) {
			_, _ = io.Copy(io.Discard, in)
			return &stream.Report{}, nil
		},
		"renamed": func(_ context.Context, in io.Reader, _ io.Writer, _ stream.Options) (*stream.Report, error) {
			_, _ = io.Copy(io.Discard, in)
			return nil, code.New(code.TooManyRecords, nil)
		},
	} {
		b := newBench(t, options{engine: e})
		o := newOrder(t, b).seal(t, b)
		o.message[len(o.message)-1] ^= 1
		if got := b.dial(t).run(t, o.job()).code(); got != code.AuthenticationFailed {
			t.Errorf("%s: got %q, want %q", name, got, code.AuthenticationFailed)
		}
	}
}

// TestInvariant8_JobTimesOut: a parent that stops sending cannot hold a job, and its failure is
// signed.
func TestInvariant8_JobTimesOut(t *testing.T) {
	b := newBench(t, options{jobSeconds: 1})
	p, o := b.dial(t), newOrder(t, b)
	o.records = bytes.Repeat([]byte(patient), 100)
	o.seal(t, b)
	check(t, p.conn.Send(message.Job{}))
	check(t, p.conn.SendData(frame.Data, o.job()[:len(o.job())-100]))
	m, _ := p.receive(t).last.(message.Failed)
	if m.Code != code.Timeout || b.verify(t, m.Receipt).Failure == nil {
		t.Errorf("got %+v, want %q with a failure leaf", m, code.Timeout)
	}
}

// TestInvariant8_IdentifiersFitTheMemory: the policy's 20 million of two jobs would not fit a
// machine with room for three each.
func TestInvariant8_IdentifiersFitTheMemory(t *testing.T) {
	b := newBench(t, options{memory: 2 * 2 * 128 * 3})
	for ids, want := range map[int]code.Code{3: "done", 4: code.TooManyIdentifiers} {
		o := newOrder(t, b)
		o.records = nil
		for i := range ids {
			o.records = fmt.Appendf(o.records, "{\"resourceType\":\"Patient\",\"id\":\"p%d\"}\n", i)
		}
		if got := b.dial(t).run(t, o.seal(t, b).job()).code(); got != want {
			t.Errorf("%d identifiers: got %q, want %q", ids, got, want)
		}
	}
}

// TestLateKeyLeavesALeaf: a parent that holds KMS's answer back until the job is over must not have
// a Decrypt that the log does not show.
func TestLateKeyLeavesALeaf(t *testing.T) {
	b := newBench(t, options{jobSeconds: 1})
	b.keys.slow = true
	o := newOrder(t, b).seal(t, b)
	out := b.dial(t).run(t, o.job())
	if m, _ := out.last.(message.Failed); m.Code != code.Timeout || m.Receipt != nil {
		t.Fatalf("got %+v, want %q and no leaf, since no key was released yet", m, code.Timeout)
	}
	waitFor(t, func() bool { return len(b.signer.copy()) == 1 })
	_, failure, err := receipt.ParseLeaf(b.signer.copy()[0])
	check(t, err)
	if failure == nil || failure.Code != code.Timeout || failure.Header != digest.Sum(o.header) || !slices.Equal(failure.KMSRequests, []string{"request-late"}) {
		t.Errorf("got leaf %+v, want a failure of this job with the late request", failure)
	}
}

// TestInvariant8_ParentThatNeverReads cannot hold a job: it ends on time, signed, and its place is
// free again.
func TestInvariant8_ParentThatNeverReads(t *testing.T) {
	b := newBench(t, options{jobSeconds: 1})
	p, o := b.dial(t), newOrder(t, b)
	o.records = bytes.Repeat([]byte(patient), 5000) // more than the kernel's buffers take
	o.seal(t, b)
	check(t, p.conn.Send(message.Job{}))
	go func() { _ = p.conn.SendData(frame.Data, o.job()) }()
	waitFor(t, func() bool { return b.signer.Batches() == 1 })
	b.done(t, b.dial(t), newOrder(t, b).seal(t, b))
}

// TestParentGoesAway in the middle, at many places: the job ends, its leaf is in the log, the next
// one runs.
func TestParentGoesAway(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	o.records = bytes.Repeat([]byte(patient), 2000)
	o.seal(t, b)
	file := o.job()
	for i, n := range []int{0, 1, 20, len(o.header), len(o.header) + 100, len(file) / 2, len(file)} {
		p := b.dial(t)
		check(t, p.conn.Send(message.Job{}))
		check(t, p.conn.SendData(frame.Data, file[:n]))
		p.conn.Close()
		waitFor(t, func() bool { return b.failed() == i+1 }) // or the next one may find no room
	}
	var leaves int
	waitFor(t, func() bool {
		leaves = 0
		for _, batch := range b.signer.Log(0, 100) {
			leaves += len(batch.Leaves)
		}
		return leaves == 2 // cut within the body, and at the end without the end
	})
	b.done(t, b.dial(t), newOrder(t, b).seal(t, b))
}

// TestMalformedFramesInAJob: the job ends with a code, or the connection does.
func TestMalformedFramesInAJob(t *testing.T) {
	b := newBench(t, options{})
	for name, raw := range map[string][]byte{
		"unknown kind":    {0, 0, 0, 1, 9, 0},
		"too long":        {0xff, 0xff, 0xff, 0xff, 2},
		"empty":           {0, 0, 0, 0, 2},
		"control garbage": {0, 0, 0, 5, 1, 1, 2, 3, 4, 5},
	} {
		p, o := b.dial(t), newOrder(t, b)
		o.records = bytes.Repeat([]byte(patient), 100)
		o.seal(t, b)
		check(t, p.conn.Send(message.Job{}))
		check(t, p.conn.SendData(frame.Data, o.job()[:len(o.job())-100]))
		_, err := p.recorder.Write(raw)
		check(t, err)
		if got := p.receive(t).code(); got != code.JobMalformed && got != "" {
			t.Errorf("%s: got %q, want %q", name, got, code.JobMalformed)
		}
		if got := p.receive(t); got.last != nil {
			t.Errorf("%s: the connection goes on with %s", name, got.last.Op())
		}
	}
	p := b.dial(t)
	check(t, p.conn.Send(message.Job{}))
	check(t, p.conn.Send(message.Describe{}))
	if got := p.receive(t).code(); got != code.JobMalformed {
		t.Errorf("another message in a job: got %q, want %q", got, code.JobMalformed)
	}
}

// TestConnectionsAreBounded: a parent that opens ever more holds up itself, not the enclave's
// memory.
func TestConnectionsAreBounded(t *testing.T) {
	b := newBench(t, options{})
	const many = 2*4 + 16
	peers := make([]*peer, many)
	for i := range peers {
		peers[i] = b.dial(t)
		check(t, peers[i].conn.Send(message.Describe{}))
		if peers[i].receive(t).last == nil {
			t.Fatalf("connection %d of %d is refused", i, many)
		}
	}
	extra := b.dial(t)
	_ = extra.conn.Send(message.Describe{})
	if got := extra.receive(t).last; got != nil {
		t.Errorf("got %s over the limit of connections", got.Op())
	}
	peers[0].conn.Close()
	waitFor(t, func() bool {
		p := b.dial(t)
		defer p.conn.Close()
		return p.conn.Send(message.Describe{}) == nil && p.receive(t).last != nil
	})
}

func TestParameters(t *testing.T) {
	var got atomic.Pointer[map[string][]byte]
	b := newBench(t, options{engine: engine(func(_ context.Context, in io.Reader, _ io.Writer, o stream.Options) (*stream.Report, error) {
		seen := map[string][]byte{}
		for k, v := range o.Values {
			seen[k] = bytes.Clone(v)
		}
		got.Store(&seen)
		_, err := io.Copy(io.Discard, in)
		return &stream.Report{}, err
	})})
	const label = "anchorhold/v1 parameters"
	good := parametersPlaintext(label, map[string][]byte{"pseudonyms": []byte("secret")})
	p, o := b.dial(t), newOrder(t, b)
	o.values = good
	_, _, leaf := b.done(t, p, o.seal(t, b))
	if seen := *got.Load(); string(seen["pseudonyms"]) != "secret" || len(seen) != 1 {
		t.Errorf("the pipeline saw %v", seen)
	}
	if leaf.Parameters == nil || *leaf.Parameters != *o.claims.Parameters || len(leaf.KMSRequests) != 2 {
		t.Errorf("the leaf names parameters %x and requests %v", leaf.Parameters, leaf.KMSRequests)
	}
	for name, c := range map[string]refusal{
		"records as parameters": {before: func(o *order) { o.parameter = o.claims }, want: code.ParametersMismatch},
		"other reply":           {before: change(func(o *order) { o.parameter.Reply[0] ^= 1 }), want: code.ParametersMismatch},
		"other pipeline":        {before: change(func(o *order) { o.parameter.Pipeline = "raise" }), want: code.ParametersMismatch},
		"nested parameters":     {before: change(func(o *order) { o.parameter.Parameters = &[32]byte{1} }), want: code.ParametersMismatch},
		"other image":           {before: change(func(o *order) { o.parameter.Image = digest.Sum(nil) }), want: code.ImageMismatch},
		"other tenant":          {before: change(func(o *order) { o.parameter.Tenant, o.parameter.Pipeline = "other", "theirs" }), want: code.KeyNotAllowed},
		"tenant with this key":  {before: change(func(o *order) { o.parameter.Tenant = "twin" }), want: code.ParametersMismatch},
		"expired":               {before: change(func(o *order) { o.parameter.NotAfter = days(-1) }), want: code.Expired},
		"other label":           {before: func(o *order) { o.values = parametersPlaintext("other", nil) }, want: code.ParametersMalformed},
		"no cbor":               {before: func(o *order) { o.values = []byte("no cbor") }, want: code.ParametersMalformed},
		"trailing byte":         {before: func(o *order) { o.values = append(bytes.Clone(good), 0) }, want: code.ParametersMalformed},
		"too long": {
			before: func(o *order) { o.values = parametersPlaintext(label, map[string][]byte{"v": make([]byte, 1<<20)}) },
			want:   code.ParametersMalformed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrder(t, b)
			o.values = good
			c.before(o)
			if m, _ := p.run(t, o.seal(t, b).job()).last.(message.Failed); m.Code != c.want || m.Receipt == nil {
				t.Errorf("got %q, receipt: %v, want %q with one: the job's key had been released", m.Code, m.Receipt != nil, c.want)
			}
		})
	}
}

// change starts from the claims that a good parameters message has.
func change(f func(*order)) func(*order) {
	return func(o *order) {
		o.parameter = o.claims
		o.parameter.ContentType = "application/vnd.anchorhold.parameters"
		f(o)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
