package app

import (
	"bytes"
	"context"
	"os"
	"testing"

	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/pid1"
	"anchorhold/protocol/event"
)

// TestInvariant6_NoNSMNoStart: without the device there is no other way to attest.
func TestInvariant6_NoNSMNoStart(t *testing.T) {
	if _, err := os.Stat("/dev/nsm"); err == nil {
		t.Skip("this machine has an NSM")
	}
	if err := start(context.Background(), boot.Config{Log: &bytes.Buffer{}}, pid1.Served); event.Of(err) != event.NSMMissing {
		t.Errorf("got %v (%s), want %s", err, event.Of(err), event.NSMMissing)
	}
}

// TestOutsideAnEnclave: on any other machine the composition check is what ends the program.
func TestOutsideAnEnclave(t *testing.T) {
	var reached []event.Code
	c := boot.Config{Event: func(e event.Code) { reached = append(reached, e) }}
	if err := start(context.Background(), c, pid1.Situate()); event.Of(err) != event.FilesDiffer {
		t.Errorf("got %v (%s), want %s", err, event.Of(err), event.FilesDiffer)
	}
	if len(reached) != 1 || reached[0] != event.Started {
		t.Errorf("reached %v, want %s only", reached, event.Started)
	}
	if got := run(context.Background(), nil, nil, &bytes.Buffer{}); got != exitFailed {
		t.Errorf("got exit code %d, want %d", got, exitFailed)
	}
}
