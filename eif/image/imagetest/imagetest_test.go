package imagetest_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"anchorhold/eif/image"
	"anchorhold/eif/image/imagetest"
	"anchorhold/protocol/measure"
)

// TestAttacksKeepRegisters: the registers that an attack says it keeps are equal, those of the
// boundaries in PCR1 are all equal, and the builder's own check of the layout finds every image.
func TestAttacksKeepRegisters(t *testing.T) {
	good, err := image.New(image.Parts{
		Kernel: bytes.Repeat([]byte{0x90, 0, 0xf4}, 1000), Program: []byte("\x7fELF program"), Policy: bytes.Repeat([]byte("policy"), 100),
		CommandLine: measure.CommandLine,
	})
	if err != nil {
		t.Fatal(err)
	}
	attacks, err := imagetest.Attacks(good, []byte("\x7fELF other"))
	if err != nil {
		t.Fatal(err)
	}
	want, everything := good.Measure(), 0
	for _, a := range attacks {
		got := a.Measure()
		equal := map[string]bool{"PCR0": got.PCR0 == want.PCR0, "PCR1": got.PCR1 == want.PCR1, "PCR2": got.PCR2 == want.PCR2}
		for name, is := range equal {
			if is != slices.Contains(a.Equal, name) {
				t.Errorf("%s: %s is equal: got %v, want %v", a.Name, name, is, !is)
			}
		}
		if len(a.Equal) == 3 {
			everything++
		}
		b, err := a.Encode()
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		i, err := image.Parse(b)
		if errors.Is(err, image.CmdLine) {
			continue // refused already
		}
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		if i.Measure() != got {
			t.Errorf("%s: the encoded image measures otherwise", a.Name)
		}
		if _, _, _, err := i.Layout(); err == nil && i.CommandLine() == measure.CommandLine {
			t.Errorf("%s is of our layout", a.Name)
		}
	}
	if everything != 4 {
		t.Errorf("%d attacks keep all registers, want 4", everything)
	}
}
