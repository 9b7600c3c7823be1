// Package e2e_test runs the real binaries as separate processes: local KMS, enclave, parent and the
// owner's tool.
package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// bin holds the binaries, built once for all tests.
var bin string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	if bin = os.Getenv(binVariable); bin != "" {
		return m.Run() // those of make build, with which the image was made
	}
	dir, err := os.MkdirTemp("", "ahbin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-trimpath", "-o", dir, "anchorhold/protocol/cmd/...", "anchorhold/enclave/cmd/...", "anchorhold/parent/cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

// start runs a stage for one test.
func start(t *testing.T, o stage.Options) *stage.Stage {
	t.Helper()
	// Not t.TempDir: a unix socket's path must stay under 108 bytes.
	dir, err := os.MkdirTemp("", "ah")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	o.Bin, o.Dir = bin, dir
	s, err := stage.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// owner runs the owner's tool and returns its exit code and output.
func owner(t *testing.T, s *stage.Stage, args ...string) (code int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := s.Owner(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("anchorhold %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// mustOwner runs the owner's tool and fails the test unless the exit code is want.
func mustOwner(t *testing.T, s *stage.Stage, want int, args ...string) string {
	t.Helper()
	code, out := owner(t, s, args...)
	if code != want {
		enclave, _ := s.Logs("enclave")
		parent, _ := s.Logs("parent")
		t.Fatalf("anchorhold %v: got exit %d, want %d\n%s\nenclave:\n%s\nparent:\n%s", args, code, want, out, enclave, parent)
	}
	return out
}

// job names the files of one job of a stage.
type job struct {
	s    *stage.Stage
	name string
}

func (j job) path(suffix string) string { return j.s.Path(j.name + suffix) }

func (j job) sealArgs(policy string, inputs ...string) []string {
	return append([]string{
		"seal", "--key", j.s.KeyARN, "--policy", j.s.Path(policy + ".cbor"), "--pins", j.s.Path(policy + ".pins"),
		"--tenant", stage.Tenant, "--pipeline", stage.Pipeline, "--reply", j.s.Path("reply.pub.pem"), "-o", j.path(".ahjob"),
	}, inputs...)
}

func (j job) submitArgs() []string {
	return []string{
		"submit", "--parent", j.s.ParentURL, "--token-file", j.s.TokenFile(), "-o", j.path(".ahres"), "--receipt", j.path(".receipt"), "--crosswalk", j.path(".ahxwk"), j.path(".ahjob"),
	}
}

func (j job) openArgs(policy string) []string {
	return []string{
		"open", "--job", j.path(".ahjob"), "--result", j.path(".ahres"), "--receipt", j.path(".receipt"), "--policy", j.s.Path(policy + ".cbor"),
		"--pins", j.s.Path(policy + ".pins"), "--key", j.s.Path("reply.key.pem"), "--root", j.s.Path("ca", "attestation-root.pem"), "--out", j.path(".out"),
	}
}

// sample writes the project's own sample records and returns their folder.
func sample(t *testing.T, s *stage.Stage) string {
	t.Helper()
	dir := s.Path("sample")
	if out, err := exec.Command(filepath.Join(bin, "anchorhold-dev"), "sample", "--out", dir).CombinedOutput(); err != nil {
		t.Fatalf("sample: %v\n%s", err, out)
	}
	return dir
}
