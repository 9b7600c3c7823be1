// Package measure computes the platform configuration registers that a Nitro hypervisor gives an
// image (SPEC 10), so that an owner can derive the values to pin from files that the owner rebuilt.
// Compute is the main call.
//
// The hashes carry no lengths: bytes can be shifted between kernel, command line and ramdisks
// without changing PCR0. No single register identifies an image; compare PCR0, PCR1 and PCR2
// together, with PCR2 recomputed from the policy by PolicyPCR2.
package measure

import (
	"anchorhold/protocol/cpio"
	"anchorhold/protocol/digest"
)

// PCR is the value of one register.
type PCR = digest.Digest

// Image holds the three registers that identify an image together, never one alone.
type Image struct{ PCR0, PCR1, PCR2 digest.Digest }

const (
	programName = "init"
	programMode = 0o100755
	policyName  = "policy.cbor"
	policyMode  = 0o100444

	// DevCommandLine is the command line that anchorhold-dev measures (SPEC 10.1). No kernel is
	// ever started with it, so these measurements cannot be those of a real image.
	DevCommandLine = "anchorhold-dev INSECURE"
)

// Extend returns the register value after data was added to old: H(old ‖ data).
func Extend(old digest.Digest, data []byte) digest.Digest {
	return digest.Sum(old[:], data)
}

// first is the value of a register that was extended once, from zero.
func first(data []byte) digest.Digest {
	return Extend(digest.Digest{}, data)
}

// Compute returns the registers of an image. The command line is measured as it stands: without
// newline or NUL. With no second ramdisk PCR2 is the extension with the hash of nothing, as the
// hypervisor has it.
func Compute(kernel []byte, cmdline string, ramdisks ...[]byte) Image {
	var boot, rest [][]byte
	boot = append(boot, kernel, []byte(cmdline))
	if len(ramdisks) > 0 {
		boot = append(boot, ramdisks[0])
		rest = ramdisks[1:]
	}
	all := append(append([][]byte{}, boot...), rest...)
	h0, h1, h2 := digest.Sum(all...), digest.Sum(boot...), digest.Sum(rest...)
	return Image{PCR0: first(h0[:]), PCR1: first(h1[:]), PCR2: first(h2[:])}
}

// ProgramRamdisk returns ramdisk 0: the archive whose one entry is the program, as init.
func ProgramRamdisk(program []byte) []byte {
	return cpio.Archive(cpio.File{Name: programName, Mode: programMode, Data: program})
}

// PolicyRamdisk returns ramdisk 1: the archive whose one entry is the compiled policy.
func PolicyRamdisk(policy []byte) []byte {
	return cpio.Archive(cpio.File{Name: policyName, Mode: policyMode, Data: policy})
}

// PolicyPCR2 returns PCR2 of an image of layout anchorhold that runs under this compiled policy.
func PolicyPCR2(policy []byte) digest.Digest {
	h := digest.Sum(PolicyRamdisk(policy))
	return first(h[:])
}

// RolePCR3 returns PCR3 of an enclave on an instance with this IAM role.
func RolePCR3(arn string) digest.Digest { return first([]byte(arn)) }

// InstancePCR4 returns PCR4 of an enclave on the instance with this id.
func InstancePCR4(id string) digest.Digest { return first([]byte(id)) }

// CertificatePCR8 returns PCR8 of an image signed with this certificate (DER).
func CertificatePCR8(der []byte) digest.Digest {
	h := digest.Sum(der)
	return first(h[:])
}

// DevImage returns the registers that the software NSM shows for a program and a policy: the
// formulas of Compute over an empty kernel and DevCommandLine.
func DevImage(program, policy []byte) Image {
	return Compute(nil, DevCommandLine, ProgramRamdisk(program), PolicyRamdisk(policy))
}
