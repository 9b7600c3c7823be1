package e2e_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the threat model names exists in the package that it names: a renamed test must
// not leave a threat uncovered on paper.
func TestThreatModelNamesRealTests(t *testing.T) {
	root := moduleRoot(t)
	doc, err := os.ReadFile(filepath.Join(root, "enclave", "THREATMODEL.md"))
	if err != nil {
		t.Fatal(err)
	}
	cell := regexp.MustCompile("`([a-z0-9/-]+): (Test[A-Za-z0-9_*/]+)`|`(Test[A-Za-z0-9_*/]+)`")
	named := 0
	for line := range strings.Lines(string(doc)) {
		pkg := ""
		for _, m := range cell.FindAllStringSubmatch(line, -1) {
			name := m[3]
			if m[1] != "" {
				pkg, name = m[1], m[2]
			}
			named++
			if !hasTest(t, filepath.Join(root, pkg), name) {
				t.Errorf("THREATMODEL.md names %s: %s, which does not exist", pkg, name)
			}
		}
	}
	if named < 40 {
		t.Errorf("found %d tests named, want at least 40: the pattern no longer fits", named)
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// hasTest looks for a test function; a trailing * stands for any rest, and a subtest is looked up
// by its function.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	function, _, _ := strings.Cut(name, "/")
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			if ok, err := path.Match(function, m[1]); err == nil && ok {
				return true
			}
		}
	}
	return false
}
