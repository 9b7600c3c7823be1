package e2e_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
)

// sealed starts a stage and seals the sample on it.
func sealed(t *testing.T, o stage.Options) job {
	t.Helper()
	s := start(t, o)
	j := job{s, "job"}
	mustOwner(t, s, 0, j.sealArgs("policy", sample(t, s))...)
	return j
}

// refusedWith submits the job and expects the enclave's refusal with that code, and no result.
func refusedWith(t *testing.T, j job, code string) {
	t.Helper()
	out := mustOwner(t, j.s, 1, j.submitArgs()...)
	if !strings.Contains(out, code) {
		t.Errorf("submit says %q, want code %s", out, code)
	}
	if _, err := os.Stat(j.path(".ahres")); err == nil {
		t.Error("a refused job left a result")
	}
}

// Attack: the operator runs an enclave with another policy (here only the reference date differs).
// Its PCR2 is not in the key policy. The job still names the old image, so the parent finds no
// enclave for it; a job that names the new image is denied by KMS.
func TestChangedPolicyIsDeniedByKMS(t *testing.T) {
	t.Parallel()
	j := sealed(t, stage.Options{})
	ctx := t.Context()
	if err := j.s.CompilePolicy(ctx, "other", "2025-12-31"); err != nil {
		t.Fatal(err)
	}
	if err := j.s.WritePins(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	if err := j.s.StartEnclave(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, j, "image-mismatch")
	other := job{j.s, "other"}
	mustOwner(t, j.s, 0, other.sealArgs("other", j.s.Path("sample"))...)
	refusedWith(t, other, "kms-denied")
}

// Attack: the parent flips one bit of a record frame, or cuts the job short.
func TestTamperedJobIsRefused(t *testing.T) {
	t.Parallel()
	j := sealed(t, stage.Options{})
	whole, err := os.ReadFile(j.path(".ahjob"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tamper := range map[string]func([]byte) []byte{
		"authentication-failed": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"truncated":             func(b []byte) []byte { return b[:len(b)-100] },
	} {
		t.Run(name, func(t *testing.T) {
			bad := job{j.s, name}
			if err := os.WriteFile(bad.path(".ahjob"), tamper(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			refusedWith(t, bad, name)
		})
	}
}

// Attack: the parent answers one job with the result and receipt of another, with parts of two, or
// with a cut result.
func TestSwappedResultIsRefused(t *testing.T) {
	t.Parallel()
	a := sealed(t, stage.Options{})
	b := job{a.s, "second"}
	mustOwner(t, a.s, 0, b.sealArgs("policy", a.s.Path("sample"))...)
	for _, j := range []job{a, b} {
		mustOwner(t, j.s, 0, j.submitArgs()...)
	}
	result, err := os.ReadFile(a.path(".ahres"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(b.path(".ahres"))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := os.ReadFile(a.path(".receipt"))
	if err != nil {
		t.Fatal(err)
	}
	foreignReceipt, err := os.ReadFile(b.path(".receipt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, attack := range map[string]struct{ result, receipt []byte }{
		"result":             {foreign, receipt},
		"result and receipt": {foreign, foreignReceipt},
		"receipt":            {result, foreignReceipt},
		"spliced":            {append(bytes.Clone(result[:len(result)/2]), foreign[len(foreign)/2:]...), receipt},
		"cut":                {result[:len(result)-16400], receipt},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(a.path(".ahres"), attack.result, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(a.path(".receipt"), attack.receipt, 0o600); err != nil {
				t.Fatal(err)
			}
			mustOwner(t, a.s, 3, a.openArgs("policy")...)
			if _, err := os.Stat(a.path(".out")); err == nil {
				t.Error("a refused result left output")
			}
		})
	}
}

// A NOT AWS policy opens only when the test root is named: without --root the real root is
// demanded.
func TestTestRootIsNeverImplied(t *testing.T) {
	t.Parallel()
	j := sealed(t, stage.Options{})
	mustOwner(t, j.s, 0, j.submitArgs()...)
	args := j.openArgs("policy")
	for i, a := range args {
		if a == "--root" {
			args = append(args[:i], args[i+2:]...)
			break
		}
	}
	mustOwner(t, j.s, 3, args...)
}
