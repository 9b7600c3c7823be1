package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/protocoltest/cputime"
)

// baseline is what the pipeline costs by itself: the same engine and rules, in a process of its
// own, plaintext in and nothing written.
type baseline struct {
	Seconds     float64 // wall clock
	Processor   float64 // seconds of all cores
	Bytes       int64
	Out         int64
	Identifiers int // distinct surrogates, if they were counted
}

// inProcess is the process: it runs the records of a file through the engine and prints a baseline
// as JSON.
func inProcess(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("want in-process plain|count FILE")
	}
	rules, err := deid.Preset("safe-harbor")
	if err != nil {
		return err
	}
	engine, err := deid.Compile(rules)
	if err != nil {
		return err
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	sink := &counter{}
	if args[0] == "count" {
		sink.seen = map[[surrogateLength]byte]struct{}{}
	}
	before, begun := cputime.Self(), time.Now()
	if _, err := engine.Process(context.Background(), f, sink, deid.Options{ReferenceDate: "2026-12-31", SurrogateKey: [32]byte{1}}); err != nil {
		return err
	}
	r := baseline{Seconds: time.Since(begun).Seconds(), Processor: (cputime.Self() - before).Seconds(), Out: sink.bytes, Identifiers: len(sink.seen)}
	if info, err := f.Stat(); err == nil {
		r.Bytes = info.Size()
	}
	return json.NewEncoder(out).Encode(r)
}

// runBaseline starts that process on a file.
func (b *bench) runBaseline(mode, path string) (r baseline, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(b.ctx, self, "in-process", mode, path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("in-process: %w", err)
	}
	return r, json.Unmarshal(out, &r)
}

// surrogateLength and isSurrogate are the form of the engine's surrogates.
const surrogateLength = 32

func isSurrogate(b []byte) bool {
	for _, c := range b {
		if c < 'b' || c > 't' || bytes.IndexByte([]byte("eiou"), c) >= 0 {
			return false
		}
	}
	return len(b) == surrogateLength
}

// counter throws records away. With seen it first remembers each distinct surrogate, which is each
// distinct identifier of the input.
type counter struct {
	bytes int64
	seen  map[[surrogateLength]byte]struct{}
}

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	if c.seen == nil {
		return len(p), nil
	}
	for rest := p; len(rest) > surrogateLength; {
		// Each stands at the end of a string: of an identifier or of a reference.
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			break
		}
		if end >= surrogateLength && isSurrogate(rest[end-surrogateLength:end]) {
			c.seen[[surrogateLength]byte(rest[end-surrogateLength:end])] = struct{}{}
		}
		rest = rest[end+1:]
	}
	return len(p), nil
}
