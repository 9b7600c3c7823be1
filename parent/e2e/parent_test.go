package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// Invariant 7: the same message under the same policy gives the same records, byte for byte,
// although nonce, sealing and receipt differ.
func TestInvariant7_SameMessageSameRecords(t *testing.T) {
	t.Parallel()
	j := sealed(t, stage.Options{})
	again := job{j.s, "again"}
	// A second job file around the same message, with a nonce of its own.
	message := messageOf(t, j.path(".ahjob"))
	if err := os.WriteFile(again.path(".message"), message, 0o600); err != nil {
		t.Fatal(err)
	}
	mustOwner(t, j.s, 0, "wrap", "--policy", j.s.Path("policy.cbor"), "--reply", j.s.Path("reply.pub.pem"), "-o", again.path(".ahjob"), again.path(".message"))
	for _, x := range []job{j, again} {
		mustOwner(t, x.s, 0, x.submitArgs()...)
		mustOwner(t, x.s, 0, x.openArgs("policy")...)
	}
	files, err := filepath.Glob(filepath.Join(j.path(".out"), "*.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no output files (%v)", err)
	}
	for _, name := range files {
		first, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(again.path(".out"), filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Errorf("%s differs between two runs of the same message", filepath.Base(name))
		}
	}
}

// Invariant 8: an enclave that hangs is noticed within 10 s, and the parent says that it is not
// ready; when it answers again, so does the parent.
func TestInvariant8_WedgedEnclaveIsNoticed(t *testing.T) {
	s := start(t, stage.Options{})
	if !ready(s) {
		t.Fatal("the parent is not ready before the enclave is stopped")
	}
	if err := syscall.Kill(s.EnclavePID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitReady(t, s, false, 10*time.Second)
	if err := syscall.Kill(s.EnclavePID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitReady(t, s, true, 20*time.Second)
}

func waitReady(t *testing.T, s *stage.Stage, want bool, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ready(s) == want {
			return
		}
	}
	t.Errorf("/readyz: got ready %v after %v, want %v", !want, within, want)
}

func ready(s *stage.Stage) bool {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(s.ParentURL + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// The parent restarts between a job and its result's second reading: nothing that it answered for
// is lost.
func TestParentRestartKeepsResults(t *testing.T) {
	t.Parallel()
	j := sealed(t, stage.Options{})
	mustOwner(t, j.s, 0, j.submitArgs()...)
	first, err := os.ReadFile(j.path(".ahres"))
	if err != nil {
		t.Fatal(err)
	}
	j.s.KillParent()
	if err := j.s.StartParent(t.Context()); err != nil {
		t.Fatal(err)
	}
	os.Remove(j.path(".ahres"))
	os.Remove(j.path(".receipt"))
	mustOwner(t, j.s, 0, j.submitArgs()...)
	second, err := os.ReadFile(j.path(".ahres"))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("the same job posted again gave another result: it was run again")
	}
}

// messageOf cuts the header off a job file (SPEC 4).
func messageOf(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	n := int(b[8])<<24 | int(b[9])<<16 | int(b[10])<<8 | int(b[11])
	return b[12+n:]
}
