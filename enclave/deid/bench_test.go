package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/protocoltest/cputime"
	"anchorhold/protocol/protocoltest/synthetic"
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

// manyRecords are at least 100 MB of generated records, all of them different.
var manyRecords = sync.OnceValue(func() []byte {
	for patients := 2100; ; patients += 300 {
		parts := map[string]*bytes.Buffer{}
		if err := synthetic.Generate(func(kind string) io.Writer {
			parts[kind] = &bytes.Buffer{}
			return parts[kind]
		}, synthetic.Options{Patients: patients}); err != nil {
			panic(err)
		}
		var all []byte
		for _, kind := range synthetic.Types() {
			all = append(all, parts[kind].Bytes()...)
		}
		if len(all) >= 100<<20 {
			return all
		}
	}
})

// BenchmarkSafeHarbor runs the preset on as many cores as there are, beside two
// measures of what JSON costs anyhow on one: copying its tokens, and decoding
// to maps and encoding again.
func BenchmarkSafeHarbor(b *testing.B) {
	in := manyRecords()
	records := bytes.Count(in, []byte{'\n'})
	measure := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			cpu := cputime.PerOp(b)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			cpu()
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(records), "allocs/record")
			report(b, len(in), records)
		})
	}
	e := safeHarbor(b)
	measure("engine", func() error {
		_, err := e.Process(context.Background(), bytes.NewReader(in), io.Discard, options())
		return err
	})
	measure("engines-apart", func() error { return enginesApart(e, in) })
	measure("jsontext-copy", func() error {
		d, w := jsontext.NewDecoder(bytes.NewReader(in)), jsontext.NewEncoder(io.Discard)
		for {
			t, err := d.ReadToken()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = w.WriteToken(t)
			}
			if err != nil {
				return err
			}
		}
	})
	measure("encoding-json", func() error {
		d, w := json.NewDecoder(bytes.NewReader(in)), json.NewEncoder(io.Discard)
		for {
			var m map[string]any
			err := d.Decode(&m)
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = w.Encode(m)
			}
			if err != nil {
				return err
			}
		}
	})
}

// enginesApart runs as many engines as there are cores, each on a part of its own and with nothing
// to wait for: what this machine's cores give together is all that one engine on all of them could.
func enginesApart(e *deid.Engine, in []byte) (all error) {
	n := runtime.GOMAXPROCS(0)
	errs := make(chan error, n)
	for _, part := range parts(in, n) {
		go func() {
			o := options()
			o.Workers = 1
			_, err := e.Process(context.Background(), bytes.NewReader(part), io.Discard, o)
			errs <- err
		}()
	}
	for range n {
		all = errors.Join(all, <-errs)
	}
	return all
}

// parts cuts lines into n parts of about one size.
func parts(in []byte, n int) (all [][]byte) {
	for ; n > 1; n-- {
		end := len(in) / n
		end += bytes.IndexByte(in[end:], '\n') + 1
		all, in = append(all, in[:end]), in[end:]
	}
	return append(all, in)
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
