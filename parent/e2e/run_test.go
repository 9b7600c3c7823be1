package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// plantedMark stands in the bad record; nothing that leaves the enclave unsealed may hold it.
const plantedMark = "Zyxwvut"

// plant puts a record that is no JSON into the folder's Patient file and returns its line there.
func plant(t *testing.T, dir string) int {
	t.Helper()
	name := filepath.Join(dir, "Patient.ndjson")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	const before = 3
	if len(lines) < 2*before {
		t.Fatalf("%s has %d lines", name, len(lines))
	}
	bad := `{"resourceType":"Patient","id":"` + plantedMark + `","name":[{"family":"` + plantedMark + `"` + "\n"
	if err := os.WriteFile(name, []byte(strings.Join(slices.Insert(lines, before, bad), "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return before + 1
}

func runArgs(s *stage.Stage, out string, inputs ...string) []string {
	return append([]string{
		"run", "--kms-key", s.KeyARN, "--policy", s.Path("policy.cbor"), "--pins", s.Path("policy.pins"), "--tenant", stage.Tenant,
		"--pipeline", stage.Pipeline, "--reply", s.Path("reply.pub.pem"), "--key", s.Path("reply.key.pem"), "--parent", s.ParentURL,
		"--token-file", s.TokenFile(), "--root", s.Path("ca", "attestation-root.pem"), "--out", out,
	}, inputs...)
}

// One command does the whole job on real processes. A record that the enclave rejects costs that
// record and no more: exit code 4.
func TestRunAllInOne(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	in := sample(t, s)
	records := len(readLines(t, in))
	line := plant(t, in)
	out := s.Path("kept", "out")
	if err := os.Mkdir(s.Path("kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	output := mustOwner(t, s, 4, runArgs(s, out, in)...)
	for _, want := range []string{
		"1/3 sealed", "2/3 fetched", "3/3 verifying", "verified, NOT AWS",
		fmt.Sprintf("%d records in, %d out, 1 rejected", records+1, records), fmt.Sprintf("Patient.ndjson:%d at /name/0: json-malformed", line),
	} {
		if !strings.Contains(output, want) {
			t.Errorf("run says nothing of %q:\n%s", want, output)
		}
	}
	t.Run("kept", func(t *testing.T) { runKept(t, s, out, output, records) })
	t.Run("inspect", func(t *testing.T) { inspectAll(t, s, out) })
	t.Run("evidence", func(t *testing.T) {
		verify := []string{
			"verify", "--root", s.Path("ca", "attestation-root.pem"), "--pins", s.Path("policy.pins"), "--policy", s.Path("policy.cbor"),
			"--job", out + ".ahjob", "--result", out + ".ahres", out + ".receipt",
		}
		if got := mustOwner(t, s, 0, verify...); !strings.Contains(got, "this receipt is of this job and this result") {
			t.Errorf("got %s", got)
		}
		mustOwner(t, s, 1, runArgs(s, out, in)...) // what was kept is never overwritten
	})
}

// runKept looks at what run leaves: the output, the evidence beside it, and nothing else.
func runKept(t *testing.T, s *stage.Stage, out, output string, records int) {
	entries, err := os.ReadDir(s.Path("kept"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %o: others may read it", e.Name(), mode)
		}
	}
	if want := []string{"out", "out.ahjob", "out.ahres", "out.receipt"}; !slices.Equal(names, want) {
		t.Errorf("kept: got %q, want %q", names, want)
	}
	var report struct {
		In       int                     `json:"records_in"`
		Out      int                     `json:"records_out"`
		Rejected int                     `json:"records_rejected"`
		Rejects  []struct{ Code string } `json:"rejects"`
	}
	b, err := os.ReadFile(filepath.Join(out, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	if report.In != records+1 || report.Out != records || report.Rejected != 1 || len(report.Rejects) != 1 || report.Rejects[0].Code != "json-malformed" {
		t.Errorf("got report %+v, want %d records in and one rejected as json-malformed", report, records+1)
	}
	if got := len(readLines(t, out)); got != records {
		t.Errorf("got %d records, want %d", got, records)
	}
	everything := output + string(b) + strings.Join(readLines(t, out), "\n")
	for _, name := range []string{"enclave", "parent", "kms"} {
		log, err := s.Logs(name)
		if err != nil {
			t.Fatal(err)
		}
		everything += string(log)
	}
	if strings.Contains(everything, plantedMark) {
		t.Error("a piece of the rejected record is in an output, a report or a log")
	}
}

// inspectAll asks what each file of the job claims: each is known for what it is, and marked as
// unproven.
func inspectAll(t *testing.T, s *stage.Stage, out string) {
	document := s.Path("kept-document.cose")
	if err := os.WriteFile(document, attestation(t, s, "00"), 0o600); err != nil {
		t.Fatal(err)
	}
	message := s.Path("kept.message")
	if err := os.WriteFile(message, messageOf(t, out+".ahjob"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		out + ".ahjob":          {"job file", "anchorhold:tenant", stage.Tenant, s.KeyARN, "input digest"},
		out + ".ahres":          {"sealed result", "of 16400 bytes"},
		out + ".receipt":        {"receipt", "KMS requests", "rounded up to powers of two", "pcr0", "receipts"},
		document:                {"attestation document", "pcr0", "challenge"},
		message:                 {"AWS Encryption SDK message", "0x0478", "anchorhold:image"},
		s.Path("policy.cbor"):   {"compiled policy", "NOT AWS", stage.Pipeline},
		s.Path("policy.pins"):   {"pins", "expires", "pcr2"},
		s.Path("reply.pub.pem"): {"reply public key"},
		s.Path("reply.key.pem"): {"reply private key: keep it"},
	} {
		got := mustOwner(t, s, 0, "inspect", file)
		for _, w := range append(want, "UNVERIFIED") {
			if !strings.Contains(got, w) {
				t.Errorf("inspect %s: got no %q:\n%s", filepath.Base(file), w, got)
			}
		}
		var machine struct {
			Kind     string            `json:"kind"`
			Verified *bool             `json:"verified"`
			Claims   map[string]string `json:"claims"`
		}
		if err := json.Unmarshal([]byte(mustOwner(t, s, 0, "inspect", "--json", file)), &machine); err != nil {
			t.Fatalf("inspect --json %s: %v", filepath.Base(file), err)
		}
		if machine.Verified == nil || *machine.Verified || machine.Kind != want[0] || len(machine.Claims) == 0 {
			t.Errorf("inspect --json %s: got %+v, want kind %q, unverified", filepath.Base(file), machine, want[0])
		}
	}
	mustOwner(t, s, 1, "inspect", filepath.Join(out, "report.json"))
}

// attestation asks the parent for a document over the nonce, as a data owner would before sealing.
func attestation(t *testing.T, s *stage.Stage, nonce string) []byte {
	t.Helper()
	token, err := os.ReadFile(s.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ParentURL+"/v1/attestation?nonce="+nonce, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("attestation: got status %d, %v: %s", res.StatusCode, err, b)
	}
	return b
}

// A document over one's own nonce is live proof of the pinned image. Attack: the parent answers
// with a document that it kept, or that another enclave made.
func TestVerifyLiveDocument(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	const nonce, otherNonce = "0badcafe0badcafe", "0badcafe0badcaff"
	document := s.Path("document.cose")
	if err := os.WriteFile(document, attestation(t, s, nonce), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.CompilePolicy(t.Context(), "other", "2025-12-31"); err != nil {
		t.Fatal(err)
	}
	if err := s.WritePins(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	root := s.Path("ca", "attestation-root.pem")
	good := []string{"--live", "--root", root, "--pins", s.Path("policy.pins"), "--policy", s.Path("policy.cbor"), "--nonce", nonce}
	change := func(flag, value string) []string {
		args := slices.Clone(good)
		args[slices.Index(args, flag)+1] = value
		return args
	}
	for name, c := range map[string]struct {
		args []string
		want int
		text string
	}{
		"as asked":                {good, 0, "genuine and acceptable"},
		"pins without the policy": {[]string{"--live", "--root", root, "--pins", s.Path("policy.pins"), "--nonce", nonce}, 0, "policy not checked"},
		"another nonce":           {change("--nonce", otherNonce), 3, "nonce is not the expected one"},
		"a longer nonce":          {change("--nonce", nonce+"00"), 3, "nonce is not the expected one"},
		"other pins":              {change("--pins", s.Path("other.pins")), 3, "image is not pinned"},
		"another policy":          {change("--policy", s.Path("other.cbor")), 3, "policy is not the expected one"},
		"another root":            {change("--root", s.Path("ca", "tls-root.pem")), 3, "REFUSED"},
		"AWS's root":              {append([]string{"--live"}, good[3:]...), 3, "does not end at a pinned root"},
		"too old":                 {append(slices.Clone(good), "--max-age", "1ns"), 3, "too old"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mustOwner(t, s, c.want, append(append([]string{"verify"}, c.args...), document)...); !strings.Contains(got, c.text) {
				t.Errorf("got no %q:\n%s", c.text, got)
			}
		})
	}
}

// Somebody presses Ctrl-C while seal waits for its standard input: it ends at once and leaves
// nothing.
func TestInterruptedSealOfStalledInput(t *testing.T) {
	s := start(t, stage.Options{})
	dir := s.Path("interrupted")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	args := job{s, "interrupted/job"}.sealArgs("policy", "-")
	cmd := s.Owner(t.Context(), args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, `{"resourceType":"Patient"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	partial := func() []string {
		names, err := filepath.Glob(filepath.Join(dir, ".*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for end := time.Now().Add(30 * time.Second); len(partial()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("seal did not begin within 30 s")
		}
	}
	// until it has asked KMS and waits for input; when not, the test is easier, not wrong
	time.Sleep(200 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("still running 5 s after SIGINT")
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// The parent's own refusal comes with words, not with a number.
func TestUnknownTokenIsExplained(t *testing.T) {
	t.Parallel()
	j := sealed(t, stage.Options{})
	wrong := j.s.Path("wrong-token")
	if err := os.WriteFile(wrong, []byte("not the token"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := j.submitArgs()
	args[slices.Index(args, "--token-file")+1] = wrong
	out := mustOwner(t, j.s, 1, args...)
	if want := "unauthorized: the parent does not know the token: check --token-file"; !strings.Contains(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
}
