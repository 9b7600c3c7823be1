package pinsfile_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func TestPinsRoundTrip(t *testing.T) {
	numeric, err := digest.Parse(strings.Repeat("1", 96)) // YAML would take it for a number
	if err != nil {
		t.Fatal(err)
	}
	d := digest.Sum()
	p := &appraise.Pins{Layout: appraise.LayoutAnchorhold, Expires: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Images: []appraise.Image{
		{Name: "release 1.0", PCR0: numeric, PCR1: d, PCR2: d, PCR8: &d},
		{Name: "yes", PCR0: d, PCR1: d, PCR2: d, PCR3: &d, PCR4: &digest.Digest{}},
	}}
	b, err := pinsfile.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pinsfile.Parse(b)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, %v, want %+v from:\n%s", got, err, p, b)
	}
	if _, err := pinsfile.Encode(new(appraise.Pins)); !errors.Is(err, appraise.ErrPins) {
		t.Errorf("zero pins: got %v", err)
	}
}

func TestPinsVectors(t *testing.T) {
	outcomes := map[string]error{"ok": nil, "malformed": appraise.ErrPins, "no-pins": appraise.ErrNoPins, "debug": appraise.ErrDebug}
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		want, known := outcomes[v.Expect()]
		if !known {
			t.Fatalf("%s: outcome %q is unknown", v.Name, v.Expect())
		}
		p, err := pinsfile.Parse(v.Body)
		if !errors.Is(err, want) || (err == nil) != (p != nil) {
			t.Errorf("%s: got %v, want %v", v.Name, err, want)
		}
	}
}

// What is accepted can be used, and says the same when written again.
func FuzzPins(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := pinsfile.Parse(b)
		if err != nil {
			return
		}
		again, err := pinsfile.Encode(p)
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		q, err := pinsfile.Parse(again)
		if err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("accepted, but says something else when written again: %v", err)
		}
	})
}
