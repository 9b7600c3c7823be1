package stream

import (
	"bytes"

	"anchorhold/protocol/code"
)

// block is a piece of the job: whole lines on their way through the pipeline.
type block struct {
	part  part
	in    []byte
	ends  []int // of the entries of a Bundle in it; one that is too long is empty
	first int64 // number of the first line, or entry
	long  int   // pieces that it holds of what the pipeline has room for

	// What the worker makes of it:
	out      []byte
	patches  []patch
	behind   originals // of the patches, when a crosswalk is wanted
	records  int64
	rejects  []Reject
	rejected int64
	codes    map[string]int64
	types    []TypeCounts // by place in the engine's list
	rules    []int64      // two for each rule: values, and of those the removed
	unknown  unknowns
	err      error

	done chan struct{}
}

func newBlock(types, rules int) *block {
	return &block{types: make([]TypeCounts, types), rules: make([]int64, 2*rules), done: make(chan struct{}, 1)}
}

func (b *block) reset(lines []byte, first int64) {
	b.part, b.in, b.first = linesPart, lines, first
	b.out, b.patches, b.rejects = b.out[:0], b.patches[:0], b.rejects[:0]
	b.behind.cut(0)
	b.records, b.rejected, b.err = 0, 0, nil
	clear(b.types)
	clear(b.rules)
	clear(b.codes)
}

// trim gives up the memory that an unusual block took, so that one long line
// does not stay in every block for the rest of the job.
func (b *block) trim() {
	if cap(b.in) > 2*blockSize {
		b.in = nil
	}
	if cap(b.out) > 2*blockSize {
		b.out = nil
	}
	if cap(b.patches) > blockSize/8 {
		b.patches = nil
		b.behind = originals{}
	}
	if cap(b.behind.text) > 2*blockSize {
		b.behind = originals{}
	}
}

// transform rewrites the records of the block.
func (b *block) transform(d *desk, o *Options) {
	d.sink.patches = b.patches
	if o.Crosswalk != nil {
		d.sink.behind = &b.behind
	}
	d.sink.tally.begin()
	defer func() {
		d.sink.tally.end(&b.unknown)
		// idle workers hold nothing
		b.patches, d.sink.patches, d.sink.behind = d.sink.patches, nil, nil
		if recover() != nil {
			b.err = code.New(code.Internal, errPanic)
		}
	}()
	switch w, _ := d.worker.(BundleWorker); b.part {
	case linesPart:
		b.lines(d, o)
	case singlePart:
		b.line(d, o, b.in, b.first)
	case headPart, tailPart:
		b.frame(d, w, o)
	case entriesPart:
		b.entries(d, w, o)
	}
}

func (b *block) lines(d *desk, o *Options) {
	rest := b.in
	for n := b.first; len(rest) > 0 && b.err == nil; n++ {
		var l []byte
		l, rest, _ = bytes.Cut(rest, []byte{'\n'})
		l = bytes.TrimSuffix(l, []byte{'\r'})
		if len(l) > o.MaxRecord || len(bytes.Trim(l, " \t\r")) > 0 {
			b.line(d, o, l, n)
		}
	}
}

// line rewrites what stands on a line: a record, or a Bundle of them.
func (b *block) line(d *desk, o *Options, l []byte, n int64) {
	if len(l) > o.MaxRecord {
		b.count(n, Verdict{Type: -1, Code: code.RecordTooLong}, "")
		return
	}
	if c, place := judge(l, o); c != "" {
		b.count(n, Verdict{Type: -1, Code: c}, place)
		return
	}
	if w, ok := d.worker.(BundleWorker); ok && isBundle(l) {
		b.bundle(d, w, l, n)
		return
	}
	v, place := b.piece(d, d.worker.Resource, l)
	if v.Code == "" {
		b.out = append(b.out, '\n')
	}
	b.count(n, v, place)
}

// piece rewrites a record or a part of a Bundle, which is valid JSON. A rejected one leaves no
// trace in the output; place says where in it the reason lies.
func (b *block) piece(d *desk, rewrite func(dst, r []byte, s *Sink) ([]byte, Verdict), r []byte) (v Verdict, place string) {
	end, patches := len(b.out), len(d.sink.patches)
	leave, ok := d.enter(r)
	if !ok {
		return Verdict{Type: -1, Code: code.JSONTooManyValues}, ""
	}
	defer leave()
	d.sink.tally.start()
	out, v := rewrite(b.out, r, &d.sink)
	if v.Code == "" {
		b.out = out
		d.sink.tally.accept(b.rules)
		return v, ""
	}
	b.out = out[:end]
	d.sink.unpatch(patches)
	d.sink.tally.reject()
	if v.At > 0 && len(b.rejects) < maxRejects {
		place = pointer(r, v.At)
	}
	return v, place
}

// enter waits for room for the tree of a record, when the worker builds one.
func (d *desk) enter(r []byte) (leave func(), ok bool) {
	w, builds := d.worker.(TreeWorker)
	if !builds || len(r) <= fewBytes {
		return func() {}, true
	}
	n := int64(w.TreeBytes(measure(r)))
	return func() { d.room.leave(n) }, d.room.enter(d.ctx, n)
}

func (b *block) count(line int64, v Verdict, place string) {
	b.records++
	if v.Type >= 0 {
		b.types[v.Type].In++
	}
	switch {
	case v.Code != "":
		if v.Stop {
			b.err = code.New(code.RecordRejected, nil)
		}
		b.rejected++
		if b.codes == nil {
			b.codes = map[string]int64{}
		}
		b.codes[string(v.Code)]++
		if len(b.rejects) < maxRejects {
			b.rejects = append(b.rejects, Reject{line, string(v.Code), place})
		}
	case v.Type >= 0:
		b.types[v.Type].Out++
	}
}
