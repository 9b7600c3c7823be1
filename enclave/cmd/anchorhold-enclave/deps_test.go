package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// programs are all enclave programs, which have one list of modules.
var programs = []string{
	"anchorhold/enclave/cmd/anchorhold-enclave", "anchorhold/enclave/cmd/anchorhold-enclave-microsoft", "anchorhold/enclave/cmd/anchorhold-enclave-all",
}

// goList runs go list over programs as they are built for the enclave.
func goList(t *testing.T, format string, programs ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-f", format}, programs...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Fields(string(out))
	slices.Sort(lines)
	return slices.Compact(lines)
}

// TestDependenciesAreListed compares the modules that any program links with deps.txt.
func TestDependenciesAreListed(t *testing.T) {
	b, err := os.ReadFile("../../deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		module, reason, ok := strings.Cut(line, " | ")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Errorf("%q gives no reason", line)
		}
		listed = append(listed, module)
	}
	linked := slices.DeleteFunc(goList(t, "{{with .Module}}{{.Path}}{{end}}", programs...), func(m string) bool { return m == "anchorhold" })
	if len(linked) == 0 {
		t.Fatal("go list found no modules")
	}
	if !slices.Equal(listed, linked) {
		t.Errorf("deps.txt lists\n%s\nlinked are\n%s", strings.Join(listed, "\n"), strings.Join(linked, "\n"))
	}
}

// TestInvariant6_NothingForTestsIsLinked: the production binary has no software NSM, no test CA and
// no local KMS to fall back on.
func TestInvariant6_NothingForTestsIsLinked(t *testing.T) {
	packages := goList(t, "{{.ImportPath}}", programs...)
	for _, p := range append([]string{"anchorhold/enclave/internal/boot"}, programs...) {
		if !slices.Contains(packages, p) {
			t.Fatalf("go list did not find %s", p)
		}
	}
	for _, p := range packages {
		for _, forbidden := range []string{"protocoltest", "devkms", "cloudtest", "testing", "os/exec", "plugin", "runtime/cgo"} {
			if p == forbidden || strings.HasPrefix(p, "anchorhold/") && strings.Contains(p, "/"+forbidden) {
				t.Errorf("%s is linked", p)
			}
		}
	}
}
