package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
)

// A canaryRun seals a fresh job and runs the canary on it as the parent's role.
type canaryRun struct {
	t     *testing.T
	s     *stage.Stage
	input string
	n     int
}

func (c *canaryRun) seal() job {
	c.t.Helper()
	c.n++
	j := job{c.s, fmt.Sprintf("canary%d", c.n)}
	mustOwner(c.t, c.s, 0, j.sealArgs("policy", c.input)...)
	return j
}

// run returns the exit code, and of each attempt its verdict.
func (c *canaryRun) run(j job, more ...string) (code int, verdicts map[string]string, output string) {
	c.t.Helper()
	args := append([]string{
		"canary", "--json", "--parent", c.s.ParentURL, "--token-file", c.s.TokenFile(), "--role", c.s.Parent().ARN, "--root", c.s.Path("ca", "attestation-root.pem"), j.path(".ahjob"),
	}, more...)
	cmd := exec.CommandContext(c.t.Context(), bin+"/anchorhold", args...)
	cmd.Env = append([]string{}, c.s.Parent().Environment...)
	out, _ := cmd.Output()
	var report struct {
		Outcomes []struct{ Attempt, Verdict string }
	}
	_ = json.Unmarshal(out, &report) // none was printed when the canary could not run
	verdicts = map[string]string{}
	for _, o := range report.Outcomes {
		verdicts[o.Attempt] = o.Verdict
	}
	return cmd.ProcessState.ExitCode(), verdicts, string(out)
}

// Attack: a statement slips into the key policy, by which the parent's role gets around attestation. The canary finds each such way open, and
// is quiet otherwise; a refusal for another reason does not pass for quiet.
func TestCanary(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	input := s.Path("in.ndjson")
	check(t, os.WriteFile(input, []byte(`{"resourceType":"Patient","id":"p1"}`+"\n"), 0o600))
	c := &canaryRun{t: t, s: s, input: input}
	good, err := s.KeyPolicy(t.Context())
	check(t, err)

	first := c.seal()
	code, verdicts, out := c.run(first)
	if code != 0 || len(verdicts) < 17 {
		t.Fatalf("with a good policy: got exit %d and %d attempts\n%s", code, len(verdicts), out)
	}
	if code, _, out := c.run(job{s, "missing"}); code != 1 {
		t.Errorf("without a job: got exit %d, want 1\n%s", code, out)
	}
	for name, w := range map[string]struct{ actions, attempts []string }{
		"use": {[]string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*"}, []string{
			"Decrypt without Recipient", "Decrypt without Recipient and KeyId", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
			"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
		}},
		"around": {[]string{"kms:ReEncrypt*", "kms:CreateGrant", "kms:ListGrants"}, []string{"ReEncrypt", "CreateGrant and Decrypt by it", "ListGrants"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			statement := `{"Effect":"Allow","Principal":{"AWS":"` + s.Parent().ARN + `"},"Action":["` + strings.Join(w.actions, `","`) + `"],"Resource":"*"}`
			check(t, s.SetKeyPolicy(t.Context(), strings.Replace(good, `"Statement":[`, `"Statement":[`+statement+`,`, 1)))
			code, verdicts, out := c.run(c.seal())
			if code != 3 {
				t.Errorf("got exit %d, want 3\n%s", code, out)
			}
			for a, verdict := range verdicts {
				if open := slices.Contains(w.attempts, a); open != (verdict == "OPEN") {
					t.Errorf("%s: got %q, want open %v", a, verdict, open)
				}
			}
		})
	}
	c.t = t
	check(t, s.SetKeyPolicy(t.Context(), good))
	// Quiet again, so the grant of before is gone.
	if code, _, out := c.run(c.seal()); code != 0 {
		t.Errorf("with the good policy back: got exit %d, want 0\n%s", code, out)
	}
	missing := s.KeyARN[:len(s.KeyARN)-12] + "000000000000"
	if code, verdicts, out := c.run(c.seal(), "--own-key", missing); code != 4 || verdicts["ReEncrypt"] != "odd" {
		t.Errorf("refused for another reason: got exit %d, want 4\n%s", code, out)
	}
}
