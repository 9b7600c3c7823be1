package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// bootsVariable says how often a start is timed: three times when it is unset.
const bootsVariable = "ANCHORHOLD_BOOTS"

// How long an image takes from the start of the emulator to its heartbeat, to serving, and to the
// first key that KMS releases to it. Times are told, not judged. Nothing else runs meanwhile: all
// other tests of guests are parallel ones.
func TestBootedTimes(t *testing.T) {
	s := booted(t, stage.Guest{Cold: true})
	check(t, s.StartParent(t.Context()))
	in := s.Path("patient.ndjson") // a job that costs nothing: what is timed is the way to its key
	write(t, in, []byte(`{"resourceType":"Patient","id":"p1","gender":"female"}`+"\n"))
	boots := 3
	if n, err := strconv.Atoi(os.Getenv(bootsVariable)); err == nil && n > 0 && n <= 100 {
		boots = n
	}
	var heartbeat, serving, decrypt []time.Duration
	for i := range boots {
		j := job{s, fmt.Sprintf("timed%d", i)}
		mustOwner(t, s, 0, j.sealArgs("policy", in)...)
		before := decrypts(t, s)
		e := emulate(t, s.GuestArgs(s.Image("policy"), "one")[1:]...)
		done := make(chan error, 1)
		go func() {
			out, _, err := patience(s, j)
			if err != nil {
				err = fmt.Errorf("submit: %w: %s", err, out)
			}
			done <- err
		}()
		for end := time.Now().Add(guestTime); decrypts(t, s) == before; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no Decrypt: %s", e.text())
			}
		}
		decrypt = append(decrypt, time.Since(e.begin))
		heartbeat, serving = append(heartbeat, e.wait("heartbeat")), append(serving, e.wait("serving"))
		check(t, <-done)
		check(t, e.stop())
	}
	for _, m := range []struct {
		name  string
		times []time.Duration
	}{{"heartbeat", heartbeat}, {"serving", serving}, {"first attested decrypt", decrypt}} {
		slices.Sort(m.times)
		t.Logf("start to %s: median %.2f s of %d (%.2f to %.2f)", m.name, (m.times[(boots-1)/2]+m.times[boots/2]).Seconds()/2, boots,
			m.times[0].Seconds(), m.times[boots-1].Seconds())
	}
}

// decrypts counts the keys that the local KMS has released.
func decrypts(t *testing.T, s *stage.Stage) (n int) {
	t.Helper()
	b, err := os.ReadFile(s.EventsFile())
	check(t, err)
	for line := range strings.Lines(string(b)) {
		var event struct{ EventName, ErrorCode string }
		if json.Unmarshal([]byte(line), &event) == nil && event.EventName == "Decrypt" && event.ErrorCode == "" {
			n++
		}
	}
	return n
}
