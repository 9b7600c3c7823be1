package cputime_test

import (
	"testing"
	"time"

	"anchorhold/protocol/protocoltest/cputime"
)

// Work counts, waiting does not.
func TestSelfCountsWork(t *testing.T) {
	before := cputime.Self()
	time.Sleep(200 * time.Millisecond)
	if got := cputime.Self() - before; got > 150*time.Millisecond {
		t.Errorf("got %v for 200 ms of sleep", got)
	}
	before = cputime.Self()
	n := 0
	for cputime.Self()-before < 20*time.Millisecond {
		if n++; n > 1e9 {
			t.Fatal("work does not count")
		}
	}
}
