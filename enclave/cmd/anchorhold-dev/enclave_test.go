package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/message"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/transport"
)

const enclavePolicy = `
anchorhold: policy/v1
tenants:
  - {name: clinic, keys: ["arn:aws:kms:us-east-1:111122223333:key/aaaaaaaa-0000-0000-0000-000000000000"], pipelines: [deid]}
pipelines:
  - {name: deid, preset: safe-harbor, content-types: [application/fhir+ndjson]}
`

// TestInvariant6_EnclaveMeasuresItself runs the built program: its PCRs are those of program and
// policy, and every line of its log says INSECURE.
func TestInvariant6_EnclaveMeasuresItself(t *testing.T) {
	dir, err := os.MkdirTemp("", "ah") // a short path, for sockets
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "anchorhold-dev")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	must(t, makeCA(filepath.Join(dir, "ca")))
	compiled, err := policysource.Compile([]byte(enclavePolicy), deid.Preset, nil)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "policy.cbor"), compiled, 0o600))
	address := "unix://" + filepath.Join(dir, "jobs")
	cmd := exec.Command(binary, "enclave", "--listen", address, "--relay", "unix://"+filepath.Join(dir, "relay"),
		"--credentials", "unix://"+filepath.Join(dir, "credentials"), "--policy", filepath.Join(dir, "policy.cbor"), "--ca", filepath.Join(dir, "ca"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	killer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	out := bufio.NewReader(stdout)
	if line, err := out.ReadString('\n'); err != nil || line != "ready "+address+"\n" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("got %q, %v, want ready\n%s", line, err, &stderr)
	}
	program, err := os.ReadFile(binary)
	must(t, err)
	if got, want := describe(t, address), measure.DevImage(program, compiled); got.PCR0 != want.PCR0 || got.PCR1 != want.PCR1 || got.PCR2 != want.PCR2 {
		t.Errorf("got PCR0 %s, PCR1 %s, PCR2 %s, want %+v", got.PCR0, got.PCR1, got.PCR2, want)
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(out)
	must(t, err)
	if err := cmd.Wait(); err != nil || len(rest) != 0 {
		t.Errorf("ended with %v and further output %q, want neither", err, rest)
	}
	for _, line := range strings.Split(strings.TrimSpace(stderr.String()), "\n") {
		if !strings.Contains(line, "INSECURE") {
			t.Errorf("the line %q does not say INSECURE", line)
		}
	}
}

func describe(t *testing.T, address string) message.Description {
	t.Helper()
	nc, err := transport.Dial(context.Background(), address)
	must(t, err)
	defer nc.Close()
	must(t, nc.SetDeadline(time.Now().Add(10*time.Second)))
	c := message.NewConn(nc)
	must(t, c.Send(message.Describe{}))
	m, _, _, err := c.Receive()
	must(t, err)
	d, ok := m.(message.Description)
	if !ok {
		t.Fatalf("got %T, want a description", m)
	}
	return d
}

func TestEnclaveUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--pcr0", "00"}, {"argument"}, {"--listen", "unix:///x"}} {
		if err := runEnclave(context.Background(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), errUsage.Error()) {
			t.Errorf("%v: got %v, want usage", args, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
