package job

import (
	"testing"
	"time"

	"anchorhold/protocol/code"
)

// TestReplayCountIsBounded looks inside: filling it from outside would take four million jobs.
func TestReplayCountIsBounded(t *testing.T) {
	r := newReplays(2, 3)
	today := time.Date(2030, 1, 10, 12, 0, 0, 0, time.UTC)
	id := func(n byte) replayID { return identifyReplay("tenant", [32]byte{n}) }
	spend := func(n byte, notAfter, now time.Time) code.Code { return code.Of(r.spend(id(n), notAfter, now)) }
	for n := range byte(3) {
		if got := spend(n, today, today); got != "" {
			t.Fatalf("message %d: got %q", n, got)
		}
	}
	if !r.full() {
		t.Error("it is not full")
	}
	if got := spend(9, today, today); got != code.Busy {
		t.Errorf("a new message: got %q, want %q: forgetting another would lift its cap", got, code.Busy)
	}
	if got := spend(0, today, today); got != "" {
		t.Errorf("a known message: got %q", got)
	}
	if got := spend(0, today, today); got != code.ReplayLimit || r.allowed(id(0)) == nil {
		t.Errorf("a known message once too often: got %q, want %q", got, code.ReplayLimit)
	}
	tomorrow := today.AddDate(0, 0, 1)
	if got := spend(9, tomorrow, tomorrow); got != "" || r.full() {
		t.Errorf("a new message once the others have expired: got %q", got)
	}
}

// TestReplaysOfTenantsAreApart: a message id is no secret, and another tenant could send it.
func TestReplaysOfTenantsAreApart(t *testing.T) {
	if identifyReplay("a", [32]byte{1}) == identifyReplay("b", [32]byte{1}) {
		t.Error("two tenants share a count")
	}
}
