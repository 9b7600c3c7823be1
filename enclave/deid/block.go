package deid

import (
	"bytes"

	"anchorhold/protocol/code"
)

// block is a piece of the job: whole lines on their way through the pipeline.
type block struct {
	in    []byte
	first int64 // number of the first line
	long  int   // MiB that it holds of what the pipeline has room for

	// What the transformer makes of it:
	out      []byte
	patches  []patch
	records  int64
	rejects  []Reject
	rejected int64
	types    []TypeCounts // by place in the engine's list
	err      error

	done chan struct{}
}

func newBlock(e *Engine) *block {
	return &block{types: make([]TypeCounts, len(e.types)), done: make(chan struct{}, 1)}
}

func (b *block) reset(lines []byte, first int64) {
	b.in, b.first = lines, first
	b.out, b.patches, b.rejects = b.out[:0], b.patches[:0], b.rejects[:0]
	b.records, b.rejected, b.err = 0, 0, nil
	clear(b.types)
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
	}
}

// transform rewrites the records of the block.
func (b *block) transform(t *transformer, maxRecord int) {
	t.out, t.patches = b.out, b.patches
	defer func() {
		b.out, b.patches = t.out, t.patches
		t.out, t.patches, t.scanner = nil, nil, scanner{max: t.max} // idle workers hold nothing
		if recover() != nil {
			b.err = code.New(code.Internal, errPanic)
		}
	}()
	rest := b.in
	for n := b.first; len(rest) > 0; n++ {
		var l []byte
		l, rest, _ = bytes.Cut(rest, []byte{'\n'})
		l = bytes.TrimSuffix(l, []byte{'\r'})
		if len(l) > maxRecord {
			b.reject(n, -1, code.RecordTooLong)
		} else if len(bytes.Trim(l, " \t\r")) > 0 {
			index, c := t.record(l)
			b.count(n, index, c)
		}
	}
}

func (b *block) count(line int64, index int, c code.Record) {
	if c != "" {
		b.reject(line, index, c)
		return
	}
	b.records++
	b.types[index].In++
	b.types[index].Out++
}

func (b *block) reject(line int64, index int, c code.Record) {
	b.records++
	b.rejected++
	if index >= 0 {
		b.types[index].In++
	}
	if len(b.rejects) < maxRejects {
		b.rejects = append(b.rejects, Reject{line, string(c)})
	}
}
