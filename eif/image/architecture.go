package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"slices"
)

// Architecture is what a kernel or a program runs on.
type Architecture string

// The two architectures of enclaves.
const (
	Unknown Architecture = ""
	X86     Architecture = "x86_64"
	ARM     Architecture = "aarch64"
)

// KernelArchitecture returns the architecture of a bzImage (Linux x86 boot protocol), of an arm64
// Image (Linux, Documentation/arch/arm64/booting.rst) or of an ELF kernel.
func KernelArchitecture(kernel []byte) Architecture {
	const (
		bootFlag    = 0x1fe // 0xaa55
		headerMagic = 0x202 // "HdrS"
		armMagic    = 0x38  // "ARM\x64"
	)
	switch {
	case len(kernel) >= headerMagic+4 && binary.LittleEndian.Uint16(kernel[bootFlag:]) == 0xaa55 &&
		string(kernel[headerMagic:headerMagic+4]) == "HdrS":
		return X86
	case len(kernel) >= armMagic+4 && string(kernel[armMagic:armMagic+4]) == "ARM\x64":
		return ARM
	}
	return ELFArchitecture(kernel)
}

// ELFArchitecture returns the architecture of an ELF file.
func ELFArchitecture(b []byte) Architecture {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return Unknown
	}
	switch {
	case f.Machine == elf.EM_X86_64 && f.Class == elf.ELFCLASS64:
		return X86
	case f.Machine == elf.EM_AARCH64 && f.Class == elf.ELFCLASS64:
		return ARM
	}
	return Unknown
}

// CheckArchitectures refuses a kernel and other files for another architecture than the program's.
// The header's flag follows the program, so such an image would be started on a machine that cannot
// run its kernel, and would end without a message. undecided names the files whose architecture is
// unknown: they were not compared.
func CheckArchitectures(program Architecture, kernel []byte, others map[string][]byte) (undecided []string, err error) {
	compare := func(name string, got Architecture) error {
		switch {
		case got == Unknown:
			undecided = append(undecided, name)
		case got != program:
			return fault(Mixed, "the %s is for %s, the program for %s", name, got, program)
		}
		return nil
	}
	if err := compare("kernel", KernelArchitecture(kernel)); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if err := compare(name, ELFArchitecture(others[name])); err != nil {
			return nil, err
		}
	}
	return undecided, nil
}
