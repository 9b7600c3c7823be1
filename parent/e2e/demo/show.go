package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

func (d *demo) title(s string) { fmt.Fprintf(d.out, "\n== %s\n\n", s) }

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "   "+format+"\n", args...) }

// indent shows text of a program, with the demo's own folder shortened.
func (d *demo) indent(text string) {
	text = strings.ReplaceAll(text, d.s.Dir+"/", "")
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(d.out, "   | %s\n", strings.TrimRight(line, "\n"))
	}
}

// owner runs the owner's tool in view of the person, and fails unless it ends with the exit code
// wanted.
func (d *demo) owner(ctx context.Context, want int, args ...string) error {
	cmd := d.s.Owner(ctx, args...)
	fmt.Fprintf(d.out, "   $ anchorhold %s\n", strings.ReplaceAll(strings.Join(args, " "), d.s.Dir+"/", ""))
	text, err := cmd.CombinedOutput()
	d.indent(string(text))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	got := cmd.ProcessState.ExitCode()
	d.say("exit %d", got)
	if got != want {
		return fmt.Errorf("anchorhold %s: exit %d, want %d", args[0], got, want)
	}
	return nil
}

func (d *demo) quietly(ctx context.Context, commands ...[]string) error {
	for _, args := range commands {
		if text, err := d.s.Owner(ctx, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("anchorhold %s: %w\n%s", args[0], err, text)
		}
	}
	return nil
}

// countFolder shows how many records each file of a folder holds.
func (d *demo) countFolder(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		return err
	}
	total := 0
	var parts []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		n := bytes.Count(b, []byte("\n"))
		total += n
		parts = append(parts, fmt.Sprintf("%s %d", strings.TrimSuffix(filepath.Base(name), ".ndjson"), n))
	}
	d.say("%d records of %d types: %s", total, len(files), strings.Join(parts, ", "))
	return nil
}

func (d *demo) beforeAndAfter(context.Context) error {
	d.title("3. One record before and after")
	for _, side := range []struct{ name, dir string }{{"before", d.in}, {"after", d.s.Path("job.out")}} {
		line, err := firstLine(filepath.Join(side.dir, "Patient.ndjson"))
		if err != nil {
			return err
		}
		text, err := members(line, 150)
		if err != nil {
			return fmt.Errorf("%s: %w", side.dir, err)
		}
		d.say("%s (%d bytes):", side.name, len(line))
		d.indent(text)
	}
	return nil
}

func firstLine(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bufio.NewReaderSize(f, 1<<20).ReadBytes('\n')
}

// members shows each member of a record on a line of its own, cut to a readable width.
func members(record []byte, width int) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(record))
	if _, err := dec.Token(); err != nil {
		return "", err
	}
	var b strings.Builder
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return "", err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return "", err
		}
		line := []rune(fmt.Sprintf("%-22v %s", name, value))
		if len(line) > width {
			line = append(line[:width], '…')
		}
		b.WriteString(string(line) + "\n")
	}
	return b.String(), nil
}

// parentView shows the bytes on the parent's disk and looks for the owner's identifiers in them.
func (d *demo) parentView(context.Context) error {
	d.title("4. What the parent saw")
	var disk []byte
	err := filepath.WalkDir(d.s.SpoolDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		disk = append(disk, b...)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"job.ahjob", "job.ahres"} {
		b, err := os.ReadFile(d.s.Path(name))
		if err != nil {
			return err
		}
		middle := len(b) / 2
		d.say("%s, %d bytes; from the middle:", name, len(b))
		d.indent(hex.Dump(b[middle : middle+96]))
	}
	values, err := identifiers(d.in)
	if err != nil {
		return err
	}
	found := 0
	for _, v := range values {
		if bytes.Contains(disk, []byte(v)) {
			found++
		}
	}
	d.say("the parent's spool holds %d bytes; of %d resource ids and identifier values of the records it contains %d", len(disk), len(values), found)
	if len(disk) == 0 || len(values) == 0 || found != 0 {
		return errors.New("the parent saw what it must not see")
	}
	return nil
}

// identifiers lists the ids and identifier values of a folder's records.
func identifiers(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		return nil, err
	}
	form := regexp.MustCompile(`"(?:id|value)":"([^"]{9,})"`)
	set := map[string]bool{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, m := range form.FindAllSubmatch(b, -1) {
			set[string(m[1])] = true
		}
	}
	var list []string
	for v := range set {
		list = append(list, v)
	}
	return list, nil
}

// kmsView shows the event of the Decrypt that released the key.
func (d *demo) kmsView(context.Context) error {
	d.title("5. What KMS checked before it released the data key")
	b, err := os.ReadFile(d.s.EventsFile())
	if err != nil {
		return err
	}
	for line := range bytes.Lines(b) {
		var event struct {
			EventName, RequestID, ErrorCode string
			UserIdentity                    struct{ ARN string }
			RequestParameters               struct{ EncryptionContext map[string]string }
			AdditionalEventData             struct{ Recipient map[string]string }
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return fmt.Errorf("kms event: %w", err)
		}
		if event.EventName != "Decrypt" || event.ErrorCode != "" {
			continue
		}
		d.say("Decrypt %s by %s", event.RequestID, event.UserIdentity.ARN)
		for _, k := range sorted(event.AdditionalEventData.Recipient) {
			v := event.AdditionalEventData.Recipient[k]
			if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(raw) == 48 {
				v = hex.EncodeToString(raw)
			}
			d.say("  %-40s %s", k, v)
		}
		for _, k := range sorted(event.RequestParameters.EncryptionContext) {
			d.say("  %-40s %s", k, event.RequestParameters.EncryptionContext[k])
		}
		return nil
	}
	return errors.New("no Decrypt event")
}

func sorted(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (d *demo) receipt(ctx context.Context) error {
	d.title("6. The receipt, verified offline line by line")
	return d.owner(ctx, 0, "verify", "--archived", "--pins", d.s.Path("policy.pins"), "--policy", d.s.Path("policy.cbor"),
		"--root", d.s.Path("ca", "attestation-root.pem"), "--job", d.s.Path("job.ahjob"), "--result", d.s.Path("job.ahres"), d.s.Path("job.receipt"))
}
