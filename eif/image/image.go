// Package image reads and writes the Enclave Image Format, version 4: Parse and Image.Encode. New
// builds an image of our own layout (SPEC 10), Sign and Verify handle its signature section, Repair
// corrects images that AWS's library signed again. Source: aws-nitro-enclaves-image-format,
// src/defs and src/utils.
//
// An image says nothing about its own worth: header, section headers, metadata and signature are
// not measured. What identifies it is Measure, and only PCR0, 1 and 2 together.
package image

//go:generate go run generate.go

import (
	"fmt"

	"anchorhold/protocol/measure"
)

// SectionType is the kind of a section.
type SectionType uint16

// The section types of version 4.
const (
	Kernel SectionType = iota + 1
	CommandLine
	Ramdisk
	Signature
	Metadata
)

func (t SectionType) String() string {
	switch t {
	case Kernel:
		return "kernel"
	case CommandLine:
		return "command line"
	case Ramdisk:
		return "ramdisk"
	case Signature:
		return "signature"
	case Metadata:
		return "metadata"
	}
	return fmt.Sprintf("section type %d", uint16(t))
}

const (
	magic             = ".eif"
	version           = 4
	headerSize        = 548
	sizesOffset       = 284            // of section_sizes
	crcOffset         = headerSize - 4 // the last field
	sectionHeaderSize = 12
	maxSections       = 32 // EIF, MAX_NUM_SECTIONS

	// The values that nitro-cli writes. Nothing reads them: run-enclave takes memory and CPUs from
	// its own options.
	defaultMemory = 1 << 30
	defaultCPUs   = 2

	flagARM64 = 1
)

// Section is one part of an image. Data of a parsed image is a part of the bytes that were parsed.
type Section struct {
	Type SectionType
	Data []byte
}

// Image is the content of an EIF: a kernel, a command line, then in any order at least one ramdisk
// and at most one metadata and one signature section.
type Image struct {
	ARM64         bool
	DefaultMemory uint64 // bytes
	DefaultCPUs   uint64
	Sections      []Section
}

// section returns the first section of a type.
func (i *Image) section(t SectionType) (data []byte, found bool) {
	for _, s := range i.Sections {
		if s.Type == t {
			return s.Data, true
		}
	}
	return nil, false
}

// Kernel returns the kernel's bytes.
func (i *Image) Kernel() []byte {
	b, _ := i.section(Kernel)
	return b
}

// CommandLine returns the kernel's command line as it is measured.
func (i *Image) CommandLine() string {
	b, _ := i.section(CommandLine)
	return string(b)
}

// Signed reports whether there is a signature section; whether it is worth anything: see Verify.
func (i *Image) Signed() bool {
	_, found := i.section(Signature)
	return found
}

// Ramdisks returns the ramdisks in order.
func (i *Image) Ramdisks() [][]byte { return i.all(Ramdisk) }

// all returns the sections of a type in order.
func (i *Image) all(t SectionType) [][]byte {
	var out [][]byte
	for _, s := range i.Sections {
		if s.Type == t {
			out = append(out, s.Data)
		}
	}
	return out
}

// Measure returns PCR0, PCR1 and PCR2. PCR8 is that of the signing certificate: see Certificate.
func (i *Image) Measure() measure.Image {
	return measure.Compute(i.Kernel(), i.CommandLine(), i.Ramdisks()...)
}

// Size returns the length of the encoded image in bytes.
func (i *Image) Size() int {
	n := headerSize
	for _, s := range i.Sections {
		n += sectionHeaderSize + len(s.Data)
	}
	return n
}

const (
	mib            = 1 << 20
	memoryFactor   = 4  // nitro-cli E26: memory must be at least 4 times the image's size
	memoryGranule  = 2  // MiB, huge pages of the driver
	minMemory      = 64 // MiB, NE_MIN_MEM_REGION_SIZE and driver
	cpusWithSMT    = 2  // full cores only
	cpusWithoutSMT = 1
)

// MinimumMemoryMiB returns the least memory with which nitro-cli starts an image of this size. What
// the jobs need comes on top.
func (i *Image) MinimumMemoryMiB() uint64 {
	need := uint64(i.Size()) * memoryFactor
	granules := (need + memoryGranule*mib - 1) / (memoryGranule * mib)
	return max(minMemory, granules*memoryGranule)
}

// MinimumCPUs returns the least number of vCPUs that can be given: a whole core, which has two on
// x86_64 instances with hyper-threading.
func (i *Image) MinimumCPUs() int {
	if i.ARM64 {
		return cpusWithoutSMT
	}
	return cpusWithSMT
}
