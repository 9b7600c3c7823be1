package e2e_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// Packages import protocol and nothing across: protocol ← enclave, protocol ← parent, protocol ←
// eif. Commands and this folder, which runs everything, may import any package that the toolchain
// lets them.
func TestLayering(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Imports", "anchorhold/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Name string
			Imports          []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		if p.Name == "main" || strings.Contains(p.ImportPath, "/cmd/") || strings.HasPrefix(p.ImportPath, "anchorhold/parent/e2e") {
			continue
		}
		from := tree(p.ImportPath)
		for _, imported := range p.Imports {
			if to := tree(imported); to != "" && to != from && to != "protocol" {
				t.Errorf("%s imports %s: %s may import protocol only", p.ImportPath, imported, from)
			}
		}
	}
	if packages < 20 {
		t.Errorf("go list names %d packages: the test saw too little", packages)
	}
}

// tree returns the top folder of a package of this module, "" for others.
func tree(path string) string {
	rest, ok := strings.CutPrefix(path, "anchorhold/")
	if !ok {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

// The software NSM exists for tests, anchorhold-dev and the emulator, the local KMS for the first
// two: no other program may link them.
func TestOnlyDevLinksTheSoftwareNSM(t *testing.T) {
	for command, allowed := range map[string]string{
		"anchorhold/enclave/cmd/anchorhold-enclave":           "",
		"anchorhold/enclave/cmd/anchorhold-enclave-microsoft": "",
		"anchorhold/enclave/cmd/anchorhold-enclave-all":       "",
		"anchorhold/parent/cmd/anchorhold-parent":             "",
		"anchorhold/protocol/cmd/anchorhold":                  "",
		"anchorhold/enclave/cmd/anchorhold-dev":               "softnsm testca devkms",
		"anchorhold/eif/cmd/anchorhold-eif":                   "softnsm testca",
	} {
		out, err := exec.Command("go", "list", "-deps", command).Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", command, err)
		}
		for _, insecure := range []string{"anchorhold/protocol/protocoltest/softnsm", "anchorhold/protocol/protocoltest/testca", "anchorhold/enclave/internal/devkms"} {
			want := slices.Contains(strings.Fields(allowed), path.Base(insecure))
			if got := strings.Contains(string(out), insecure+"\n"); got != want {
				t.Errorf("%s links %s: got %v, want %v", command, insecure, got, want)
			}
		}
	}
}
