package main

import (
	"bytes"
	"context"
	"os"
	"testing"
)

// TestInvariant6_NoNSMNoStart: without the device there is no other way to attest.
func TestInvariant6_NoNSMNoStart(t *testing.T) {
	if _, err := os.Stat("/dev/nsm"); err == nil {
		t.Skip("this machine has an NSM")
	}
	var stderr bytes.Buffer
	if got := run(context.Background(), nil, &stderr); got != exitFailed || !bytes.Contains(stderr.Bytes(), []byte("/dev/nsm")) {
		t.Errorf("got exit code %d and %q, want %d and the device's name", got, &stderr, exitFailed)
	}
}
