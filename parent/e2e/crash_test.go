package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/protocoltest/synthetic"
)

// crash is a stage in the middle of a job: the enclave is stopped, part of the result lies at the
// parent, and the owner's tool waits.
type crash struct {
	*stage.Stage
	job   job
	id    string
	owner *running
}

// running is the owner's tool under way.
type running struct {
	out  bytes.Buffer
	done chan error
}

// midJob submits a job of some 20 MB and stops the enclave when part of the result has come out.
func midJob(t *testing.T) *crash {
	t.Helper()
	c := &crash{Stage: start(t, stage.Options{})}
	c.job = job{c.Stage, "job"}
	mustOwner(t, c.Stage, 0, c.job.sealArgs("policy", large(t, c.Path("large"), 400))...)
	status, header, _ := api(t, c.Stage, http.MethodPost, "/v1/jobs", http.Header{"Prefer": {"respond-async"}}, bytes.NewReader(read(t, c.job.path(".ahjob"))))
	if c.id = header.Get("Anchorhold-Job"); status != http.StatusAccepted || c.id == "" {
		t.Fatalf("post: status %d, job %q", status, c.id)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if c.partial(t) > 128<<10 && c.state(t) == "running" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the job was never seen half done")
		}
	}
	check(t, syscall.Kill(c.EnclavePID(), syscall.SIGSTOP))
	if got := c.state(t); got != "running" {
		t.Fatalf("the job is %s: it ended before the enclave was stopped", got)
	}
	c.owner = c.submit(t)
	return c
}

// large writes records of people who do not exist, about 50 KB of each.
func large(t *testing.T, dir string, patients int) string {
	t.Helper()
	check(t, os.Mkdir(dir, 0o700))
	var files []*os.File
	check(t, synthetic.Generate(func(kind string) io.Writer {
		f, err := os.Create(filepath.Join(dir, kind+".ndjson"))
		check(t, err)
		files = append(files, f)
		return f
	}, synthetic.Options{Patients: patients}))
	for _, f := range files {
		check(t, f.Close())
	}
	return dir
}

// submit starts the owner's tool on the job, which joins it.
func (c *crash) submit(t *testing.T) *running {
	t.Helper()
	r := &running{done: make(chan error, 1)}
	cmd := c.Owner(t.Context(), c.job.submitArgs()...)
	cmd.Stdout, cmd.Stderr = &r.out, &r.out
	check(t, cmd.Start())
	go func() { r.done <- cmd.Wait() }()
	return r
}

// exit waits for the owner's tool and returns its exit code and what it said.
func (r *running) exit(t *testing.T) (int, string) {
	t.Helper()
	select {
	case err := <-r.done:
		if err == nil {
			return 0, r.out.String()
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return exit.ExitCode(), r.out.String()
	case <-time.After(time.Minute):
		t.Fatal("the owner's tool did not end")
		return 0, ""
	}
}

// partial is the size of the bodies that are being written at the parent.
func (c *crash) partial(t *testing.T) (size int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.SpoolDir(), "partial", "*"))
	check(t, err)
	for _, name := range files {
		if info, err := os.Stat(name); err == nil { // it may just have been finished
			size += info.Size()
		}
	}
	return size
}

func (c *crash) status(t *testing.T) (s struct {
	Status   string `json:"status"`
	Attempts int    `json:"attempts"`
},
) {
	t.Helper()
	code, _, b := api(t, c.Stage, http.MethodGet, "/v1/jobs/"+c.id, nil, nil)
	if code != http.StatusOK {
		t.Fatalf("job: status %d", code)
	}
	check(t, json.Unmarshal(b, &s))
	return s
}

func (c *crash) state(t *testing.T) string { t.Helper(); return c.status(t).Status }

// nothingServed wants neither a part of the result nor a receipt from the parent, nor of the
// owner's tool.
func (c *crash) nothingServed(t *testing.T) {
	t.Helper()
	for _, part := range []string{"/result", "/receipt"} {
		for _, header := range []http.Header{nil, {"Range": {"bytes=0-1000"}}} {
			code, _, b := api(t, c.Stage, http.MethodGet, "/v1/jobs/"+c.id+part, header, nil)
			if code != http.StatusConflict && code != http.StatusNotFound || len(b) > 1000 {
				t.Errorf("GET %s in the middle of the job: status %d, %d bytes", part, code, len(b))
			}
		}
	}
	if got := inventory(t, c.job); strings.Contains(got, "job.ahres ") || strings.Contains(got, "job.receipt ") {
		t.Errorf("the owner has\n%s", got)
	}
}

// finish wants the job done in the end, by whoever asks again, under the id that it had, and at
// least so many attempts counted.
func (c *crash) finish(t *testing.T, attempts int) {
	t.Helper()
	mustOwner(t, c.Stage, 0, c.job.openArgs("policy")...)
	if s := c.status(t); s.Status != "done" || s.Attempts < attempts {
		t.Errorf("got job %+v, want done and at least %d attempts", s, attempts)
	}
	// Every record once: none of the first attempt beside those of the second.
	in, out := countLines(t, c.Path("large")), countLines(t, c.job.path(".out"))
	if in == 0 || in != out {
		t.Errorf("%d records went in, %d came out", in, out)
	}
}

func countLines(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	check(t, err)
	for _, name := range files {
		n += bytes.Count(read(t, name), []byte("\n"))
	}
	return n
}

// The parent is killed in the middle of a job. The owner's tool says that it lost it and leaves
// nothing; a parent started again takes the job up, and the same file submitted again gets its
// result.
func TestParentKilledMidJob(t *testing.T) {
	t.Parallel()
	c := midJob(t)
	c.nothingServed(t)
	kept := inventory(t, c.job)
	c.KillParent()
	if code, out := c.owner.exit(t); code != 1 || reasonOf(t, out) == "" {
		t.Errorf("submit: got exit %d, %s", code, out)
	}
	if got := strings.ReplaceAll(inventory(t, c.job), "\n\n", "\n"); !strings.Contains(kept, "job.ahjob") || strings.Contains(got, ".ahres") {
		t.Errorf("submit left\n%s", got)
	}
	check(t, syscall.Kill(c.EnclavePID(), syscall.SIGCONT))
	check(t, c.StartParent(t.Context()))
	if n := c.partial(t); n > 0 && c.state(t) == "queued" {
		t.Errorf("%d bytes of the first attempt are still there", n)
	}
	mustOwner(t, c.Stage, 0, c.job.submitArgs()...)
	c.finish(t, 2)
}

// The enclave is killed in the middle of a job. What had come out is thrown away, the job is done
// again by the enclave that takes its place, and the owner's tool, which waited, gets its result
// and no part of the first attempt.
func TestEnclaveKilledMidJob(t *testing.T) {
	t.Parallel()
	c := midJob(t)
	c.KillEnclave()
	c.nothingServed(t)
	check(t, c.StartEnclave(t.Context(), "policy"))
	if code, out := c.owner.exit(t); code != 0 {
		t.Fatalf("submit: got exit %d, %s", code, out)
	}
	c.finish(t, 1) // the attempt that ended with the enclave is not the job's fault
	if !slices.ContainsFunc(files(t, c.SpoolDir()), func(b []byte) bool { return bytes.Contains(b, []byte(`"deaths":1`)) }) {
		t.Error("the parent's record of the job has no death of an enclave")
	}
}
