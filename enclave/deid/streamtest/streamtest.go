// Package streamtest has what the tests of engines share: steps counted, records of hostile shapes,
// and a process with little memory.
package streamtest

import (
	"fmt"
	"strings"
	"sync"

	"anchorhold/enclave/deid/stream"
)

// Counter is an Engine whose workers note what records take.
type Counter struct {
	stream.Engine
	mu    sync.Mutex
	steps int // guarded by mu
}

// Steps returns the steps of all records since it was last called.
func (c *Counter) Steps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.steps
	c.steps = 0
	return n
}

func (c *Counter) add(v stream.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps += v.Steps
}

// NewWorker returns a worker of the Engine that notes steps.
func (c *Counter) NewWorker(j *stream.Job) (stream.Worker, error) {
	w, err := c.Engine.NewWorker(j)
	if err != nil {
		return nil, err
	}
	one := worker{w, c}
	if b, ok := w.(stream.BundleWorker); ok {
		return bundleWorker{one, b}, nil
	}
	return one, nil
}

type worker struct {
	stream.Worker
	c *Counter
}

func (w worker) Resource(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	out, v := w.Worker.Resource(dst, r, s)
	w.c.add(v)
	return out, v
}

type bundleWorker struct {
	worker
	b stream.BundleWorker
}

func (w bundleWorker) Frame(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	out, v := w.b.Frame(dst, r, s)
	w.c.add(v)
	return out, v
}

func (w bundleWorker) Entry(dst, r []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	out, v := w.b.Entry(dst, r, s)
	w.c.add(v)
	return out, v
}

// Items are the elements of hostile arrays, one of each shape that rules tell apart, as small as
// they can be.
var Items = []string{
	`{}`, `[]`, `[[]]`, `null`, `true`, `1`, `90`, `1e9`, `0.5`, `""`, `"a"`, `"\u0061"`, `"2020-01-02"`, `"2020-01-02T03:04:05Z"`, `"1900"`, `"02139"`,
	`"#p"`, `"Patient/1"`, `"http://hl7.org/fhir/StructureDefinition/x|1"`, `{"a":{"a":{}}}`, `{"id":"x","extension":[{"url":"u","valueString":"v"}]}`,
	`{"url":"http://x.example/e"}`, `{"url":"http://x.example/y","valueString":"v"}`, `{"valueString":"v","url":"http://x.example/z"}`,
	`{"value":"1"}`, `{"system":"s","value":"1"}`, `{"reference":"#p"}`, `{"reference":"Patient/1"}`, `{"reference":"urn:uuid:1"}`,
	`{"identifier":{"value":"1"}}`, `{"system":"http://loinc.org","code":"29463-7"}`, `{"value":95,"unit":"years"}`,
	`{"value":1,"system":"http://unitsofmeasure.org","code":"a"}`, `{"coding":[{"code":"1"}]}`, `{"resourceType":"Basic","id":"q"}`,
	`{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"p"}]}`, `{"x":[1,1,1]}`,
	`{"postalCode":"02139"}`, `{"start":"2020","end":"2021"}`, `{"profile":["x"]}`,
}

// Shapes are hostile values by name. Each comes in any size: about n elements, digits or letters.
func Shapes() map[string]func(n int) string {
	shapes := map[string]func(n int) string{
		"digits":   func(n int) string { return "1" + strings.Repeat("0", n) },
		"fraction": func(n int) string { return "0." + strings.Repeat("0", n) + "1" },
		"exponent": func(n int) string { return "1e" + strings.Repeat("0", n) + "1" },
		"letters":  func(n int) string { return `"` + strings.Repeat("a", n) + `"` },
		"date":     func(n int) string { return `"2020-01-02T03:04:05.` + strings.Repeat("0", n) + `Z"` },
		"escapes":  func(n int) string { return `"` + strings.Repeat(`\n`, n) + `"` },
		"space":    func(n int) string { return strings.Repeat(" ", n) + "1" },
		"members": func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, `,"a%d":1`, i)
			}
			return "{" + b.String()[min(1, b.Len()):] + "}"
		},
		"arrays": func(n int) string {
			return "[" + strings.Repeat("[", min(n, 40)) + strings.Repeat("]", min(n, 40)) + strings.Repeat(",[]", n) + "]"
		},
	}
	for _, item := range Items {
		shapes["of "+item] = func(n int) string { return "[" + item + strings.Repeat(","+item, n) + "]" }
	}
	return shapes
}
