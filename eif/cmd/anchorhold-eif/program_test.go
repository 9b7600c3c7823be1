package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"anchorhold/enclave/deid/engine"
)

// enginePackages are the packages that only one engine needs.
var enginePackages = map[engine.Kind]string{
	engine.FHIRRules: "anchorhold/enclave/deid",
	engine.Microsoft: "anchorhold/enclave/deid/anonymizer",
}

// TestProgramsLinkTheirEnginesOnly compares the table with what is linked, and with the folder of
// programs.
func TestProgramsLinkTheirEnginesOnly(t *testing.T) {
	for name, kinds := range programs {
		cmd := exec.Command("go", "list", "-deps", programFolder+"/"+name)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", name, err)
		}
		linked := strings.Fields(string(out))
		for kind, p := range enginePackages {
			if got, want := slices.Contains(linked, p), slices.Contains(kinds, kind); got != want {
				t.Errorf("%s links %s: got %v, want %v", name, p, got, want)
			}
		}
		if !slices.Contains(kinds, engine.Microsoft) && slices.Contains(linked, "anchorhold/enclave/fhirpath") {
			t.Errorf("%s links FHIRPath", name)
		}
	}
	found, err := filepath.Glob("../../../enclave/cmd/anchorhold-enclave*")
	if err != nil || len(found) != len(programs) {
		t.Errorf("got folders %v, %v, want one for each of %d programs", found, err, len(programs))
	}
}

// policyOf returns a policy file with a pipeline for each kind.
func policyOf(t *testing.T, dir string, kinds []engine.Kind) string {
	t.Helper()
	source := `anchorhold: policy/v1
tenants:
  - {name: clinic, keys: ["arn:aws:kms:us-east-1:111122223333:key/aaaaaaaa-0000-0000-0000-000000000000"], pipelines: [PIPELINES]}
pipelines:
`
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
		rules := map[engine.Kind]string{engine.FHIRRules: "preset: safe-harbor", engine.Microsoft: "rules: configuration.json"}[k]
		source += "  - {name: " + string(k) + ", " + rules + ", content-types: [application/fhir+ndjson]}\n"
	}
	write(t, filepath.Join(dir, "configuration.json"), `{"fhirVersion":"R4","fhirPathRules":[{"path":"Resource","method":"keep"}]}`)
	file := filepath.Join(dir, "policy.yaml")
	write(t, file, strings.Replace(source, "PIPELINES", strings.Join(names, ", "), 1))
	return file
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBuildTakesTheProgramOfThePolicy builds the programs and images with them.
//
// Attack: an operator's script names one program for all policies. An image without the engine that
// a policy needs would be rolled out and never serve; one with further engines has more trusted
// code than its reviewer read.
func TestBuildTakesTheProgramOfThePolicy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs")
	}
	bin := t.TempDir()
	for name := range programs {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", bin+"/", programFolder+"/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", name, err, out)
		}
	}
	for name, kinds := range programs {
		dir := t.TempDir()
		policy := policyOf(t, dir, kinds)
		kernel := filepath.Join(dir, "kernel")
		write(t, kernel, "kernel")
		build := func(program, out string) (int, string) {
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), []string{"build", "--kernel", kernel, "--program", program, "--policy", policy, "-o", out}, &stdout, &stderr)
			return code, stderr.String()
		}
		var printed, stderr bytes.Buffer
		if code := run(context.Background(), []string{"program", "--policy", policy}, &printed, &stderr); code != 0 || printed.String() != name+"\n" {
			t.Errorf("program for %s: got exit code %d, %q, %s, want %s", list(kinds), code, &printed, &stderr, name)
		}
		if code, stderr := build(bin, filepath.Join(dir, "folder.eif")); code != 0 || strings.Contains(stderr, "engines") {
			t.Errorf("folder, policy with %s: got exit code %d, %s, want 0 and no warning about engines", list(kinds), code, stderr)
			continue
		}
		if got := initOf(t, filepath.Join(dir, "folder.eif")); got != name {
			t.Errorf("folder, policy with %s: the image has %s, want %s", list(kinds), got, name)
		}
		for other, has := range programs {
			code, stderr := build(filepath.Join(bin, other), filepath.Join(dir, other+".eif"))
			want := other + " is " + other + " with " + list(has) + ", the policy needs " + name + " with " + list(kinds)
			if other == name && code != 0 || other != name && (code != exitFailed || !strings.Contains(stderr, want)) {
				t.Errorf("%s, policy with %s: got exit code %d, %s, want %q", other, list(kinds), code, stderr, want)
			}
		}
	}
}

// initOf returns the name of the program in an image.
func initOf(t *testing.T, file string) string {
	t.Helper()
	i, err := readImage(file)
	if err != nil {
		t.Fatal(err)
	}
	program, _, _, err := i.Layout()
	if err != nil {
		t.Fatal(err)
	}
	name, _ := programKinds(program)
	return name
}
