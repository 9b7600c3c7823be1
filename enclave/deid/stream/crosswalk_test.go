package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// The rules of these tests: what a patient is called, and by whom it is treated.
const rules = `anchorhold: rules/v1
targets
  Patient Practitioner
resource *
  id surrogate
  contained contained
resource Patient
  identifier identifier
  generalPractitioner reference
resource Practitioner
  identifier identifier
`

func engine(tb testing.TB) *deid.Engine {
	tb.Helper()
	e, err := deid.Compile([]byte(rules))
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func options() stream.Options {
	return stream.Options{ReferenceDate: "2026-12-31", SurrogateKey: [32]byte{1, 2, 3}}
}

// crossed returns records and crosswalk of a job.
func crossed(tb testing.TB, o stream.Options, in string) (records, crosswalk string, err error) {
	tb.Helper()
	var out, cross bytes.Buffer
	o.Crosswalk = &cross
	_, err = stream.Process(context.Background(), engine(tb), strings.NewReader(in), &out, o)
	return out.String(), cross.String(), err
}

func surrogateOf(tb testing.TB, crosswalk, original string) string {
	tb.Helper()
	_, rest, ok := strings.Cut(crosswalk, `"original":"`+original+`","surrogate":"`)
	if !ok || len(rest) < 32 {
		tb.Fatalf("no %q in %s", original, crosswalk)
	}
	return rest[:32]
}

func TestCrosswalkHoldsEachIdentifierOnce(t *testing.T) {
	in := `{"resourceType":"Patient","id":"a\u00e9\"","identifier":[{"system":"urn:s","value":"v"},{"value":"v"}],"generalPractitioner":[{"reference":"#p"},{"reference":"Practitioner/x/_history/2"}],"contained":[{"resourceType":"Practitioner","id":"p"}]}` + "\n" +
		`{"resourceType":"Practitioner","id":"x","extra":{"modifierExtension":1},"identifier":[{"system":"urn:s","value":"v"}]}` + "\n" +
		`{"resourceType":"Patient","id":"rejected","modifierExtension":[]}` + "\n"
	_, crosswalk, err := crossed(t, options(), in)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for l := range strings.Lines(crosswalk) {
		head, _, _ := strings.Cut(l, `,"surrogate"`)
		got.WriteString(head + "\n")
	}
	want := `{"kind":"id","scope":"Patient","original":"aé\""
{"kind":"identifier","scope":"urn:s","original":"v"
{"kind":"identifier","scope":"","original":"v"
{"kind":"contained","scope":"Patient/aé\"","original":"p"
{"kind":"id","scope":"Practitioner","original":"x"
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
	if _, again, err := crossed(t, options(), in); err != nil || again != crosswalk {
		t.Errorf("the same input gives another crosswalk (%v)", err)
	}
}

// A night's job over the crosswalk of the one before, under the very same key: the counter begins
// anew, so without a check the first new identifier would get the surrogate that the first one of
// the earlier night has.
func TestNewSurrogatesNeverCollideWithEarlierOnes(t *testing.T) {
	var in strings.Builder
	for i := range 100 {
		fmt.Fprintf(&in, `{"resourceType":"Patient","id":"old%d"}`+"\n", i)
	}
	_, earlier, err := crossed(t, options(), in.String())
	if err != nil {
		t.Fatal(err)
	}
	// Not the first ones: a hole stays where the counter may step in.
	lines := strings.SplitAfter(earlier, "\n")
	earlier = strings.Join(lines[10:90], "")
	o := options()
	o.Earlier = iotest.OneByteReader(strings.NewReader(earlier))
	_, crosswalk, err := crossed(t, o, strings.ReplaceAll(in.String(), "old", "new"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(crosswalk, earlier) || strings.Count(crosswalk, "\n") != 180 {
		t.Errorf("got %d lines, want the 80 earlier ones and 100", strings.Count(crosswalk, "\n"))
	}
	seen := map[string]string{}
	for l := range strings.Lines(crosswalk) {
		s := l[len(l)-len(`"}`)-1-32 : len(l)-len(`"}`)-1]
		if other, ok := seen[s]; ok {
			t.Fatalf("one surrogate for two identifiers:\n%s%s", other, l)
		}
		seen[s] = l
	}
	if got, want := surrogateOf(t, crosswalk, "new9"), surrogateOf(t, lines[9], "old9"); got != want {
		t.Errorf("got %s, want %s: numbers that are free are used", got, want)
	}
	if got, other := surrogateOf(t, crosswalk, "new10"), surrogateOf(t, lines[90], "old90"); got != other {
		t.Errorf("got %s, want %s: the counter steps over what is taken", got, other)
	}
}

// The earlier crosswalk counts against the limit of identifiers: it is memory too.
func TestEarlierIdentifiersAreBounded(t *testing.T) {
	_, earlier, err := crossed(t, options(), `{"resourceType":"Patient","id":"1"}`+"\n"+`{"resourceType":"Patient","id":"2"}`)
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]code.Code{1: code.TooManyIdentifiers, 2: code.TooManyIdentifiers, 3: ""} {
		o := options()
		o.MaxIdentifiers, o.Earlier = limit, strings.NewReader(earlier)
		if _, _, err := crossed(t, o, `{"resourceType":"Patient","id":"3"}`); code.Of(err) != want {
			t.Errorf("limit %d: got %v, want %q", limit, err, want)
		}
	}
	o := options()
	o.Earlier, o.MaxRecord = io.LimitReader(endless{}, 64<<20), 1<<20
	if _, _, err := crossed(t, o, ""); code.Of(err) != code.CrosswalkMalformed {
		t.Errorf("a line without end: got %v, want %s", err, code.CrosswalkMalformed)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '{'
	}
	return len(p), nil
}

func TestCrosswalkVectors(t *testing.T) {
	kinds := map[string]int{}
	for _, v := range vectorfile.Load(t, "testdata/crosswalk/*.txt") {
		kinds[v.Kind()]++
		o := options()
		o.Earlier = bytes.NewReader(v.Body)
		_, crosswalk, err := crossed(t, o, "")
		switch v.Kind() {
		case "ok":
			if err != nil || crosswalk != string(v.Body) {
				t.Errorf("%s: got %v and %q, want it accepted and handed on", v.Name, err, crosswalk)
			}
		case string(code.CrosswalkMalformed):
			if code.Of(err) != code.CrosswalkMalformed {
				t.Errorf("%s: got %v, want %s", v.Name, err, code.CrosswalkMalformed)
			}
		default:
			t.Errorf("%s: expects %q", v.Name, v.Expect())
		}
	}
	if kinds["ok"] < 3 || len(kinds) != 2 {
		t.Errorf("got vectors %v, want some of each kind", kinds)
	}
}

// FuzzEarlier: whatever is accepted is handed on byte for byte, and nothing of it is in an error.
func FuzzEarlier(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/crosswalk/*.txt") {
		f.Add(v.Body)
	}
	e := engine(f)
	f.Fuzz(func(t *testing.T, earlier []byte) {
		var cross bytes.Buffer
		o := options()
		o.Workers, o.Earlier, o.Crosswalk = 1, bytes.NewReader(earlier), &cross
		_, err := stream.Process(context.Background(), e, strings.NewReader(""), io.Discard, o)
		switch {
		case err == nil && !bytes.Equal(cross.Bytes(), earlier):
			t.Errorf("got %q, want %q", cross.Bytes(), earlier)
		case err != nil && code.Of(err) != code.CrosswalkMalformed:
			t.Errorf("got %v", err)
		}
	})
}
