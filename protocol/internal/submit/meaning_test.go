package submit_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"anchorhold/protocol/code"
	"anchorhold/protocol/internal/submit"
)

// Every job code of SPEC 9 must tell the owner what to do.
func TestEveryCodeHasAMeaning(t *testing.T) {
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(spec), "Job codes:")
	section, _, _ = strings.Cut(section, "Any failure")
	codes := regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(section, -1)
	if len(codes) < 30 {
		t.Fatalf("codes in SPEC 9: got %d, want at least 30", len(codes))
	}
	unknown := submit.Meaning("no such code")
	for _, c := range codes {
		if submit.Meaning(code.Code(c[1])) == unknown {
			t.Errorf("%s has no meaning", c[1])
		}
	}
}

// So must every code with which a parent answers for itself.
func TestEveryParentCodeHasAMeaning(t *testing.T) {
	page, err := os.ReadFile("../../../parent/OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Codes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	unknown, count := submit.Meaning("no such code"), 0
	for row := range strings.Lines(section) {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, c := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(cells[1], -1) {
			if count++; submit.Meaning(code.Code(c[1])) == unknown {
				t.Errorf("%s has no meaning", c[1])
			}
		}
	}
	if count < 40 {
		t.Fatalf("codes in OPERATING.md: got %d, want at least 40", count)
	}
}
