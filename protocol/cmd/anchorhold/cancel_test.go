package main

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/protocoltest/standin"
)

// desk is a folder with all that an owner needs, and KMS and parent behind it.
type desk struct {
	dir    string
	parent string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	compiled, err := standin.CompilePolicy(standin.PolicyYAML)
	if err != nil {
		t.Fatal(err)
	}
	w := standin.New(compiled)
	deskKMS.Serve(w.KMS())
	parent := httptest.NewServer(w.Parent())
	t.Cleanup(parent.Close)
	d := &desk{dir: t.TempDir(), parent: parent.URL}
	pins, err := pinsfile.Encode(w.Pins(time.Now().AddDate(0, 0, 30)))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"policy.cbor": compiled, "pins.yaml": pins, "root.pem": w.CA.RootPEM(), "a.ndjson": []byte(`{"resourceType":"Patient"}` + "\n"),
		"kms.pem": deskKMS.Root,
	} {
		if err := os.WriteFile(d.path(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_CA_BUNDLE": d.path("kms.pem"), "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "example", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) owner(ctx context.Context, stdin io.Reader, args ...string) (int, string) {
	for i, a := range args {
		if rest, ok := strings.CutPrefix(a, "@"); ok {
			args[i] = d.path(rest)
		}
	}
	var out bytes.Buffer
	return run(ctx, args, stdin, &out, &out), out.String()
}

// hangingInput gives one record and cancels; what comes after that must not matter.
type hangingInput struct {
	cancel context.CancelFunc
	reads  int
}

func (h *hangingInput) Read(p []byte) (int, error) {
	if h.reads++; h.reads > 1 {
		h.cancel()
	}
	return copy(p, `{"resourceType":"Patient"}`+"\n"), nil
}

func (d *desk) names(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// An interrupted command leaves no half of a file, hidden or not.
func TestInterrupted(t *testing.T) {
	d := newDesk(t)
	if code, out := d.owner(t.Context(), nil, "keygen", "--out", "@me"); code != exitFine {
		t.Fatal(out)
	}
	seal := []string{"seal", "--policy", "@policy.cbor", "--pins", "@pins.yaml", "--reply", "@me.pub.pem", "-o", "@job.ahjob"}
	before := d.names(t)
	ctx, cancel := context.WithCancel(t.Context())
	if code, out := d.owner(ctx, &hangingInput{cancel: cancel}, append(seal, "-")...); code != exitFailed {
		t.Fatalf("seal: got exit code %d, want %d: %s", code, exitFailed, out)
	}
	if after := d.names(t); after != before {
		t.Fatalf("after an interrupted seal: got %s, want %s", after, before)
	}
	if code, out := d.owner(t.Context(), nil, append(seal[:8:8], "@job.ahjob", "@a.ndjson")...); code != exitFine {
		t.Fatal(out)
	}
	if code, out := d.owner(ctx, nil, "submit", "--parent", d.parent, "@job.ahjob"); code != exitFailed {
		t.Fatalf("submit: got exit code %d, want %d: %s", code, exitFailed, out)
	}
	if code, out := d.owner(t.Context(), nil, "submit", "--parent", d.parent, "@job.ahjob"); code != exitFine {
		t.Fatal(out)
	}
	before = d.names(t)
	open := []string{
		"open", "--job", "@job.ahjob", "--result", "@job.ahres", "--receipt", "@job.receipt", "--policy", "@policy.cbor", "--pins", "@pins.yaml",
		"--key", "@me.key.pem", "--root", "@root.pem", "--out", "@out",
	}
	if code, out := d.owner(ctx, nil, append([]string(nil), open...)...); code != exitFailed {
		t.Fatalf("open: got exit code %d, want %d: %s", code, exitFailed, out)
	}
	if after := d.names(t); after != before {
		t.Fatalf("after an interrupted open: got %s, want %s", after, before)
	}
	if code, out := d.owner(t.Context(), nil, open...); code != exitFine {
		t.Fatalf("open: got exit code %d, want %d: %s", code, exitFine, out)
	}
}

// Somebody interrupts a seal whose input gives nothing, and does not end either: it must end at
// once, and leave nothing.
func TestInterruptedWhileInputStalls(t *testing.T) {
	d := newDesk(t)
	if code, out := d.owner(t.Context(), nil, "keygen", "--out", "@me"); code != exitFine {
		t.Fatal(out)
	}
	before := d.names(t)
	in, hold := io.Pipe()
	defer hold.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _ := d.owner(ctx, in, "seal", "--policy", "@policy.cbor", "--pins", "@pins.yaml", "--reply", "@me.pub.pem", "-o", "@job.ahjob", "-")
		ended <- code
	}()
	// The pipe takes a byte only from a reader: when this returns, sealing has begun.
	if _, err := io.WriteString(hold, `{"resourceType":"Patient"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if now := d.names(t); now == before {
		t.Fatal("no unfinished file is there: the test interrupts too early")
	}
	cancel()
	select {
	case code := <-ended:
		if code != exitFailed {
			t.Errorf("got exit code %d, want %d", code, exitFailed)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still running 10 s after it was interrupted")
	}
	if after := d.names(t); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}
