package policy_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/policy"
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
	for _, v := range vectorfile.Load(t, "testdata/source/*.txt") {
		t.Run(v.Name, func(t *testing.T) {
			got, err := policy.CompileYAML(v.Body, preset, readFile)
			switch v.Expect() {
			case "ok":
				if err != nil {
					t.Fatal(err)
				}
				want := vectorfile.Load(t, "testdata/compiled/"+v.Name+".txt")[0].Body
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

func TestParse(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/compiled/*.txt") {
		p, err := policy.Parse(v.Body)
		switch v.Expect() {
		case "ok":
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
				continue
			}
			if got, want := p.Digest(), digest.Sum(v.Body); got != want || policy.Digest(v.Body) != want {
				t.Errorf("%s: got digest %v, want %v", v.Name, got, want)
			}
		case "malformed":
			if p != nil || !errors.Is(err, canonical.ErrMalformed) {
				t.Errorf("%s: got %v, want %v", v.Name, err, canonical.ErrMalformed)
			}
		case "invalid":
			if p != nil || err == nil || errors.Is(err, canonical.ErrMalformed) {
				t.Errorf("%s: got %v, want a refusal of the meaning", v.Name, err)
			}
		default:
			t.Errorf("%s: unknown expect %q", v.Name, v.Expect())
		}
	}
}

func TestAccess(t *testing.T) {
	v := vectorfile.Load(t, "testdata/compiled/ok-all-fields.txt")[0]
	p, err := policy.Parse(v.Body)
	if err != nil {
		t.Fatal(err)
	}
	tenant, ok := p.Tenant("clinic")
	if !ok || !tenant.Allows("deid") || tenant.Allows("") || tenant.Allows("dei") {
		t.Errorf("got tenant %+v, %v", tenant, ok)
	}
	if !tenant.HasKey(tenant.Keys[0]) || tenant.HasKey("") || tenant.HasKey(strings.ToUpper(tenant.Keys[0])) {
		t.Error("HasKey is not byte for byte")
	}
	pipeline, ok := p.Pipeline("deid")
	if !ok || !pipeline.Accepts("application/fhir+ndjson") || pipeline.Accepts("text/csv") || !pipeline.Raise {
		t.Errorf("got pipeline %+v, %v", pipeline, ok)
	}
	if _, ok := p.Tenant("other"); ok {
		t.Error("found a tenant that is not there")
	}
	if _, ok := p.Pipeline("other"); ok {
		t.Error("found a pipeline that is not there")
	}
	if p.NotAWS() || p.Limits.Nesting != 12 || p.Limits.Replays != 3 {
		t.Errorf("got NotAWS %v, limits %+v", p.NotAWS(), p.Limits)
	}
}

// The zero policy must permit nothing.
func TestZeroPolicyDenies(t *testing.T) {
	var p policy.Policy
	if _, ok := p.Tenant(""); ok {
		t.Error("the zero policy has a tenant")
	}
	if (&policy.Tenant{}).HasKey("") || (&policy.Tenant{}).Allows("") || (&policy.Pipeline{}).Accepts("") {
		t.Error("a zero value permits the empty name")
	}
}

func TestLargeSourcesAreRefused(t *testing.T) {
	if _, err := policy.CompileYAML(make([]byte, 1<<20+1), preset, readFile); err == nil {
		t.Error("a source of 1 MiB and a byte was accepted")
	}
	if _, err := policy.Parse(make([]byte, 8<<20+1)); err == nil {
		t.Error("a compiled policy of 8 MiB and a byte was accepted")
	}
}

func FuzzSource(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/source/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := policy.CompileYAML(src, preset, readFile)
		if err != nil {
			return
		}
		if _, err := policy.Parse(b); err != nil {
			t.Errorf("compiled to what Parse refuses: %v", err)
		}
	})
}

func FuzzCompiled(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/compiled/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := policy.Parse(b)
		if err != nil {
			return
		}
		if got, err := p.Reencode(); err != nil || !bytes.Equal(got, b) {
			t.Errorf("got %x and %v, want %x", got, err, b)
		}
	})
}
