package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
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

// run returns the exit code, and of each attempt its verdict, with the credentials of the parent's
// role.
func (c *canaryRun) run(j job, more ...string) (code int, verdicts map[string]string, output string) {
	c.t.Helper()
	return c.runAs(c.s.Parent(), j, more...)
}

func (c *canaryRun) runAs(role stage.Role, j job, more ...string) (code int, verdicts map[string]string, output string) {
	c.t.Helper()
	args := append([]string{
		"canary", "--json", "--parent", c.s.ParentURL, "--token-file", c.s.TokenFile(), "--role", c.s.Parent().ARN, "--root", c.s.Path("ca", "attestation-root.pem"), j.path(".ahjob"),
	}, more...)
	cmd := exec.CommandContext(c.t.Context(), bin+"/anchorhold", args...)
	cmd.Env = append([]string{}, role.Environment...)
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

// Attack: a statement slips into the key policy, by which the parent's role gets around
// attestation. The canary finds each such way open, and is quiet otherwise; a refusal for another
// reason does not pass for quiet.
func TestCanary(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	input := s.Path("in.ndjson")
	check(t, os.WriteFile(input, []byte(`{"resourceType":"Patient","id":"p1"}`+"\n"), 0o600))
	c := &canaryRun{t: t, s: s, input: input}
	good, err := s.KeyPolicy(t.Context())
	check(t, err)

	// Attack: the wrong credentials, to which KMS refuses everything. The canary does not pass for
	// quiet.
	if code, verdicts, out := c.runAs(s.Nobody(), c.seal()); code != 1 || len(verdicts) > 0 {
		t.Errorf("with another role's credentials: got exit %d and %d attempts, want 1 and none\n%s", code, len(verdicts), out)
	}
	c.withoutPermission()
	first := c.seal()
	code, verdicts, out := c.run(first, c.refusedDocuments()...)
	if code != 0 || len(verdicts) < 21 {
		t.Fatalf("with a good policy: got exit %d and %d attempts\n%s", code, len(verdicts), out)
	}
	for _, document := range []string{"a debug enclave", "image"} {
		if !strings.Contains(out, "Decrypt with a document of "+document) {
			t.Errorf("the document of %s was not tried\n%s", document, out)
		}
	}
	if code, _, out := c.run(job{s, "missing"}); code != 1 {
		t.Errorf("without a job: got exit %d, want 1\n%s", code, out)
	}
	actions := []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant", "kms:ListGrants"}
	ways := []string{
		"Decrypt without Recipient", "Decrypt without Recipient and KeyId", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
		"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "ReEncrypt", "CreateGrant", "ListGrants",
	}
	statement := `{"Effect":"Allow","Principal":{"AWS":"` + s.Parent().ARN + `"},"Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`
	check(t, s.SetKeyPolicy(t.Context(), strings.Replace(good, `"Statement":[`, `"Statement":[`+statement+`,`, 1)))
	code, verdicts, out = c.run(c.seal())
	if code != 3 {
		t.Errorf("with ways open: got exit %d, want 3\n%s", code, out)
	}
	for a, verdict := range verdicts {
		if open := slices.Contains(ways, a); open != (verdict == "OPEN") {
			t.Errorf("%s: got %q, want open %v", a, verdict, open)
		}
	}
	// With the good policy back all is refused again, so nothing was left behind; but one attempt
	// for another reason than it should.
	check(t, s.SetKeyPolicy(t.Context(), good))
	missing := s.KeyARN[:len(s.KeyARN)-12] + "000000000000"
	code, verdicts, out = c.run(c.seal(), "--own-key", missing)
	if code != 4 {
		t.Errorf("refused for another reason: got exit %d, want 4\n%s", code, out)
	}
	for a, verdict := range verdicts {
		if want := map[bool]string{false: "refused", true: "odd"}[a == "ReEncrypt"]; verdict != want {
			t.Errorf("%s: got %q, want %s", a, verdict, want)
		}
	}
}

// withoutPermission runs the canary as the parent's role without IAM's permission for anything but
// Decrypt: what that refuses proves nothing about the key, closed or open.
func (c *canaryRun) withoutPermission() {
	c.t.Helper()
	code, verdicts, out := c.runAs(c.s.Unpermitted(), c.seal())
	if code != 5 {
		c.t.Errorf("without IAM's permission: got exit %d, want 5\n%s", code, out)
	}
	for a, verdict := range verdicts {
		want := "inconclusive"
		if strings.HasPrefix(a, "Decrypt") {
			want = "refused"
		}
		switch a {
		case "PutKeyPolicy", "GetKeyPolicy", "ReplicateKey": // KMS keeps them to the key's account
			want = verdict
		}
		if verdict != want {
			c.t.Errorf("%s without IAM's permission: got %s, want %s", a, verdict, want)
		}
	}
	if !strings.Contains(out, `"enclave": "opened"`) || !strings.Contains(out, `"verdict": "inconclusive"`) {
		c.t.Errorf("the output lacks the positive half or the verdict\n%s", out)
	}
}

// refusedDocuments are flags for documents that whoever has the parent's instance can have made: of
// the image in debug mode, of an image of theirs, and an old one of the image itself, each with a
// key of theirs.
func (c *canaryRun) refusedDocuments() []string {
	c.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(c.t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	check(c.t, err)
	ca, err := testca.ParsePEM(read(c.t, c.s.Path("ca", "attestation-root-key.pem")), time.Now)
	check(c.t, err)
	pins, err := pinsfile.Parse(read(c.t, c.s.Path("policy.pins")))
	check(c.t, err)
	own, x := pins.Images[0], digest.Sum([]byte("theirs"))
	var flags []string
	for n, d := range []struct {
		image measure.Image
		age   time.Duration
	}{{measure.Image{}, 0}, {measure.Image{PCR0: x, PCR1: x, PCR2: x}, 0}, {measure.Image{PCR0: own.PCR0, PCR1: own.PCR1, PCR2: own.PCR2}, 10 * time.Minute}} {
		nsm := softnsm.New(softnsm.Config{CA: ca, Image: d.image, Now: func() time.Time { return time.Now().Add(-d.age) }})
		res, err := nsm.Send(&request.Attestation{PublicKey: public})
		check(c.t, err)
		file := c.s.Path(fmt.Sprintf("refused%d", n))
		check(c.t, os.WriteFile(file, res.Attestation.Document, 0o600))
		flags = append(flags, "--document", file)
	}
	return flags
}
