package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"anchorhold/enclave/deid/stream"
)

// rejected is a record, or an entry of a Bundle, that a job has rejected.
type rejected struct {
	line  int64
	entry int // -1 for the record as a whole
}

func rejectedAt(r stream.Reject) rejected {
	at := rejected{r.Line, -1}
	if rest, ok := strings.CutPrefix(r.Pointer, "/entry/"); ok {
		digits, _, _ := strings.Cut(rest, "/")
		if n, err := strconv.Atoi(digits); err == nil {
			at.entry = n
		}
	}
	return at
}

// whyRejected runs the rejected records of a job once more, with a worker that says where and why.
// A report has only codes: it leaves the enclave.
func (t *trial) whyRejected(ctx context.Context, o stream.Options, in []byte, report *stream.Report) (map[rejected]stream.Touch, error) {
	if len(report.Rejects) == 0 {
		return nil, nil
	}
	var again []byte
	var lines []int64
	n := int64(0)
	for line := range bytes.Lines(in) {
		n++
		if slices.ContainsFunc(report.Rejects, func(r stream.Reject) bool { return r.Line == n }) {
			again = append(append(again, bytes.TrimRight(line, "\r\n")...), '\n')
			lines = append(lines, n)
		}
	}
	run := &traced{Engine: t.engine.Stream()}
	o.Workers = 1
	if _, err := stream.Process(ctx, run, bytes.NewReader(again), io.Discard, o); err != nil {
		return nil, err
	}
	return whyRejected(run, again, lines), nil
}

// whyRejected collects the reasons that a run gave. lines are the numbers of the lines of in; nil
// means 1, 2 and so on.
func whyRejected(run *traced, in []byte, lines []int64) map[rejected]stream.Touch {
	reasons := map[rejected]stream.Touch{}
	seen := recordLines(in)
	line, entry := int64(0), 0
	for _, p := range run.pieces {
		at := rejected{line, entry}
		if p.entry {
			entry++
		} else {
			if line, entry = 0, 0; len(seen) > 0 {
				line, seen = seen[0], seen[1:]
			}
			if lines != nil && line > 0 {
				line = lines[line-1]
			}
			at = rejected{line, -1}
		}
		if i := slices.IndexFunc(p.touches, func(t stream.Touch) bool { return t.Reason != "" }); i >= 0 && p.verdict.Code != "" {
			reasons[at] = p.touches[i]
		}
	}
	return reasons
}
