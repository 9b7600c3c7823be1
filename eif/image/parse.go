package image

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Fault is one way in which an image can be wrong; errors.As finds it in what this package returns.
type Fault string

// The faults, each the word of an expect header in testdata.
const (
	NotEIF     Fault = "not-eif"      // another magic
	Version    Fault = "version"      // not version 4
	Truncated  Fault = "truncated"    // ends before its header or a section does
	Reserved   Fault = "reserved"     // unknown flags, or bits that must be zero
	Count      Fault = "count"        // number of sections
	Table      Fault = "table"        // header's table and section headers disagree
	Order      Fault = "order"        // unknown, missing, repeated or misplaced section
	Trailing   Fault = "trailing"     // bytes behind the last section
	Checksum   Fault = "checksum"     // CRC-32
	CmdLine    Fault = "command-line" // a NUL or a line break, which /proc/cmdline could not show
	BadMeta    Fault = "metadata"     // metadata section
	Unsigned   Fault = "unsigned"     // no signature section
	BadSection Fault = "signature-section"
	BadCert    Fault = "certificate"
	OtherCert  Fault = "other-certificate" // not the certificate that the caller expects
	BadKey     Fault = "key"               // not a P-384 key, or not that of the certificate
	// a key that this package cannot verify with: says nothing about the signature
	Unsupported Fault = "unsupported"
	// signed with another algorithm than the certificate's key has
	Algorithm Fault = "algorithm"
	Expired   Fault = "expired" // now is outside the certificate's validity
	// signed bytes are not those rebuilt from the measurement
	OtherPCR0 Fault = "other-pcr0"
	Mixed     Fault = "architecture" // parts for different architectures
	Forged    Fault = "forged"       // signature does not verify
)

func (f Fault) Error() string { return string(f) }

func fault(f Fault, format string, args ...any) error {
	return fmt.Errorf("%w: %s", f, fmt.Sprintf(format, args...))
}

// Parse reads an image. It refuses whatever Encode would not write again byte for byte: sections
// must follow each other without gaps, in the table's order, with nothing after them and a correct
// checksum. The sections are parts of b. Every error is a Fault with the section and the field,
// named as in AWS's EifHeader and EifSectionHeader.
func Parse(b []byte) (*Image, error) {
	n, err := checkHeader(b)
	if err != nil {
		return nil, err
	}
	i := &Image{
		ARM64:         binary.BigEndian.Uint16(b[6:])&flagARM64 != 0,
		DefaultMemory: binary.BigEndian.Uint64(b[8:]),
		DefaultCPUs:   binary.BigEndian.Uint64(b[16:]),
	}
	pos := uint64(headerSize)
	for k := range n {
		s, next, err := parseSection(b, k, pos)
		if err != nil {
			return nil, err
		}
		if err := checkTable(b, k, pos, s); err != nil {
			return nil, err
		}
		i.Sections = append(i.Sections, s)
		pos = next
	}
	if pos != uint64(len(b)) {
		return nil, fault(Trailing, "%d bytes after section %d (%v), the last of num_sections", uint64(len(b))-pos, n-1, i.Sections[n-1].Type)
	}
	if err := checkChecksum(b); err != nil {
		return nil, err
	}
	if err := i.check(); err != nil {
		return nil, err
	}
	return i, nil
}

// checkHeader returns the number of sections.
func checkHeader(b []byte) (int, error) {
	if len(b) >= len(magic) && string(b[:len(magic)]) != magic {
		return 0, fault(NotEIF, "header: magic is %x, want %x (%s)", b[:len(magic)], magic, magic)
	}
	if len(b) < headerSize {
		return 0, fault(Truncated, "header: the file has %d bytes, the header %d", len(b), headerSize)
	}
	if v := binary.BigEndian.Uint16(b[4:]); v != version {
		return 0, fault(Version, "header: version is %d, want %d", v, version)
	}
	if f := binary.BigEndian.Uint16(b[6:]); f&^flagARM64 != 0 {
		return 0, fault(Reserved, "header: flags is %#x, only bit 0 (aarch64) is known", f)
	}
	if r := binary.BigEndian.Uint16(b[24:]); r != 0 {
		return 0, fault(Reserved, "header: reserved is %d, want 0", r)
	}
	if u := binary.BigEndian.Uint32(b[540:]); u != 0 {
		return 0, fault(Reserved, "header: unused is %d, want 0", u)
	}
	n := int(binary.BigEndian.Uint16(b[26:]))
	if n < 1 || n > maxSections {
		return 0, fault(Count, "header: num_sections is %d, want 1 to %d", n, maxSections)
	}
	for k := n; k < maxSections; k++ {
		if offset, size := tableEntry(b, k); offset != 0 || size != 0 {
			return 0, fault(Table, "header: section_offsets[%d] is %d and section_sizes[%d] is %d, want 0: num_sections is %d", k, offset, k, size, n)
		}
	}
	return n, nil
}

func tableEntry(b []byte, k int) (offset, size uint64) {
	return binary.BigEndian.Uint64(b[28+8*k:]), binary.BigEndian.Uint64(b[sizesOffset+8*k:])
}

// parseSection reads the section at pos by its own header.
func parseSection(b []byte, k int, pos uint64) (Section, uint64, error) {
	rest := uint64(len(b)) - pos
	if rest < sectionHeaderSize {
		return Section{}, 0, fault(Truncated, "section %d: %d bytes left for its header, want %d: num_sections is %d",
			k, rest, sectionHeaderSize, binary.BigEndian.Uint16(b[26:]))
	}
	t, size := SectionType(binary.BigEndian.Uint16(b[pos:])), binary.BigEndian.Uint64(b[pos+4:])
	if t < Kernel || t > Metadata {
		return Section{}, 0, fault(Order, "section %d: section_type is %d, want %d (%v) to %d (%v)", k, uint16(t), Kernel, Kernel, Metadata, Metadata)
	}
	if f := binary.BigEndian.Uint16(b[pos+2:]); f != 0 {
		return Section{}, 0, fault(Reserved, "section %d (%v): flags is %#x, want 0", k, t, f)
	}
	pos, rest = pos+sectionHeaderSize, rest-sectionHeaderSize
	if size > rest {
		return Section{}, 0, fault(Truncated, "section %d (%v): section_size is %d, the file ends after %d", k, t, size, rest)
	}
	return Section{t, b[pos : pos+size : pos+size]}, pos + size, nil
}

// checkTable wants the header's table to say the same as the section that stands at pos. Loaders
// differ in which of both they follow: images in which table and section headers disagree would be
// different images to different readers.
func checkTable(b []byte, k int, pos uint64, s Section) error {
	offset, size := tableEntry(b, k)
	switch {
	case offset < pos:
		return fault(Table, "section %d (%v): section_offsets[%d] is %d, inside what precedes it, which ends at %d", k, s.Type, k, offset, pos)
	case offset > pos:
		return fault(Table, "section %d (%v): section_offsets[%d] is %d, what precedes it ends at %d", k, s.Type, k, offset, pos)
	case size != uint64(len(s.Data)):
		hint := ""
		if s.Type == Signature {
			hint = " (AWS's library writes that when it signs an image again: see anchorhold-eif repair)"
		}
		return fault(Table, "section %d (%v): section_sizes[%d] is %d, its own section_size %d%s", k, s.Type, k, size, len(s.Data), hint)
	}
	return nil
}

func checkChecksum(b []byte) error {
	if got, want := binary.BigEndian.Uint32(b[crcOffset:]), checksum(b); got != want {
		return fault(Checksum, "header: eif_crc32 is %08x, the content has %08x", got, want)
	}
	return nil
}

// check refuses compositions that no loader takes, or that loaders measure in different orders.
func (i *Image) check() error {
	if len(i.Sections) > maxSections {
		return fault(Count, "%d sections, want at most %d", len(i.Sections), maxSections)
	}
	first := map[SectionType]int{}
	for k, s := range i.Sections {
		if at, repeated := first[s.Type]; repeated && s.Type != Ramdisk {
			return fault(Order, "section %d (%v): section %d is one already, want one", k, s.Type, at)
		} else if !repeated {
			first[s.Type] = k
		}
		if (s.Type == Kernel) != (k == 0) || (s.Type == CommandLine) != (k == 1) {
			return fault(Order, "section %d (%v): want the kernel as section 0 and the command line as section 1", k, s.Type)
		}
	}
	for _, t := range []SectionType{CommandLine, Ramdisk} {
		if _, found := first[t]; !found {
			return fault(Order, "no section is a %v", t)
		}
	}
	return CheckCommandLine(i.CommandLine())
}

// CheckCommandLine refuses what a command line cannot carry to /proc/cmdline as it is measured:
// line breaks, NULs, anything but printable ASCII. Error: CmdLine.
func CheckCommandLine(s string) error {
	for k := range len(s) {
		if c := s[k]; c < 0x20 || c > 0x7e {
			return fault(CmdLine, "command line: byte %#02x at %d, want printable ASCII", c, k)
		}
	}
	return nil
}

// checksum is CRC-32 (IEEE) over everything but itself.
func checksum(b []byte) uint32 {
	crc := crc32.ChecksumIEEE(b[:crcOffset])
	return crc32.Update(crc, crc32.IEEETable, b[headerSize:])
}
