//go:build linux && !race

package engines_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/deid/stream"
)

const (
	childMemory = 1 << 29 // of a small enclave
	arena       = 64 << 20
	childCase   = "ANCHORHOLD_TEST_MEMORY"
)

// memoryCase is what a child does: as many jobs at once, each with so many workers, over all
// hostile records.
type memoryCase struct {
	Engine        string
	Jobs, Workers int
}

// Go ends the process that is out of memory, and with it the jobs of all tenants. So every engine
// runs with little memory, in a process of its own, over records that take as much as they can.
func TestHostileRecordsFitTheMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 840 MB")
	}
	for _, c := range []memoryCase{
		{"safe-harbor", 1, 1},
		{"safe-harbor", 1, 2},
		{"safe-harbor", 2, 4},
		{"configuration", 1, 1},
		{"configuration", 1, 2},
		{"configuration", 2, 4},
	} {
		t.Run(fmt.Sprintf("%s/%d jobs/%d workers", c.Engine, c.Jobs, c.Workers), func(t *testing.T) {
			spec, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			child := exec.Command(os.Args[0], "-test.run=^TestChildWithLittleMemory$", "-test.v", "-test.count=1")
			child.Env = append(os.Environ(), childCase+"="+string(spec))
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("child: %v\n%.6000s", err, out)
			}
			for l := range strings.Lines(string(out)) {
				if strings.Contains(l, "peak") || strings.Contains(l, "rejected") {
					t.Log(strings.TrimSpace(l))
				}
			}
		})
	}
}

// TestChildWithLittleMemory is the child.
func TestChildWithLittleMemory(t *testing.T) {
	spec := os.Getenv(childCase)
	if spec == "" {
		t.Skip("is run by TestHostileRecordsFitTheMemory")
	}
	var c memoryCase
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		t.Fatal(err)
	}
	rules := []byte(configuration)
	if c.Engine != "configuration" {
		var err error
		if rules, err = deid.Preset(c.Engine); err != nil {
			t.Fatal(err)
		}
	}
	e, err := engines.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	// The limit counts addresses, which Go takes in arenas of 64 MiB and keeps when it gives their
	// memory back. What the process takes of memory itself is compared below.
	const limit = childMemory + 2*arena
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	debug.SetMemoryLimit(childMemory / 4 * 3) // as the enclave does
	room := stream.NewRoom(childMemory, uint64(c.Jobs))
	var jobs sync.WaitGroup
	for range c.Jobs {
		jobs.Go(func() {
			in := &hostile{shapes: hostileShapes}
			o := stream.Options{ReferenceDate: "2026-12-31", Workers: c.Workers, Room: room, Values: map[string][]byte{"crypto-hash-key": []byte("k")}}
			if c.Engine != "configuration" {
				o.Crosswalk = io.Discard
			}
			r, err := e.Process(context.Background(), in, io.Discard, o)
			if err != nil || r.RecordsOut == 0 || r.RecordsRejected == 0 {
				t.Errorf("got %v and %+v, want some records and some rejected", err, r)
				return
			}
			t.Logf("%d records, rejected %v", r.RecordsOut, r.RejectCodes)
		})
	}
	jobs.Wait()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	t.Logf("peak %d MiB of %d", u.Maxrss>>10, childMemory>>20)
	if u.Maxrss<<10 > childMemory {
		t.Errorf("the process took %d MiB of memory, want at most %d", u.Maxrss>>10, childMemory>>20)
	}
}

const configuration = `{"fhirPathRules":[
	{"path":"nodesByType('HumanName').given","method":"cryptoHash"},
	{"path":"nodesByType('string')","method":"redact"},
	{"path":"Patient.descendants().where($this is id)","method":"cryptoHash"},
	{"path":"Patient.telecom","method":"substitute","replaceWith":{"value":"x"}}]}`

// hostileShapes are the parts of records that take most memory for their bytes: what stands before,
// what is repeated, and behind.
var hostileShapes = [][3]string{
	{`{"resourceType":"Patient","name":[{}`, `,{}`, `]}`},
	{`{"resourceType":"Patient","name":[{"given":["a"`, `,"a"`, `]}]}`},
	{`{"resourceType":"Patient","telecom":[{}`, `,{"rank":1}`, `]}`},
	{`{"resourceType":"Patient","contact":[{}`, `,{"name":{"given":["a"]}}`, `]}`},
	{`{"resourceType":"Patient","identifier":[{}`, `,{"value":"1234567"}`, `]}`},
	{`{"resourceType":"Patient","contained":[{"resourceType":"Basic"}`, `,{"resourceType":"Basic","id":"b"}`, `]}`},
	{`{"resourceType":"Patient","id":"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii","contained":[{"resourceType":"Practitioner","id":"p"}],"generalPractitioner":[{}`, `,{"reference":"#p"}`, `]}`},
	{`{"resourceType":"Patient","extension":[{"url":"u"}`, `,{"url":"u","extension":[{"url":"v","valueInteger":1}]}`, `]}`},
	{`{"resourceType":"Bundle","type":"batch","entry":[{}`, `,1`, `]}`},
	{`{"resourceType":"Bundle","type":"batch","entry":[{}`, `,{"resource":{"resourceType":"Basic"}}`, `]}`},
	{`{"a":1`, `,"#":1`, `}`}, // # counts
}

// hostile gives each shape in several sizes, one of them as long as a record may be.
type hostile struct {
	shapes [][3]string
	at     int
	line   []byte
}

func (h *hostile) Read(p []byte) (int, error) {
	sizes := []int{8<<20 - 1000, 3 << 19, 3 << 17}
	if len(h.line) == 0 {
		if h.at == len(h.shapes)*len(sizes) {
			return 0, io.EOF
		}
		h.line = hostileLine(h.shapes[h.at/len(sizes)], sizes[h.at%len(sizes)])
		h.at++
	}
	n := copy(p, h.line)
	h.line = h.line[n:]
	return n, nil
}

func hostileLine(shape [3]string, size int) []byte {
	var b bytes.Buffer
	b.Grow(size + 200)
	b.WriteString(shape[0])
	for i := 0; b.Len() < size; i++ {
		if strings.Contains(shape[1], `"#"`) {
			fmt.Fprintf(&b, `,"n%x":1`, i)
		} else {
			b.WriteString(shape[1])
		}
	}
	b.WriteString(shape[2] + "\n")
	return b.Bytes()
}
