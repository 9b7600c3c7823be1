package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a terminal: what is written to the second is read from the first.
func openPTY(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be opened here: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no terminal can be unlocked here: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be opened here: %v", err)
	}
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}

// A person at a terminal sees in colour what goes, what changes and what a rule adds; a file gets
// the same text without.
func TestDiffIsInColourOnATerminalOnly(t *testing.T) {
	dir := t.TempDir()
	records, config := filepath.Join(dir, "Patient.ndjson"), filepath.Join(dir, "configuration.json")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(records, `{"resourceType":"Patient","gender":"female","name":[{"family":"Quixote"}],"birthDate":"1987-05-06"}`+"\n{}\n")
	write(config, `{"fhirVersion":"R4","processingErrors":"skip","fhirPathRules":[{"path":"Patient.name","method":"redact"}],"parameters":{}}`)

	const red, green, yellow, dim, end = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
	for _, test := range []struct {
		rules []string
		want  []string
	}{
		{
			[]string{"--preset", "safe-harbor"},
			[]string{
				red + `- /name  [{"family":"Quixote"}]` + end, yellow + `~ /birthDate  "1987-05-06" -> "1987"` + end, dim + "year (Patient.birthDate)" + end,
				`  /gender  "female"  ` + dim, red + "rejected: resource-malformed" + end,
			},
		},
		{[]string{"--config", config}, []string{red + `- /name/0/family  "Quixote"` + end, green + "+ /meta/security/0/"}},
	} {
		args := append(append([]string{"try", "--diff", "--reference-date", "2026-12-31"}, test.rules...), records)
		screen, terminal := openPTY(t)
		shown := make(chan string)
		go func() {
			b, _ := io.ReadAll(screen) // its end is an error: the other side is closed
			shown <- string(b)
		}()
		var errs strings.Builder
		run(context.Background(), args, strings.NewReader(""), terminal, &errs)
		terminal.Close()
		coloured := strings.ReplaceAll(<-shown, "\r\n", "\n")
		for _, want := range test.want {
			if !strings.Contains(coloured, want) {
				t.Errorf("%q: terminal gets\n%q\nwithout %q; %s", test.rules, coloured, want, errs.String())
			}
		}

		file, err := os.Create(filepath.Join(dir, "diff"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		run(context.Background(), args, strings.NewReader(""), file, &errs)
		plain, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.NewReplacer(red, "", green, "", yellow, "", dim, "", end, "").Replace(coloured); got != string(plain) || len(plain) == 0 {
			t.Errorf("%q: file gets\n%q\nwant the text of the terminal\n%q", test.rules, plain, got)
		}
	}
}
