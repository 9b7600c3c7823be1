package boot_test

import (
	"strings"
	"testing"

	"anchorhold/protocol/result"
)

// A record of 800 KB held the only place for 211 s, past the policy's job-seconds: each of its
// durations had the rest searched for the unit. It takes a moment now, and the next job has the
// place. That work is linear is counted elsewhere (package deid): here a job past its time would
// fail.
func TestCostlyRecordsHoldNoPlace(t *testing.T) {
	b := newBenchOf(t, "replays: 1000, concurrent-jobs: 1, job-seconds: 30")
	b.start(t)
	reply, err := result.GenerateKey()
	check(t, err)
	costly, _ := b.job(t, reply, `{"resourceType":"MedicationRequest","id":"a","dosageInstruction":[{"timing":{"repeat":{"duration":[1`+
		strings.Repeat(",1", 400_000)+`],"durationUnit":"d"}}}]}`)
	ordinary, _ := b.job(t, reply, oneRecord)
	for _, file := range [][]byte{costly, ordinary} {
		if _, last := submit(t, b.dial(t), file); !isDone(last) {
			t.Errorf("job of %d bytes: got %+v, want done", len(file), last)
		}
	}
}
