package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"anchorhold/protocol/event"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func TestVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		t.Run(v.Name, func(t *testing.T) {
			c, err := event.Read(bytes.NewReader(v.Body))
			got := "malformed"
			if err == nil {
				got = c.String()
			} else if !errors.Is(err, event.ErrMalformed) {
				t.Errorf("got error %v, want ErrMalformed", err)
			}
			if got != v.Expect() {
				t.Errorf("got %s, want %s", got, v.Expect())
			}
		})
	}
}

// TestCodesAreSpecified: SPEC 11 has each code with its name, and every code survives the wire.
func TestCodesAreSpecified(t *testing.T) {
	spec, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := event.Codes()
	if len(codes) < 20 {
		t.Fatalf("got %d codes", len(codes))
	}
	for c, name := range codes {
		if !strings.Contains(string(spec), fmt.Sprintf("| %#04x | `%s` |", uint16(c), name)) {
			t.Errorf("SPEC.md has no row for %#04x %s", uint16(c), name)
		}
		if got, err := event.Read(bytes.NewReader(event.Encode(c))); err != nil || got != c {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
	// section 2 has four kinds of frame
	if rows := strings.Count(string(spec), "\n| 0x0") - 4; rows != len(codes) {
		t.Errorf("SPEC.md has %d codes, want %d", rows, len(codes))
	}
}

func TestOf(t *testing.T) {
	inner := errors.New("inner")
	wrapped := fmt.Errorf("outer: %w", event.Fault(event.SwapOn, inner))
	if event.Of(wrapped) != event.SwapOn || !errors.Is(wrapped, inner) || event.Of(inner) != event.Failed {
		t.Errorf("got %s and %s", event.Of(wrapped), event.Of(inner))
	}
	if event.Fault(event.SwapOn, nil) != nil {
		t.Error("no error became one")
	}
}

func FuzzRead(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := event.Read(bytes.NewReader(b))
		if err == nil && !bytes.Equal(event.Encode(c), b) {
			t.Errorf("%x was read as %s", b, c)
		}
	})
}
