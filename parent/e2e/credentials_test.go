package e2e_test

import (
	"strings"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// Credentials that KMS refuses, although they do not end for an hour, are replaced in their file.
// Jobs are done again after that, without a restart, and the owner of a job that failed before
// learns who has to act.
func TestReplacedCredentialsAreUsed(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{CredentialsFile: true, Limits: "{replays: 9}"})
	j := job{s, "j"}
	write(t, s.Path("records.ndjson"), []byte(goodRecord))
	mustOwner(t, s, 0, j.sealArgs("policy", s.Path("records.ndjson"))...)
	check(t, s.WriteCredentials(false))
	if got := reasonOf(t, mustOwner(t, s, 1, j.submitArgs()...)); !strings.HasPrefix(got, "credentials-refused: ") || !strings.Contains(got, "its operator must") {
		t.Errorf("submit says %q, want credentials-refused and who must act", got)
	}
	check(t, s.WriteCredentials(true))
	// The parent reads the file again at most every few seconds; a job that comes sooner is refused
	// once more.
	for end := time.Now().Add(30 * time.Second); ; {
		code, out := owner(t, s, j.submitArgs()...)
		if code == 0 {
			break
		}
		if !strings.Contains(out, "credentials-refused") || time.Now().After(end) {
			t.Fatalf("got exit code %d: %s, want the job to be done with the replaced credentials", code, out)
		}
	}
	mustOwner(t, s, 0, j.openArgs("policy")...)
}
