package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/protocoltest/cputime"
)

// benchInput is at least 16 MB of records, of synthea where there are vectors.
func benchInput(b *testing.B) (in []byte, records int) {
	b.Helper()
	one := sample(b, 100).records
	if os.Getenv("VECTORS") != "" {
		one = synthea(b, "10")
	}
	for len(in) < 16<<20 {
		in = append(in, one...)
	}
	return in, bytes.Count(in, []byte{'\n'})
}

func report(b *testing.B, size, records int) {
	b.Helper()
	b.SetBytes(int64(size))
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkSafeHarbor runs the preset beside two measures of what JSON costs
// anyhow: copying its tokens, and decoding to maps and encoding again.
func BenchmarkSafeHarbor(b *testing.B) {
	in, records := benchInput(b)
	e := safeHarbor(b)
	run := func(workers int) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			o := options()
			o.Workers = workers
			cpu := cputime.PerOp(b)
			for b.Loop() {
				if _, err := e.Process(context.Background(), bytes.NewReader(in), io.Discard, o); err != nil {
					b.Fatal(err)
				}
			}
			cpu()
			report(b, len(in), records)
		}
	}
	b.Run("engine-1", run(1))
	b.Run("engine-2", run(2))
	b.Run("jsontext-copy", func(b *testing.B) {
		cpu := cputime.PerOp(b)
		for b.Loop() {
			d, w := jsontext.NewDecoder(bytes.NewReader(in)), jsontext.NewEncoder(io.Discard)
			for {
				t, err := d.ReadToken()
				if err == io.EOF {
					break
				}
				if err == nil {
					err = w.WriteToken(t)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		cpu()
		report(b, len(in), records)
	})
	b.Run("encoding-json", func(b *testing.B) {
		for b.Loop() {
			d, w := json.NewDecoder(bytes.NewReader(in)), json.NewEncoder(io.Discard)
			for {
				var m map[string]any
				err := d.Decode(&m)
				if err == io.EOF {
					break
				}
				if err == nil {
					err = w.Encode(m)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		report(b, len(in), records)
	})
}

// BenchmarkBundle runs the preset on one Bundle of 3 MB, as a message and as a line.
func BenchmarkBundle(b *testing.B) {
	in, _ := benchInput(b)
	var bundle bytes.Buffer
	bundle.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
	entries := 0
	for l := range bytes.Lines(in) {
		if entries > 0 {
			bundle.WriteByte(',')
		}
		bundle.WriteString(`{"resource":`)
		bundle.Write(bytes.TrimSpace(l))
		bundle.WriteByte('}')
		if entries++; bundle.Len() > 3<<20 {
			break
		}
	}
	bundle.WriteString("]}")
	e := safeHarbor(b)
	for _, message := range []bool{true, false} {
		b.Run(map[bool]string{true: "message", false: "line"}[message], func(b *testing.B) {
			o := options()
			o.Message = message
			cpu := cputime.PerOp(b)
			for b.Loop() {
				if _, err := e.Process(context.Background(), bytes.NewReader(bundle.Bytes()), io.Discard, o); err != nil {
					b.Fatal(err)
				}
			}
			cpu()
			report(b, bundle.Len(), entries)
		})
	}
}
