package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"anchorhold/protocol/audit"
)

// TestMain lets the program start itself, as it does for its baseline.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "in-process" {
		main()
		return
	}
	os.Exit(m.Run())
}

func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "anchorhold/protocol/cmd/...", "anchorhold/enclave/cmd/...", "anchorhold/parent/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// A very short run: every job is done and its receipt verified. How fast it was decides nothing
// here.
func TestShortRun(t *testing.T) {
	bin := build(t)
	var out bytes.Buffer
	// Paced jobs would keep a busy machine busy: the small part is left to real runs.
	if err := run(t.Context(), []string{"--bin", bin, "--only", "whole,memory", "--large", "1", "--huge", "2", "--rounds", "1"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"whole path of a", "peak memory of the enclave", "6 receipts of 6 jobs verified"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	t.Run("a wrong result fails the run", func(t *testing.T) { wrongResult(t, bin) })
}

// However good its numbers, a run fails when one job's result is not what its receipt says, or when
// its receipt is missing.
func wrongResult(t *testing.T, bin string) {
	dir, err := os.MkdirTemp("", "ahb") // short, for unix sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: t.Context(), out: io.Discard}
	if err := b.start(bin, dir); err != nil {
		t.Fatal(err)
	}
	defer b.s.Stop()
	jobs, err := b.prepareSmall(2)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(b.s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, j := range jobs {
		if err := j.send(c); err != nil {
			t.Fatal(err)
		}
	}
	good, bad := jobs[0].answer, jobs[1].answer
	bad.sealed[len(bad.sealed)-1] ^= 1
	if err := b.proof.check(b.s, []*answer{good, bad}); !errors.Is(err, audit.ErrOutput) || b.proof.verified != 1 || b.proof.jobs != 2 {
		t.Errorf("got %v, %d of %d verified, want %v, 1 of 2", err, b.proof.verified, b.proof.jobs, audit.ErrOutput)
	}
	good.id = strings.Repeat("a", 32)
	if err := b.proof.check(b.s, []*answer{good}); err == nil || b.proof.verified != 1 {
		t.Errorf("got %v and %d verified for a job that is not there", err, b.proof.verified)
	}
}

func TestCountsDistinctSurrogates(t *testing.T) {
	const one, two = "bcdfghjklmnpqrstbcdfghjklmnpqrst", "tttttttttttttttttttttttttttttttt"
	c := &counter{seen: map[[surrogateLength]byte]struct{}{}}
	for _, record := range []string{
		`{"id":"` + one + `","subject":{"reference":"Patient/` + two + `"}}`,
		`{"id":"` + one + `"}`,
		`{"id":"short","display":"a surrogate has no vowels, as this text does"}`,
	} {
		if _, err := c.Write([]byte(record + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.seen) != 2 {
		t.Errorf("got %d distinct surrogates, want 2", len(c.seen))
	}
}
