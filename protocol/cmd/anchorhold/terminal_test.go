package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"anchorhold/protocol/envelope"
)

// Names of files come from whoever made an export. A terminal obeys escape sequences, and a person
// believes a line that a name with a line end makes up, or text that runs backwards.
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

// Everybody can make a message with any encryption context, and have a reviewer look at it.
func TestContextsDoNotCommandTheTerminal(t *testing.T) {
	var file bytes.Buffer
	w, err := envelope.NewWriter(&file, envelope.Params{
		Context: map[string]string{
			"a\x1b[2J\nverified": "b\x1b[2J\u009bc\u202ed\nverified", "message id": "0", "b\u009b\u202e\x7f\U000e0001": "",
		},
		Keys:    []envelope.EncryptedKey{{Provider: "p\x1b[2J", Info: "i\x9b2J\nverified", Ciphertext: []byte("c")}},
		DataKey: make([]byte, 32), FrameLength: 4096,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"inspect", path}, {"inspect", "--json", path}} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != exitFine {
			t.Fatalf("%q: got exit code %d: %s", args, code, errs.String())
		}
		wantHarmless(t, out.String())
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) || r == utf8.RuneError {
				t.Errorf("%q: terminal gets %q in %q", args, r, out.String())
			}
		}
		if args[1] != "--json" {
			continue
		}
		var shown struct{ Claims map[string]string }
		if err := json.Unmarshal(out.Bytes(), &shown); err != nil {
			t.Fatal(err)
		}
		if got := shown.Claims["message id"]; len(got) != 64 {
			t.Errorf("message id: got %q, which the context says, want that of the message", got)
		}
		if got, want := shown.Claims["context b\u009b\u202e\x7f\U000e0001"], ""; got != want || len(shown.Claims) < 8 {
			t.Errorf("JSON does not read back: %q", shown.Claims)
		}
	}
}

func wantHarmless(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\x1b\u009b\u202e") || strings.Contains(text, "\nverified") {
		t.Errorf("terminal gets %q", text)
	}
}
