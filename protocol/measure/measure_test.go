package measure_test

import (
	"testing"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
)

// The values were computed with Python's hashlib and a cpio writer of its own, from the formulas of
// SPEC 10.
const (
	wantPCR0 = "bad10cca8295edb3e4676b8c80cda966270392a2f31b264526183953a46a178ce798a949939f26fd989898df9060b52d"
	wantPCR1 = "301201d23b7cc0b25ca07ea1ba2505cab46265044d1d359d078b607d634dba22fb56c44227b4e44c482782c1e256763c"
	wantPCR2 = "d09f92dcf8500a4ab2844832b3b2bd8cdc3668911b175fa886515d61f0ebc94a72fd6a148f985c778dc88a76330df067"
	wantPCR3 = "359f6d3481d3cc7fa03364ba8e2db1247d9792eb2531e17128a459c33b3ce28ccfba9d7de7fb33bea37e85f6029615d6"
	wantPCR4 = "d6432900ac1c343cb40286898792c55e962aef0cc35c4910c0c286145b51af19e782cb21cc31a042671d7dfbd398251c"
	wantPCR8 = "e2ad58e7a1a9fdb1dcd72ae5858372974416919245e567ea8f717937e8b914f644320b0f88dcfca2d7a83b5ee6c832dd"
	wantDev0 = "a6cde1c8776d3ab0bd6a737ff91ba233608b40c898f34f98e395bff5f0d2144df7bbfbe0499fa21c933d0e3fef01161b"
	wantDev1 = "2254e74d4beb5489cd5ccdf4762ca5907187e60ce6c4583bfc035cc782648b9a0928776270728a4dbe48be47be5ef265"

	// wantNoPCR2 is PCR2 of images with one ramdisk. The same value is published by projects that
	// build such images.
	wantNoPCR2 = "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a"
)

func compare(t *testing.T, name string, got digest.Digest, want string) {
	t.Helper()
	if got.String() != want {
		t.Errorf("%s: got %s, want %s", name, got, want)
	}
}

func TestCompute(t *testing.T) {
	program, policy := measure.ProgramRamdisk([]byte("program")), measure.PolicyRamdisk([]byte("policy"))
	i := measure.Compute([]byte("kernel"), "console=ttyS0", program, policy)
	compare(t, "PCR0", i.PCR0, wantPCR0)
	compare(t, "PCR1", i.PCR1, wantPCR1)
	compare(t, "PCR2", i.PCR2, wantPCR2)
	compare(t, "PolicyPCR2", measure.PolicyPCR2([]byte("policy")), wantPCR2)

	one := measure.Compute([]byte("kernel"), "console=ttyS0", program)
	compare(t, "PCR2 without second ramdisk", one.PCR2, wantNoPCR2)
	if one.PCR0 != one.PCR1 || one.PCR1 != i.PCR1 {
		t.Errorf("got PCR0 %s and PCR1 %s, want both %s", one.PCR0, one.PCR1, i.PCR1)
	}
}

func TestDevImage(t *testing.T) {
	i := measure.DevImage([]byte("program"), []byte("policy"))
	compare(t, "PCR0", i.PCR0, wantDev0)
	compare(t, "PCR1", i.PCR1, wantDev1)
	compare(t, "PCR2", i.PCR2, wantPCR2)
}

func TestSingleRegisters(t *testing.T) {
	compare(t, "PCR3", measure.RolePCR3("arn:aws:iam::111122223333:role/parent"), wantPCR3)
	compare(t, "PCR4", measure.InstancePCR4("i-0123456789abcdef0"), wantPCR4)
	compare(t, "PCR8", measure.CertificatePCR8([]byte("certificate")), wantPCR8)
	first := measure.Extend(digest.Digest{}, []byte("a"))
	if measure.Extend(first, []byte("b")) == measure.Extend(digest.Digest{}, []byte("ab")) {
		t.Error("two extensions give what one gives")
	}
}

// The attack that makes PCR0 alone worthless: bytes moved from one part to the next keep it. The
// others show it.
func TestShiftedBoundariesKeepPCR0(t *testing.T) {
	a := measure.Compute([]byte("kernel"), "cmdline", []byte("program"), []byte("policy"))
	b := measure.Compute([]byte("kernel"), "cmdline", []byte("programpol"), []byte("icy"))
	if a.PCR0 != b.PCR0 {
		t.Fatal("the hashes carry lengths after all: correct the documentation")
	}
	if a.PCR1 == b.PCR1 || a.PCR2 == b.PCR2 {
		t.Error("PCR1 and PCR2 do not tell the images apart")
	}
	c := measure.Compute([]byte("kern"), "elcmdline", []byte("program"), []byte("policy"))
	if c != a {
		t.Fatal("kernel and command line are told apart after all: correct the documentation")
	}
}

// Every part counts.
func TestEveryPartIsMeasured(t *testing.T) {
	base := measure.DevImage([]byte("program"), []byte("policy"))
	if p := measure.DevImage([]byte("Program"), []byte("policy")); p.PCR0 == base.PCR0 || p.PCR1 == base.PCR1 || p.PCR2 != base.PCR2 {
		t.Error("another program is not seen in PCR0 and PCR1 alone")
	}
	if p := measure.DevImage([]byte("program"), []byte("Policy")); p.PCR0 == base.PCR0 || p.PCR1 != base.PCR1 || p.PCR2 == base.PCR2 {
		t.Error("another policy is not seen in PCR0 and PCR2 alone")
	}
}
