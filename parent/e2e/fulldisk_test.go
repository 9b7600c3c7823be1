package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"anchorhold/parent/e2e/stage"
)

// small is a place with no room for what a command writes: where it may write, and how it is run
// there.
type small struct {
	name, want string
	place      func(t *testing.T) (dir string, wrap []string)
}

var smallPlaces = []small{
	{"file size limit", "file too large", func(t *testing.T) (string, []string) {
		// The signal is ignored, so that the write fails as it does on a full disk.
		return t.TempDir(), []string{"/bin/sh", "-c", `trap '' XFSZ; ulimit -f 64; exec "$0" "$@"`}
	}},
	{"full disk", "no space left on device", func(t *testing.T) (string, []string) {
		dir := t.TempDir()
		if err := mountSmall(dir, "64k"); err != nil {
			t.Skipf("a small file system cannot be mounted here: %v", err)
		}
		t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
		return dir, nil
	}},
}

// The owner's disk is full. Each command that writes says so, exit code 1, leaves nothing behind
// and spoils nothing; with room it works.
func TestFullDiskAtTheOwner(t *testing.T) {
	s := start(t, stage.Options{})
	j := job{s, "job"}
	in := sample(t, s)
	mustOwner(t, s, 0, j.sealArgs("policy", in)...)
	mustOwner(t, s, 0, j.submitArgs()...)
	mustOwner(t, s, 0, j.openArgs("policy")...)
	before := inventory(t, j)
	write(t, s.Path("message"), messageOf(t, j.path(".ahjob")))
	for _, place := range smallPlaces {
		t.Run(place.name, func(t *testing.T) {
			dir, wrap := place.place(t)
			at := func(name string) string { return filepath.Join(dir, name) }
			for name, args := range map[string][]string{
				"seal":   replace(j.sealArgs("policy", in), "-o", at("seal.ahjob")),
				"wrap":   {"wrap", "--policy", s.Path("policy.cbor"), "--reply", s.Path("reply.pub.pem"), "-o", at("wrap.ahjob"), s.Path("message")},
				"submit": replace(replace(j.submitArgs(), "-o", at("submit.ahres")), "--receipt", at("submit.receipt")),
				"open":   replace(j.openArgs("policy"), "--out", at("open")),
			} {
				code, out := ownerIn(t, s, wrap, args)
				if reason := reasonOf(t, out); code != 1 || !strings.Contains(reason, place.want) {
					t.Errorf("%s: got exit %d, %q, want 1 and %q", name, code, reason, place.want)
				}
				if left := entriesOf(t, dir); len(left) > 0 {
					t.Errorf("%s left %v", name, left)
				}
			}
			// A verdict that could not be written must not look like one.
			if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
				defer full.Close()
				cmd := s.Owner(t.Context(), "verify", "--json", "--root", s.Path("ca", "attestation-root.pem"), j.path(".receipt"))
				cmd.Stdout = full
				if cmd.Run() == nil || cmd.ProcessState.ExitCode() != 1 {
					t.Errorf("verify --json to a full disk: got exit %d, want 1", cmd.ProcessState.ExitCode())
				}
			}
			if got := inventory(t, j); got != before {
				t.Errorf("the owner's files changed:\n%s\nwere:\n%s", got, before)
			}
		})
	}
	roomy := t.TempDir()
	mustOwner(t, s, 0, replace(j.openArgs("policy"), "--out", filepath.Join(roomy, "out"))...)
}

// ownerIn runs the owner's tool through a wrapper.
func ownerIn(t *testing.T, s *stage.Stage, wrap, args []string) (int, string) {
	t.Helper()
	cmd := s.Owner(t.Context(), args...)
	if wrap != nil {
		env := cmd.Env
		cmd = exec.CommandContext(t.Context(), wrap[0], slices.Concat(wrap[1:], cmd.Args)...)
		cmd.Env = env
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// entriesOf lists a folder, hidden files too.
func entriesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
