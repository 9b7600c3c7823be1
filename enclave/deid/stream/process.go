package stream

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"anchorhold/protocol/code"
)

const (
	defaultRecord      = 8 << 20
	defaultNesting     = 64
	defaultRecords     = 100_000_000
	defaultIdentifiers = 20_000_000

	// maxLong is the most pieces of longPiece bytes of long lines on the way in a
	// job, 16 MiB. Blocks are many on a machine of many cores, and a tenant may
	// fill all of them with such lines.
	maxLong   = 32
	longPiece = 512 << 10
)

// Process de-identifies NDJSON from in to out: one record per line, blank
// lines skipped, in the order of the input. A record that breaks a rule is
// rejected and counted, and none of its bytes are written.
//
// It returns when all goroutines that it started have ended. An end of ctx is seen between reads of
// in and writes to out, which the caller makes end, and within the work on a record. Errors of in
// and out are returned wrapped. Others carry a code: RecordRejected (with Raise), TooManyRecords,
// TooManyIdentifiers, CrosswalkMalformed, CrosswalkMismatch (the rules issue no surrogates),
// ReferenceDateMissing, ContextInvalid (a reference date that is no date), Canceled, Timeout. After
// an error, what was written is to be thrown away.
func Process(ctx context.Context, e Engine, in io.Reader, out io.Writer, o Options) (*Report, error) {
	p, err := newPipeline(ctx, e, o)
	if err != nil {
		return nil, err
	}
	return p.run(in, out)
}

func newPipeline(ctx context.Context, e Engine, o Options) (*pipeline, error) {
	day, err := o.complete()
	if err != nil {
		return nil, err
	}
	// An empty crosswalk would be taken for "nothing was replaced".
	if o.Crosswalk != nil && !e.Surrogates() {
		return nil, code.New(code.CrosswalkMismatch, nil)
	}
	p := &pipeline{engine: e, types: len(e.Types()), rules: len(e.Rules()), options: o}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	j := &Job{
		ReferenceDate: day, MaxNesting: o.MaxNesting, Values: o.Values, Done: p.ctx.Done(), key: &p.options.SurrogateKey,
	}
	for range o.Workers {
		w, err := e.NewWorker(j)
		if err != nil {
			p.forget()
			p.cancel(nil)
			return nil, err
		}
		s := Sink{hasher: newHasher(&p.options.SurrogateKey), tally: newTally(p.rules)}
		p.desks = append(p.desks, &desk{p.ctx, o.Room, w, s})
	}
	return p, nil
}

// run carries the whole stream through and zeroes the keys. It is called once.
func (p *pipeline) run(in io.Reader, out io.Writer) (*Report, error) {
	f := newFinisher(p.engine, &p.options, out)
	_, apart := p.desks[0].worker.(BundleWorker)
	f.total.WholeBundles = !apart
	if p.options.Earlier != nil {
		h := newHasher(&p.options.SurrogateKey)
		// A line is of one record's making: escapes may double it.
		if err := f.table.earlier(p.options.Earlier, p.options.Crosswalk, h, 2*p.options.MaxRecord+blockSize); err != nil {
			p.forget()
			p.cancel(nil)
			return nil, coded(err)
		}
	}
	p.start(in)
	var err error
	for b := range p.ordered {
		<-b.done // a block is never free while a worker has it
		if err == nil {
			err = p.finish(f, b)
		}
		if err != nil {
			p.cancel(err)
		}
		for ; b.long > 0; b.long-- {
			<-p.long
		}
		p.free <- b // never blocks: it holds all blocks that there are
	}
	p.wait.Wait()
	p.forget()
	if err == nil {
		err = p.err // written by the reader, which has ended
	}
	if err == nil && p.ctx.Err() != nil {
		err = context.Cause(p.ctx)
	}
	p.cancel(nil)
	if err != nil {
		return nil, coded(err)
	}
	return f.report(), nil
}

// forget zeroes the keys of the job; the key schedule in the table, and what
// HMAC copied on the way, stay until they are collected. No worker runs any more.
func (p *pipeline) forget() {
	clear(p.options.SurrogateKey[:])
	for _, d := range p.desks {
		d.sink.hasher.forget()
		d.worker.Forget()
	}
}

// coded gives the errors of a context their code; others have one or are the
// caller's own.
func coded(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return code.New(code.Timeout, err)
	case errors.Is(err, context.Canceled):
		return code.New(code.Canceled, err)
	}
	return err
}

// complete checks the options, sets defaults and returns the reference date.
func (o *Options) complete() (time.Time, error) {
	if o.ReferenceDate == "" {
		return time.Time{}, code.New(code.ReferenceDateMissing, nil)
	}
	day, err := time.Parse(time.DateOnly, o.ReferenceDate)
	if err != nil {
		return time.Time{}, code.New(code.ContextInvalid, errors.New("reference date is not YYYY-MM-DD"))
	}
	defaults(&o.MaxRecord, defaultRecord)
	defaults(&o.MaxNesting, defaultNesting)
	defaults(&o.MaxRecords, defaultRecords)
	defaults(&o.MaxIdentifiers, defaultIdentifiers)
	defaults(&o.Workers, runtime.GOMAXPROCS(0))
	if o.Room == nil {
		o.Room = NewRoom(0, 1)
	}
	return day, nil
}

func defaults[T int | int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// pipeline carries blocks from the reader through the workers to the finisher.
// Blocks are passed along: whoever holds one owns it.
type pipeline struct {
	engine  Engine
	types   int // how many the engine has
	rules   int
	options Options
	ctx     context.Context
	cancel  context.CancelCauseFunc
	desks   []*desk // each of one goroutine, which owns it until wait is done

	free    chan *block   // bounds the blocks, and with them the memory
	long    chan struct{} // one for each piece of the blocks that hold long lines
	work    chan *block
	ordered chan *block // in the order of the input
	wait    sync.WaitGroup
	err     error // why the reader stopped; its own until wait is done
}

func (p *pipeline) start(in io.Reader) {
	// A worker that finds no block waits for the finisher, which waits for one
	// block: the more there are, the less a late one holds the others up.
	n := 4*p.options.Workers + 4
	p.free = make(chan *block, n)
	p.long = make(chan struct{}, p.options.Room.long)
	p.work = make(chan *block, n)
	p.ordered = make(chan *block, n)
	for range n {
		p.free <- nil // made when it is first needed
	}
	p.wait.Go(func() { p.read(in) })
	for _, d := range p.desks {
		p.wait.Go(func() { p.transform(d) })
	}
}

// errPanic is a defect of this program that a record or a frame has found. It
// fails the job, not the process in which the jobs of others run.
var errPanic = errors.New("panic on the way of a record") // the panic's own text may quote it

func (p *pipeline) read(in io.Reader) {
	defer close(p.work)
	defer close(p.ordered)
	defer func() { // in decodes what the parent sends and a tenant has sealed
		if recover() != nil {
			p.err = code.New(code.Internal, errPanic)
		}
	}()
	if p.options.Message {
		p.readMessage(in)
		return
	}
	s := splitter{r: in, max: p.options.MaxRecord, line: 1}
	for b := p.take(); b != nil; b = p.take() {
		lines, first, err := s.next(b.in)
		if err != nil {
			if err != io.EOF {
				p.err = err
			}
			return
		}
		b.reset(lines, first)
		if !p.hand(b) {
			return
		}
	}
}

// take returns a block that nobody holds, or nil when the job ends.
func (p *pipeline) take() *block {
	select {
	case b := <-p.free:
		if b == nil {
			b = newBlock(p.types, p.rules)
		}
		return b
	case <-p.ctx.Done():
		return nil
	}
}

// hand passes a block on to the workers, and to the finisher in the order of the input. It returns
// false when the job ends.
func (p *pipeline) hand(b *block) bool {
	if !p.admit(b) {
		return false
	}
	p.ordered <- b
	p.work <- b
	return true
}

// admit waits until there is room for a long line, or returns false when the
// job ends. Nobody but the reader waits for room, so it always gets it: all of
// it at most, whatever the length.
func (p *pipeline) admit(b *block) bool {
	for b.long < min(len(b.in)/longPiece, cap(p.long)) {
		select {
		case p.long <- struct{}{}:
			b.long++
		case <-p.ctx.Done():
			return false
		}
	}
	return true
}

// desk is what a goroutine that transforms works with.
type desk struct {
	ctx    context.Context
	room   *Room
	worker Worker
	sink   Sink
}

func (p *pipeline) transform(d *desk) {
	for b := range p.work {
		if p.ctx.Err() == nil {
			b.transform(d, &p.options)
		}
		b.done <- struct{}{}
	}
}

func (p *pipeline) finish(f *finisher, b *block) (err error) {
	defer func() {
		if recover() != nil {
			err = code.New(code.Internal, errPanic)
		}
	}()
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return f.finish(b)
}
