package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// call runs one command line in this process.
func call(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

// realDocuments are documents that AWS signed, from VECTORS/attestation.
func realDocuments(t *testing.T) []string {
	t.Helper()
	folder := os.Getenv("VECTORS")
	if folder == "" {
		t.Skip("VECTORS is unset: the set attestation is skipped")
	}
	found, err := filepath.Glob(filepath.Join(folder, "attestation", "*.cose"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("VECTORS/attestation holds no document, want at least one")
	}
	return found
}

const foreignPins = `anchorhold: pins/v1
layout: nitro-cli
expires: 2999-01-01
images:
  - name: foreign
    pcr0: "1111"
    pcr1: "1111"
    pcr2: "1111"
`

// Real documents are genuine at their own time, none of them is fresh, and none of them is of an
// image that we pinned.
func TestRealDocuments(t *testing.T) {
	pins := filepath.Join(t.TempDir(), "pins.yaml")
	content := strings.ReplaceAll(foreignPins, `"1111"`, strings.Repeat("11", 48))
	if err := os.WriteFile(pins, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	debugs := 0
	for _, path := range realDocuments(t) {
		name := filepath.Base(path)
		root := filepath.Join(filepath.Dir(path), "aws-nitro-root-g1.der")
		for _, args := range [][]string{{"verify", "--archived", path}, {"verify", "--archived", "--root", root, path}, {"inspect", path}} {
			if code, out := call(t, args...); code != exitFine {
				t.Errorf("%s: %v: got exit code %d, want %d: %s", name, args[:2], code, exitFine, out)
			}
		}
		code, out := call(t, "verify", "--archived", path)
		isDebug := strings.Contains(name, "_debug_")
		if isDebug {
			debugs++
		}
		if !strings.Contains(out, "genuine, not appraised") || strings.Contains(out, debugText) != isDebug {
			t.Errorf("%s: debug %v, exit code %d: got %s", name, isDebug, code, out)
		}
		if code, out := call(t, "verify", "--live", path); code != exitRefused || !strings.Contains(out, "--archived") {
			t.Errorf("%s: live: got exit code %d, want %d with a hint: %s", name, code, exitRefused, out)
		}
		want := "image is not pinned"
		if isDebug {
			want = "debug enclave"
		}
		if code, out := call(t, "verify", "--archived", "--pins", pins, path); code != exitRefused || !strings.Contains(out, want) {
			t.Errorf("%s: pins: got exit code %d, want %d with %q: %s", name, code, exitRefused, want, out)
		}
	}
	t.Logf("%d documents, %d of debug enclaves", len(realDocuments(t)), debugs)
}

// Each command explains itself with an example that starts with its own name.
func TestEveryCommandHasHelp(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, child := range c.Commands() {
			visit(child)
		}
		if c.Parent() == nil || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Long == "" || c.Short == "" {
			t.Errorf("%s: no help text", c.CommandPath())
		}
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: got example %q, want one of the command", c.CommandPath(), c.Example)
		}
		if code, out := call(t, append(strings.Fields(c.CommandPath())[1:], "--help")...); code != exitFine || !strings.Contains(out, "Examples:") {
			t.Errorf("%s --help: got exit code %d: %s", c.CommandPath(), code, out)
		}
	}
	visit((&app{}).root())
}
