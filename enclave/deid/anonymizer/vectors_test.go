package anonymizer_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/enclave/deid/anonymizer"
)

// published returns the folder of Microsoft's published test data, or skips.
func published(t testing.TB) string {
	t.Helper()
	root := os.Getenv("VECTORS")
	if root == "" {
		t.Skip("VECTORS is not set: ms-anonymizer/ (microsoft/Tools-for-Health-Data-Anonymization)")
	}
	return filepath.Join(root, "ms-anonymizer")
}

func load(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil && filepath.Ext(path) == ".gz" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			b, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// configurationOf pairs records with configurations, by a part of the name; the first that fits
// counts.
var configurationOf = []struct{ part, config string }{
	{"-R4", "r4-configuration-sample"},
	{"redact-all", "redact-all-config"},
	{"no-partial", "common-no-partial-config"},
	{"patient-generalize", "generalize-patient-config"},
	{"substitute-primitive", "substitute-primitive"},
	{"substitute-complex", "substitute-complex"},
	{"substitute-multiple-2", "substitute-multiple-2"},
	{"substitute-multiple", "substitute-multiple"},
	{"substitute-conflict", "substitute-conflict-rules"},
	{"substitute", "substitute-multiple"},
	{"", "common-config"},
}

func TestPublishedRecords(t *testing.T) {
	root := published(t)
	ran := 0
	for _, folder := range []string{"resources", "resources-r4"} {
		targets, _ := filepath.Glob(filepath.Join(root, folder, "*-target.json"))
		for _, target := range targets {
			name := strings.TrimSuffix(filepath.Base(target), "-target.json")
			input := name
			if _, err := os.Stat(filepath.Join(root, folder, name+".json")); err != nil {
				// several configurations for one record
				input = strings.TrimSuffix(name, "-redact-all") + "-basic"
			}
			config := "r4-configuration-sample"
			if folder == "resources" {
				for _, p := range configurationOf {
					if strings.Contains(name, p.part) {
						config = p.config
						break
					}
				}
			}
			ran++
			t.Run(name, func(t *testing.T) {
				got := one(t, load(t, filepath.Join(root, "configs", config+".json")), load(t, filepath.Join(root, folder, input+".json")))
				if want := load(t, target); !same(t, got, want) {
					t.Errorf("with %s: got\n%s\nwant\n%s", config, got, oneLine(t, want))
				}
			})
		}
	}
	if ran == 0 {
		t.Fatal("no published records")
	}
	t.Logf("%d published records", ran)
}

func TestPublishedErrors(t *testing.T) {
	root := published(t)
	for record, empty := range map[string]string{"patient-basic": "patient-empty", "bundle-basic": "bundle-empty", "contained-basic": "condition-empty"} {
		input := load(t, filepath.Join(root, "resources", record+".json"))
		for config, want := range map[string]string{
			"configuration-skip-processing-error":         load(t, filepath.Join(root, "resources", empty+".json")),
			"configuration-raise-processing-error":        "failed: record-rejected",
			"unit-configuration-raise-processing-error":   "",
			"configuration-without-processing-error":      "failed: record-rejected",
			"unit-configuration-without-processing-error": "",
		} {
			got := one(t, load(t, filepath.Join(root, "configs", config+".json")), input)
			if want != "" && (strings.HasPrefix(want, "failed") && got != want || !strings.HasPrefix(want, "failed") && !same(t, got, want)) {
				t.Errorf("%s with %s: got %s, want %s", record, config, got, want)
			}
		}
	}
}

// documented is the table of README.md: what becomes of each published configuration.
func documented(t testing.TB) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for l := range strings.Lines(load(t, "README.md")) {
		if cells := strings.Split(strings.TrimSpace(l), " | "); len(cells) == 2 && strings.HasPrefix(l, "| `") {
			rows[strings.Trim(cells[0], "|` ")] = strings.TrimSuffix(cells[1], " |")
		}
	}
	return rows
}

// outcome is the row of a configuration: refused and why, or accepted with what it needs and what
// its author is warned of.
func outcome(config string) string {
	rest, _, err := anonymizer.Split([]byte(config))
	if err != nil {
		return "refused: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	e, err := anonymizer.Compile(rest)
	if err != nil {
		return "accepted by Split and refused by Compile: " + err.Error()
	}
	text := "accepted"
	if needs := e.Needs(); len(needs) > 0 {
		text += ", needs " + strings.Join(needs, " and ")
	}
	if w := e.Warnings(); len(w) > 0 {
		text += "; warns: " + strings.Join(w, "; ")
	}
	return text
}

// Every published configuration is accepted or refused as README.md says. One that it doesn't know
// must still be one or the other with a reason; the bad ones must be refused.
func TestPublishedConfigurations(t *testing.T) {
	root, rows := published(t), documented(t)
	files, _ := filepath.Glob(filepath.Join(root, "*configs", "*.json"))
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
		got := outcome(load(t, file))
		want, ok := rows[name]
		if !ok {
			t.Logf("%s is not in README.md: %s", name, got)
			want = got
		}
		if got != want {
			t.Errorf("README.md has\n\t%s\nfor\n| `%s` | %s |", want, name, got)
		}
		if bad := strings.HasPrefix(name, "bad-"); bad != strings.HasPrefix(got, "refused: ") && (bad || !ok) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if len(files) == 0 || len(rows) != 33 {
		t.Errorf("got %d published configurations and %d rows in README.md, want 33 of these", len(files), len(rows))
	}
}

// Records that upstream ships without an answer, and HL7's own examples: every one comes out or is
// rejected by a code.
func TestPublishedSamples(t *testing.T) {
	root := published(t)
	e, values := configure(t, load(t, filepath.Join(root, "configs", "r4-configuration-sample.json")))
	var lines strings.Builder
	files := 0
	for _, pattern := range []string{"ms-anonymizer/samples/*", "hl7-r4-examples/*.gz", "synthea/10/Pa*.gz", "synthea/10/Doc*.gz"} {
		found, _ := filepath.Glob(filepath.Join(root, "..", pattern))
		for _, file := range found {
			files++
			b := load(t, file)
			if filepath.Ext(file) == ".json" {
				b = oneLine(t, b)
			}
			lines.WriteString(b + "\n")
		}
	}
	if files < 4 {
		t.Fatalf("got %d files of samples", files)
	}
	out, report, err := run(e, job(values), lines.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records in, %d out, rejected: %v", report.RecordsIn, report.RecordsOut, report.RejectCodes)
	if n := int64(strings.Count(out, "\n")); n != report.RecordsOut || report.RecordsRejected*20 > report.RecordsIn {
		t.Errorf("got %d lines of %d records, %d rejected", n, report.RecordsIn, report.RecordsRejected)
	}
	if len(report.Rejects) > 0 {
		all := strings.Split(lines.String(), "\n")
		for _, r := range report.Rejects {
			t.Logf("line %d: %s %.300s", r.Line, r.Code, all[r.Line-1])
		}
	}
}
