package e2e_test

import (
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// The enclave is killed in the middle of a job. The parent has it started anew by its replace command, runs the job again, and the owner
// gets one whole result.
func TestBootedGuestKilledMidJob(t *testing.T) {
	c := &crash{Stage: booted(t, stage.Guest{Replace: true})}
	t.Cleanup(func() { endReplaced(t, c.Stage) })
	c.job = job{c.Stage, "job"}
	in := large(t, c.Path("large"))
	mustOwner(t, c.Stage, 0, c.job.sealArgs("policy", in)...)
	status, header, _ := api(t, c.Stage, http.MethodPost, "/v1/jobs", http.Header{"Prefer": {"respond-async"}}, bytes.NewReader(read(t, c.job.path(".ahjob"))))
	if c.id = header.Get("Anchorhold-Job"); status != http.StatusAccepted || c.id == "" {
		t.Fatalf("post: status %d, job %q", status, c.id)
	}
	for end := time.Now().Add(guestTime); c.partial(t) <= 128<<10 || c.state(t) != "running"; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the job was never seen half done: %s", c.state(t))
		}
	}
	c.KillEnclave()
	if got := c.state(t); got != "running" && got != "queued" { // the parent may know already
		t.Fatalf("the job is %s: it ended before the enclave was killed", got)
	}
	begin := time.Now()
	if out, _, err := patience(c.Stage, c.job); err != nil {
		t.Fatalf("submit: %v\n%s", err, out)
	}
	t.Logf("replaced, and the job done, %.1f s after the kill", time.Since(begin).Seconds())
	if code, out := owner(t, c.Stage, c.job.openArgs("policy")...); code != 0 {
		t.Fatalf("open: exit %d\n%s", code, out)
	}
	if got, want := countLines(t, c.job.path(".out")), countLines(t, in); got != want {
		t.Errorf("%d records came out of %d", got, want)
	}
}

// endReplaced ends the enclave that the parent has started.
func endReplaced(t *testing.T, s *stage.Stage) {
	out, err := exec.Command("sh", "-c", "cat "+s.Path("one.lock")).Output()
	check(t, err)
	check(t, exec.Command("kill", strings.TrimSpace(string(out))).Run())
}

// Four enclaves of one image at once, each with its own sockets; every one gets jobs of the same parent.
func TestBootedFourGuests(t *testing.T) {
	names := []string{"two", "three", "four"}
	s := booted(t, stage.Guest{Names: names})
	for _, name := range names {
		e := emulate(t, s.GuestArgs(s.Image("policy"), name)[1:]...)
		t.Logf("%s serves after %.1f s", name, e.wait("serving").Seconds())
	}
	in := sample(t, s)
	jobs := []job{{s, "a"}, {s, "b"}, {s, "c"}, {s, "d"}, {s, "e"}, {s, "f"}}
	var all sync.WaitGroup
	var mu sync.Mutex
	var faults []string
	more := 0
	for _, j := range jobs {
		mustOwner(t, s, 0, j.sealArgs("policy", in)...)
		all.Go(func() {
			out, tries, err := patience(s, j)
			mu.Lock()
			defer mu.Unlock()
			if more += tries - 1; err != nil {
				faults = append(faults, out)
			}
		})
	}
	all.Wait()
	if len(faults) > 0 {
		t.Fatalf("%d jobs failed: %q", len(faults), faults)
	}
	boots := map[string]bool{}
	for _, j := range jobs {
		mustOwner(t, s, 0, j.openArgs("policy")...)
		boots[bootOf(t, j)] = true
	}
	t.Logf("%d jobs were done by %d of 4 enclaves; %d were submitted again because KMS was not reached in time", len(jobs), len(boots), more)
	if len(boots) < 2 {
		t.Error("one enclave did all jobs")
	}
}

// bootOf returns the line of a receipt that names the start of the enclave.
func bootOf(t *testing.T, j job) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "anchorhold"), "inspect", j.path(".receipt")).CombinedOutput()
	check(t, err)
	for line := range strings.Lines(string(out)) {
		if strings.Contains(strings.ToLower(line), "boot") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("inspect names no boot:\n%s", out)
	return ""
}
