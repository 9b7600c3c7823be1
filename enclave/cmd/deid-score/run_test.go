package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/enclave/deid/score"
)

func call(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// Safe Harbor removes every planted identifier of every letter.
func TestSafeHarborRecall(t *testing.T) {
	code, stdout, stderr := call(t, "compare", "--people", "10", "--require", "safe-harbor")
	if code != 0 {
		t.Errorf("exit code is %d, want 0: %s\n%s", code, stderr, stdout)
	}
}

// Records that are left as they are fall short: --require can fail.
func TestRequireFails(t *testing.T) {
	code, _, stderr := call(t, "compare", "--people", "5", "--require", "limited-data-set")
	if code != 1 || !strings.Contains(stderr, "identifiers are left") {
		t.Errorf("exit code is %d, %q, want 1: a limited data set keeps dates", code, stderr)
	}
	if code, _, _ := call(t, "compare", "--people", "5", "--require", "none"); code != 2 {
		t.Errorf("unknown preset: exit code is %d, want 2", code)
	}
}

// Every preset gives an output that can be judged, and keeps most of what must stay.
func TestRunAndJudge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bench")
	if code, _, stderr := call(t, "generate", "--people", "5", dir); code != 0 {
		t.Fatal(stderr)
	}
	out := filepath.Join(t.TempDir(), "out")
	if code, _, stderr := call(t, "run", "--preset", "safe-harbor", dir, out); code != 0 {
		t.Fatal(stderr)
	}
	code, stdout, stderr := call(t, "judge", "--json", dir, out)
	if code != 0 {
		t.Fatal(stderr)
	}
	var r score.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if c := r.Utility["code"]; c.Total == 0 || c.Share() < 0.9 {
		t.Errorf("codes kept: %d of %d, want nine in ten", c.Right, c.Total)
	}
	if code, stdout, _ := call(t, "judge", dir, out); code != 0 || !strings.Contains(stdout, "R other numbers") {
		t.Errorf("the table is %q", stdout)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"run", "a", "b"},
		{"run", "--preset", "safe-harbor", "--config", "x", "a", "b"},
		{"judge", "a"},
		{"none"},
	} {
		if code, _, _ := call(t, args...); code != 2 {
			t.Errorf("%v: exit code is %d, want 2", args, code)
		}
	}
	if code, _, stderr := call(t, "run", "--preset", "none", os.TempDir(), t.TempDir()); code != 1 || stderr == "" {
		t.Errorf("unknown preset: exit code is %d, %q", code, stderr)
	}
}
