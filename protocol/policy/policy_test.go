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

func TestParse(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/compiled/*.txt") {
		p, err := policy.Parse(v.Body)
		v.CheckReason(t, err)
		switch v.Kind() {
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

func TestLargePoliciesAreRefused(t *testing.T) {
	if p, err := policy.Parse(make([]byte, 8<<20+1)); err == nil || p != nil {
		t.Error("a compiled policy of 8 MiB and a byte was accepted")
	}
}

// What Parse would refuse is never written.
func TestEncodeRefuses(t *testing.T) {
	if b, err := new(policy.Policy).Encode(); err == nil || b != nil {
		t.Errorf("the zero policy: got %x and %v, want a refusal", b, err)
	}
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
		if got, err := p.Encode(); err != nil || !bytes.Equal(got, b) {
			t.Errorf("got %x and %v, want %x", got, err, b)
		}
	})
}
