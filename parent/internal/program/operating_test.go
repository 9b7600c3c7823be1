package program_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"anchorhold/parent/internal/config"
	"anchorhold/parent/internal/telemetry"
	"anchorhold/protocol/event"
)

const operating = "../../OPERATING.md"

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// OPERATING.md is the reference: what the program has must be in it.
func TestOperatingNamesEveryMetric(t *testing.T) {
	zero := func() float64 { return 0 }
	text := read(t, operating)
	names := telemetry.New(zero, zero).Names()
	if len(names) == 0 {
		t.Fatal("no metrics")
	}
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s does not name %s", operating, name)
		}
	}
}

func TestOperatingNamesEveryKey(t *testing.T) {
	text := read(t, operating)
	for _, key := range keys(reflect.TypeFor[config.Config](), "") {
		if !strings.Contains(text, "`"+key+"`") {
			t.Errorf("%s does not name %s", operating, key)
		}
	}
}

// keys lists the leaves of the configuration as OPERATING.md writes them.
func keys(t reflect.Type, prefix string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, kind := prefix+f.Tag.Get("yaml"), f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch {
		case kind.Kind() == reflect.Struct:
			out = append(out, keys(kind, name+".")...)
		case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct:
			out = append(out, keys(kind.Elem(), name+"[].")...)
		default:
			out = append(out, name)
		}
	}
	return out
}

// Codes of SPEC 9 and those that the parent's sources define.
func TestOperatingNamesEveryCode(t *testing.T) {
	text := read(t, operating)
	form := regexp.MustCompile(`code\.Code\s*= "([a-z-]+)"|\bCode\s*= "([a-z-]+)"`)
	found := 0
	for _, source := range []string{"../../../protocol/code/codes.go", "../spool/job.go", "../api/problem.go"} {
		matches := form.FindAllStringSubmatch(read(t, source), -1)
		if len(matches) == 0 {
			t.Errorf("%s: no codes found: the test is blind", source)
		}
		for _, m := range matches {
			found++
			if c := m[1] + m[2]; !strings.Contains(text, "`"+c+"`") {
				t.Errorf("%s does not name %s of %s", operating, c, source)
			}
		}
	}
	if found < 40 {
		t.Errorf("found %d codes only", found)
	}
}

// Events of SPEC 11.
func TestOperatingNamesEveryEvent(t *testing.T) {
	text := read(t, operating)
	_, text, _ = strings.Cut(text, "## Events")
	text, _, _ = strings.Cut(text, "## Metrics")
	for _, name := range event.Codes() {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s does not say what to do about the event %s", operating, name)
		}
	}
}
