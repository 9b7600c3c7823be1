package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"anchorhold/protocol/measure"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policysource"
)

// asProgram makes the test binary be anchorhold-dev itself.
const asProgram = "ANCHORHOLD_DEV_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// runs executes a command and returns its exit code and streams.
func runs(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	wantInsecure(t, complaints.String())
	return cmd.ProcessState.ExitCode(), out.String(), complaints.String()
}

// Each line that is logged says what this program is.
func wantInsecure(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "INSECURE") {
			t.Errorf("line does not say INSECURE: %q", line)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"nonsense"},
		{"ca"},
		{"ca", "--nonsense"},
		{"ca", "--out", t.TempDir(), "more"},
		{"kms"},
		{"kms", "--ca", "x"},
		{"pins"},
		{"pins", "--policy", "x", "--expires", "soon"},
		{"sample"},
		{"sample", "--out", t.TempDir(), "--patients", "0"},
		{"kms", "--ca", "x", "--users", "x", "--form", "der"},
	} {
		if code, _, stderr := runs(t, args...); code != exitUsage || stderr == "" {
			t.Errorf("%q: got exit code %d and %q, want %d and a reason", args, code, stderr, exitUsage)
		}
	}
	if code, stdout, _ := runs(t, "--help"); code != exitFine || !strings.Contains(stdout, "INSECURE") {
		t.Errorf("--help: got exit code %d and %q", code, stdout)
	}
}

func makeRoots(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	if code, _, stderr := runs(t, "ca", "--out", dir); code != exitFine {
		t.Fatalf("ca: %s", stderr)
	}
	return dir
}

func TestCA(t *testing.T) {
	dir := makeRoots(t)
	for name, want := range map[string]fs.FileMode{attestationRoot: 0o644, attestationRootKey: 0o600, tlsRoot: 0o644, tlsRootKey: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: got mode %v, want %v", name, info.Mode(), want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, attestationRoot)); err != nil || bytes.Contains(b, []byte("PRIVATE")) {
		t.Errorf("the public file holds a private key, or %v", err)
	}
	before, err := os.ReadFile(filepath.Join(dir, tlsRootKey))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, _ := runs(t, "ca", "--out", dir); code != exitFailed {
		t.Errorf("a second ca: got exit code %d, want %d", code, exitFailed)
	}
	if after, err := os.ReadFile(filepath.Join(dir, tlsRootKey)); err != nil || !bytes.Equal(before, after) {
		t.Error("a key that may be trusted already was replaced")
	}
}

const usersYAML = `{account: "111122223333", region: us-east-1, users: [{arn: "arn:aws:iam::111122223333:role/owner",
  access-key-id: AKIAOWNER00000000000, secret-access-key: owner-secret-owner-secret}]}`

// startKMS runs the real program and returns a client, and a function that ends it by signal.
func startKMS(t *testing.T, ca, host string, args ...string) (*kms.Client, func(os.Signal)) {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte(usersYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, append([]string{"kms", "--ca", ca, "--users", users}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // a no-op after the test has ended it
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("no ready line: %s", stderr.String())
	}
	endpoint, ok := strings.CutPrefix(lines.Text(), "ready ")
	if !ok || !strings.HasPrefix(endpoint, "https://127.0.0.1:") {
		t.Fatalf("got %q, want a ready line", lines.Text())
	}
	stop := func(s os.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if lines.Scan() {
			t.Errorf("got a second line %q", lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v: %s", s, err, stderr.String())
		}
		wantInsecure(t, stderr.String())
	}
	return newClient(t, ca, host, endpoint), stop
}

func newClient(t *testing.T, ca, host, endpoint string) *kms.Client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(ca, tlsRoot))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: host}}
	t.Cleanup(transport.CloseIdleConnections)
	return kms.New(kms.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAOWNER00000000000", SecretAccessKey: "owner-secret-owner-secret"}, nil
		}),
	})
}

func TestKMS(t *testing.T) {
	ca, dir := makeRoots(t), t.TempDir()
	state, events := filepath.Join(dir, "state"), filepath.Join(dir, "events")
	client, stop := startKMS(t, ca, "kms.us-east-1.anchorhold.test", "--state", state, "--events", events)
	created, err := client.CreateKey(context.Background(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	stop(syscall.SIGTERM)
	client, stop = startKMS(t, ca, "localhost", "--state", state, "--events", events, "--host", "kms.example.test")
	if _, err := client.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: created.KeyMetadata.Arn}); err != nil {
		t.Errorf("the key did not survive a restart: %v", err)
	}
	stop(os.Interrupt)
	b, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n != 2 {
		t.Errorf("got %d events, want 2: %s", n, b)
	}
	for path, want := range map[string]fs.FileMode{state: 0o600, events: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v and %v, want mode %v", path, info, err, want)
		}
	}
}

// A developer's secrets are not for the network.
func TestKMSRefusesOtherInterfaces(t *testing.T) {
	ca := makeRoots(t)
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte(usersYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := runs(t, "kms", "--ca", ca, "--users", users, "--listen", "0.0.0.0:0")
	if code != exitUsage || stdout != "" {
		t.Errorf("got exit code %d and %q, want %d and no ready line", code, stdout, exitUsage)
	}
}

func compiledPolicy(t *testing.T) (path string, compiled []byte) {
	t.Helper()
	source := `{anchorhold: policy/v1, tenants: [{name: clinic, keys: ["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
	  pipelines: [deid]}], pipelines: [{name: deid, rules: r, content-types: [application/fhir+ndjson], on-reject: count}]}`
	rules := func(string) ([]byte, error) { return []byte("rules"), nil }
	compiled, err := policysource.Compile([]byte(source), rules, rules)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "policy.cbor")
	if err := os.WriteFile(path, compiled, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, compiled
}

func TestPins(t *testing.T) {
	path, compiled := compiledPolicy(t)
	code, stdout, stderr := runs(t, "pins", "--policy", path, "--expires", "2031-02-28")
	if code != exitFine {
		t.Fatal(stderr)
	}
	pins, err := pinsfile.Parse([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	want := measure.DevImage(program, compiled)
	if got := pins.Images[0]; len(pins.Images) != 1 || got.PCR0 != want.PCR0 || got.PCR1 != want.PCR1 || got.PCR2 != want.PCR2 {
		t.Errorf("got pins %+v, want %+v", got, want)
	}
	if got := pins.Expires.Format(day); got != "2031-02-28" {
		t.Errorf("got expiry %s, want 2031-02-28", got)
	}
	if err := os.WriteFile(path, append(compiled, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := runs(t, "pins", "--policy", path); code != exitFailed || stdout != "" {
		t.Errorf("a policy with trailing bytes: got exit code %d and %q", code, stdout)
	}
}

func TestSample(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if code, _, stderr := runs(t, "sample", "--out", filepath.Join(dir, name), "--patients", "2", "--seed", "7"); code != exitFine {
			t.Fatal(stderr)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "a", "*.ndjson"))
	if err != nil || len(files) < 8 {
		t.Fatalf("got %d files and %v, want at least 8", len(files), err)
	}
	for _, file := range files {
		a, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "b", filepath.Base(file)))
		if err != nil || !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("%s: the same seed gave other records, or none (%v)", filepath.Base(file), err)
		}
	}
	if code, _, _ := runs(t, "sample", "--out", filepath.Join(dir, "a")); code != exitFailed {
		t.Errorf("over existing files: got exit code %d, want %d", code, exitFailed)
	}
}
