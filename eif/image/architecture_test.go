package image_test

import (
	"debug/elf"
	"encoding/binary"
	"testing"

	"anchorhold/eif/image"
)

func bzImage() []byte {
	b := make([]byte, 0x400)
	copy(b, "MZ")
	binary.LittleEndian.PutUint16(b[0x1fe:], 0xaa55)
	copy(b[0x202:], "HdrS")
	return b
}

func armImage() []byte {
	b := make([]byte, 0x400)
	copy(b, "MZ")
	copy(b[0x38:], "ARM\x64")
	return b
}

func elfFile(class elf.Class, machine elf.Machine) []byte {
	b := make([]byte, 64)
	copy(b, "\x7fELF")
	b[4], b[5], b[6] = byte(class), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	binary.LittleEndian.PutUint16(b[16:], uint16(elf.ET_REL))
	binary.LittleEndian.PutUint16(b[18:], uint16(machine))
	binary.LittleEndian.PutUint32(b[20:], uint32(elf.EV_CURRENT))
	binary.LittleEndian.PutUint16(b[52:], 64)
	return b
}

func TestKernelArchitecture(t *testing.T) {
	noFlag, noMagic := bzImage(), bzImage()
	noFlag[0x1fe] = 0
	copy(noMagic[0x202:], "hDRs")
	for name, c := range map[string]struct {
		kernel []byte
		want   image.Architecture
	}{
		"bzImage":                   {bzImage(), image.X86},
		"arm64 Image":               {armImage(), image.ARM},
		"ELF for x86_64":            {elfFile(elf.ELFCLASS64, elf.EM_X86_64), image.X86},
		"ELF for aarch64":           {elfFile(elf.ELFCLASS64, elf.EM_AARCH64), image.ARM},
		"ELF for another machine":   {elfFile(elf.ELFCLASS64, elf.EM_RISCV), image.Unknown},
		"text":                      {[]byte("kernel"), image.Unknown},
		"nothing":                   {nil, image.Unknown},
		"bzImage without boot flag": {noFlag, image.Unknown},
		"bzImage without magic":     {noMagic, image.Unknown},
		"short bzImage":             {bzImage()[:0x204], image.Unknown},
		"short arm64 Image":         {armImage()[:0x3a], image.Unknown},
	} {
		if got := image.KernelArchitecture(c.kernel); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCheckArchitectures(t *testing.T) {
	x86, arm := elfFile(elf.ELFCLASS64, elf.EM_X86_64), elfFile(elf.ELFCLASS64, elf.EM_AARCH64)
	for name, c := range map[string]struct {
		program        image.Architecture
		kernel, module []byte
		undecided      int
		refused        bool
	}{
		"x86":                {image.X86, bzImage(), x86, 0, false},
		"arm":                {image.ARM, armImage(), arm, 0, false},
		"x86 program on arm": {image.X86, armImage(), x86, 0, true},
		"arm program on x86": {image.ARM, bzImage(), arm, 0, true},
		"module of another":  {image.ARM, armImage(), x86, 0, true},
		"unknown kernel":     {image.X86, []byte("kernel"), x86, 1, false},
		"unknown module":     {image.X86, bzImage(), []byte("module"), 1, false},
		"unknown, and wrong": {image.X86, []byte("kernel"), arm, 0, true},
	} {
		undecided, err := image.CheckArchitectures(c.program, c.kernel, map[string][]byte{"NSM module": c.module})
		if (err != nil) != c.refused || len(undecided) != c.undecided {
			t.Errorf("%s: got %v and %v", name, undecided, err)
		}
		if c.refused {
			wantFault(t, err, "architecture")
		}
	}
}
