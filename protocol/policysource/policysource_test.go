package policysource_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"anchorhold/protocol/policy"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func preset(name string) ([]byte, error) {
	if name != "safe-harbor" {
		return nil, errors.New("no such preset")
	}
	return []byte("rules of safe-harbor\n"), nil
}

func readFile(name string) ([]byte, error) {
	if name != "own.rules" {
		return nil, errors.New("no such file")
	}
	return []byte("contents of own.rules\n"), nil
}

func TestCompile(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		t.Run(v.Name, func(t *testing.T) {
			got, err := policysource.Compile(v.Body, preset, readFile)
			switch v.Expect() {
			case "ok":
				if err != nil {
					t.Fatal(err)
				}
				want := vectorfile.Load(t, "../policy/testdata/compiled/"+v.Name+".txt")[0].Body
				if !bytes.Equal(got, want) {
					t.Errorf("got %x, want %x", got, want)
				}
			case "refused":
				if err == nil || got != nil {
					t.Fatalf("got %d bytes and error %v, want a refusal", len(got), err)
				}
				faults(t, err.Error(), v.Header["faults"])
			default:
				t.Fatalf("unknown expect %q", v.Expect())
			}
		})
	}
}

// faults checks that the error names the faults in order and no others.
func faults(t *testing.T, got, want string) {
	t.Helper()
	if want == "" {
		return
	}
	list := strings.Split(want, " | ")
	lines := strings.Split(got, "\n")
	if len(lines) != len(list) {
		t.Errorf("got %d faults, want %d:\n%s", len(lines), len(list), got)
		return
	}
	for i, w := range list {
		if !strings.Contains(lines[i], w) {
			t.Errorf("fault %d: got %q, want %q", i, lines[i], w)
		}
	}
}

func TestLargeSourcesAreRefused(t *testing.T) {
	if b, err := policysource.Compile(make([]byte, 1<<20+1), preset, readFile); err == nil || b != nil {
		t.Error("a source of 1 MiB and a byte was accepted")
	}
}

func FuzzSource(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := policysource.Compile(src, preset, readFile)
		if err != nil {
			return
		}
		if _, err := policy.Parse(b); err != nil {
			t.Errorf("compiled to what Parse refuses: %v", err)
		}
	})
}
