package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// The enclave is killed in the middle of a job. The parent has it started anew by its replace
// command, runs the job again, and the owner gets one whole result.
func TestBootedGuestKilledMidJob(t *testing.T) {
	t.Parallel()
	c := &crash{Stage: booted(t, stage.Guest{Replace: true})}
	t.Cleanup(func() { endReplaced(t, c.Stage) })
	c.job = job{c.Stage, "job"}
	in := large(t, c.Path("large"), 50)
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

// endReplaced ends the enclave that the parent has started, and waits for it: its lock goes last.
func endReplaced(t *testing.T, s *stage.Stage) {
	lock := s.Path("one.lock")
	b, err := os.ReadFile(lock)
	check(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	check(t, err)
	check(t, syscall.Kill(pid, syscall.SIGTERM))
	for end := time.Now().Add(guestTime); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(lock); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the enclave that the parent has started does not end")
		}
	}
}

// Four enclaves of one image at once, each with its own sockets; every one gets jobs of the same
// parent.
func TestBootedFourGuests(t *testing.T) {
	t.Parallel()
	names := []string{"two", "three", "four"}
	s := booted(t, stage.Guest{Names: names})
	var starting sync.WaitGroup
	for _, name := range names {
		e := emulate(t, s.GuestArgs(s.Image("policy"), name)[1:]...)
		starting.Go(func() { t.Logf("%s serves after %.1f s", name, e.wait("serving").Seconds()) })
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	// an enclave that the parent does not know yet gets no job
	for _, name := range append(names, "one") {
		parentKnows(t, s, name)
	}
	in := sample(t, s)
	boots := map[string]int{}
	jobs, more := 0, 0
	// The parent gives a job to the enclave with the most room, so four at once go to four. On a
	// busy machine one of them may just have been taken out for not answering in time, and gets its
	// turn later.
	for round := 0; len(boots) < 4 && round < 5; round++ {
		var these []job
		for i := range 4 {
			j := job{s, fmt.Sprintf("job%d%c", round, 'a'+i)}
			mustOwner(t, s, 0, j.sealArgs("policy", in)...)
			these = append(these, j)
		}
		more += submitAll(t, s, these)
		for _, j := range these {
			mustOwner(t, s, 0, j.openArgs("policy")...)
			boots[bootOf(t, j)]++
			jobs++
		}
	}
	t.Logf("%d jobs were done by %d enclaves; %d were submitted again because KMS was not reached in time", jobs, len(boots), more)
	if len(boots) != 4 {
		t.Errorf("%d jobs were done by %d enclaves, want 4: %v", jobs, len(boots), boots)
	}
}

// parentKnows waits until the named enclave has answered the parent.
func parentKnows(t *testing.T, s *stage.Stage, name string) {
	t.Helper()
	for end := time.Now().Add(guestTime); ; time.Sleep(5 * time.Millisecond) {
		b, err := s.Logs("parent")
		check(t, err)
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, "enclave answers") && strings.Contains(line, `"`+name+`"`) {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the parent does not know %q:\n%s", name, b)
		}
	}
}

// submitAll submits jobs at once and returns how many had to be submitted again.
func submitAll(t *testing.T, s *stage.Stage, jobs []job) (more int) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var faults []string
	for _, j := range jobs {
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
	return more
}

// bootOf returns what a receipt calls the start of the enclave.
func bootOf(t *testing.T, j job) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "anchorhold"), "inspect", j.path(".receipt")).CombinedOutput()
	check(t, err)
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == "boot" {
			return words[1]
		}
	}
	t.Fatalf("inspect names no boot:\n%s", out)
	return ""
}
