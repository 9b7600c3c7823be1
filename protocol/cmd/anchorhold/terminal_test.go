package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Names of files come from whoever made an export. A terminal obeys escape sequences, and a person believes a line
// that a name with a line end makes up, or text that runs backwards.
func TestNamesDoNotCommandTheTerminal(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a\x1b[2Jb\u202ec\u009bd\nverified.ndjson")
	if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"inspect", name}, {"inspect", name + "none"}, {"verify", name}, {"\x1b[2J"}, {"inspect", "--\x1b[2J"}} {
		var out, err bytes.Buffer
		if code := run(context.Background(), args, strings.NewReader(""), &out, &err); code == exitFine {
			t.Errorf("%q: got exit code 0", args)
		}
		wantHarmless(t, out.String()+err.String())
	}
	var err bytes.Buffer
	(&app{err: &err}).notice("skipped %s: %s", name, "why")
	wantHarmless(t, err.String())
	if !strings.Contains(err.String(), ".ndjson: why") {
		t.Errorf("got %q, want the name in it", err.String())
	}
}

func wantHarmless(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\x1b\u009b\u202e") || strings.Contains(text, "\nverified") {
		t.Errorf("terminal gets %q", text)
	}
}
