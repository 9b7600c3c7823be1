package score

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"anchorhold/enclave/deid/stream"
)

// Processor is what Lines runs: the compiled rules of package deid/engine.
type Processor interface {
	Process(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error)
}

// Lines de-identifies NDJSON as one job and returns an output line for each line of in, empty where
// the record was rejected. Every line of in must hold a record. It is an error if the report does
// not name every rejected record.
func Lines(ctx context.Context, p Processor, in []byte, o stream.Options) ([][]byte, error) {
	var b bytes.Buffer
	report, err := p.Process(ctx, bytes.NewReader(in), &b, o)
	if err != nil {
		return nil, err
	}
	if report.RejectsOmitted > 0 {
		return nil, fmt.Errorf("the report does not name %d rejected records: use fewer records", report.RejectsOmitted)
	}
	rejected := map[int64]bool{}
	for _, r := range report.Rejects {
		// A rejected entry leaves the rest of its Bundle in the output.
		rejected[r.Line] = rejected[r.Line] || !strings.HasPrefix(r.Pointer, "/entry/")
	}
	var out [][]byte
	kept := slices.Collect(bytes.Lines(b.Bytes()))
	total := int64(bytes.Count(in, []byte("\n")))
	for line := int64(1); line <= total; line++ {
		switch {
		case rejected[line]:
			out = append(out, []byte("\n"))
		case len(kept) == 0:
			return nil, fmt.Errorf("line %d has no output and was not rejected", line)
		default:
			out = append(out, kept[0])
			kept = kept[1:]
		}
	}
	if len(kept) > 0 {
		return nil, fmt.Errorf("%d lines of output belong to no record", len(kept))
	}
	return out, nil
}
