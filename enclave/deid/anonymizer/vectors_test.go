package anonymizer_test

import (
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
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// configurationOf pairs records with configurations, by a part of the name; the first that fits counts.
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
				input = strings.TrimSuffix(name, "-redact-all") + "-basic" // several configurations for one record
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

func TestPublishedConfigurations(t *testing.T) {
	root := published(t)
	files, _ := filepath.Glob(filepath.Join(root, "configs", "*.json"))
	for _, file := range files {
		rest, values, err := anonymizer.Split([]byte(load(t, file)))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		e, err := anonymizer.Compile(rest)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		t.Logf("%s: accepted, %d keys, needs %v, warnings:\n\t%s", filepath.Base(file), len(values), e.Needs(), strings.Join(e.Warnings(), "\n\t"))
	}
	if len(files) == 0 {
		t.Fatal("no published configurations")
	}
}

func TestPublishedBad(t *testing.T) {
	root := published(t)
	files, _ := filepath.Glob(filepath.Join(root, "bad-configs", "*.json"))
	for _, file := range files {
		_, _, err := anonymizer.Split([]byte(load(t, file)))
		t.Logf("%s: %v", filepath.Base(file), err)
		if err == nil {
			t.Errorf("%s: accepted", file)
		}
	}
}
