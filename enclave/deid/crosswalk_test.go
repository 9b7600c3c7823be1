package deid_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/code"
)

// Keyed surrogates cannot be undone by the key: their crosswalk holds them as counted ones have
// theirs, and an earlier one of another key is refused, or the new one would name one person twice.
func TestCrosswalkOfKeyedSurrogates(t *testing.T) {
	rules, err := deid.Preset("expert-shift")
	if err != nil {
		t.Fatal(err)
	}
	e, err := deid.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	run := func(in, earlier string, set func(*deid.Options)) (out, cross string, err error) {
		var records, crosswalk bytes.Buffer
		o := options()
		o.Crosswalk = &crosswalk
		if earlier != "" {
			o.Earlier = strings.NewReader(earlier)
		}
		if set != nil {
			set(&o)
		}
		_, err = e.Process(context.Background(), strings.NewReader(in), &records, o)
		return records.String(), crosswalk.String(), err
	}
	in := patient(`"id":"1"`) + "\n" + patient(`"id":"2"`) + "\n" + patient(`"id":"1"`) + "\n"
	out, first, err := run(in, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	one := spelt.FindString(out)
	if strings.Count(first, "\n") != 2 || !strings.HasPrefix(first, `{"kind":"id","scope":"Patient","original":"1","surrogate":"`+one+`"}`+"\n") {
		t.Errorf("got %s for %s", first, out)
	}
	// A Bundle whose id stands behind its entries is moved when it is written: its line must not
	// be.
	bundle := `{"resourceType":"Bundle","entry":[{"resource":` + patient(`"id":"2"`) + `}],"id":"b"}`
	out, second, err := run(bundle, first, func(o *deid.Options) { o.Message = true })
	added, whole := strings.CutPrefix(second, first)
	if err != nil || !whole || !strings.HasPrefix(added, `{"kind":"id","scope":"Bundle","original":"b","surrogate":"`) || strings.Count(added, "\n") != 1 {
		t.Errorf("got %v and %s, want the earlier lines and one more", err, second)
	}
	if s := spelt.FindAllString(out, -1); len(s) != 2 || !strings.Contains(added, s[1]) {
		t.Errorf("got %s for %s", added, out)
	}
	_, _, err = run(in, first, func(o *deid.Options) {
		o.Values = map[string][]byte{deid.PseudonymKey: bytes.Repeat([]byte{9}, 32), deid.ShiftKey: o.Values[deid.ShiftKey]}
	})
	if code.Of(err) != code.CrosswalkMismatch {
		t.Errorf("another key: got %v, want %s", err, code.CrosswalkMismatch)
	}
}

// Equal identifiers in a row share their memory. One that goes with its record leaves that of the
// record before.
func TestCrosswalkKeepsWhatARejectedRecordShares(t *testing.T) {
	in := `{"resourceType":"Patient","id":"same","identifier":[{"system":"Patient","value":"same"}]}
{"resourceType":"Organization","identifier":[{"system":"Patient","value":"same"}],"modifierExtension":[{"url":"x"}]}
{"resourceType":"Patient","id":"else"}
`
	var crosswalk bytes.Buffer
	o := options()
	o.Workers = 1
	o.Crosswalk = &crosswalk
	if _, err := safeHarbor(t).Process(context.Background(), strings.NewReader(in), io.Discard, o); err != nil {
		t.Fatal(err)
	}
	got := spelt.ReplaceAllString(crosswalk.String(), "…")
	want := `{"kind":"id","scope":"Patient","original":"same","surrogate":"…"}
{"kind":"identifier","scope":"Patient","original":"same","surrogate":"…"}
{"kind":"id","scope":"Patient","original":"else","surrogate":"…"}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
