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
	Expired    Fault = "expired"           // now is outside the certificate's validity
	OtherPCR0  Fault = "other-pcr0"        // signed bytes are not those rebuilt from the measurement
	Forged     Fault = "forged"            // signature does not verify
)

func (f Fault) Error() string { return string(f) }

func fault(f Fault, format string, args ...any) error {
	return fmt.Errorf("%w: %s", f, fmt.Sprintf(format, args...))
}

// Parse reads an image. It refuses whatever Encode would not write again byte for byte: sections must follow each other without
// gaps, in the table's order, with nothing behind them and a correct checksum. The sections are parts of b.
// Every error is a Fault.
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
		i.Sections = append(i.Sections, s)
		pos = next
	}
	if pos != uint64(len(b)) {
		return nil, fault(Trailing, "%d bytes behind the last section", uint64(len(b))-pos)
	}
	if got, want := binary.BigEndian.Uint32(b[crcOffset:]), checksum(b); got != want {
		return nil, fault(Checksum, "header says %08x, content has %08x", got, want)
	}
	if err := i.check(); err != nil {
		return nil, err
	}
	return i, nil
}

// checkHeader returns the number of sections.
func checkHeader(b []byte) (int, error) {
	if len(b) >= len(magic) && string(b[:len(magic)]) != magic {
		return 0, fault(NotEIF, "begins with %x, want %x (%s)", b[:len(magic)], magic, magic)
	}
	if len(b) < headerSize {
		return 0, fault(Truncated, "%d bytes, the header has %d", len(b), headerSize)
	}
	if v := binary.BigEndian.Uint16(b[4:]); v != version {
		return 0, fault(Version, "version %d, want %d", v, version)
	}
	if f := binary.BigEndian.Uint16(b[6:]); f&^flagARM64 != 0 {
		return 0, fault(Reserved, "flags are %#x, only bit 0 (aarch64) is known", f)
	}
	if r, u := binary.BigEndian.Uint16(b[24:]), binary.BigEndian.Uint32(b[540:]); r != 0 || u != 0 {
		return 0, fault(Reserved, "reserved fields are %d and %d, want 0", r, u)
	}
	n := int(binary.BigEndian.Uint16(b[26:]))
	if n < 1 || n > maxSections {
		return 0, fault(Count, "%d sections, want 1 to %d", n, maxSections)
	}
	for k := n; k < maxSections; k++ {
		if offset, size := tableEntry(b, k); offset != 0 || size != 0 {
			return 0, fault(Table, "entry %d is used, there are %d sections", k, n)
		}
	}
	return n, nil
}

func tableEntry(b []byte, k int) (offset, size uint64) {
	return binary.BigEndian.Uint64(b[28+8*k:]), binary.BigEndian.Uint64(b[284+8*k:])
}

// parseSection reads the section at pos, which the table must name too. Loaders differ in which of both they follow: images in which
// table and section headers disagree would be different images to different readers.
func parseSection(b []byte, k int, pos uint64) (Section, uint64, error) {
	rest := uint64(len(b)) - pos
	if rest < sectionHeaderSize {
		return Section{}, 0, fault(Truncated, "section %d begins at byte %d of %d", k, pos, len(b))
	}
	t, size := SectionType(binary.BigEndian.Uint16(b[pos:])), binary.BigEndian.Uint64(b[pos+4:])
	if f := binary.BigEndian.Uint16(b[pos+2:]); f != 0 {
		return Section{}, 0, fault(Reserved, "flags of section %d are %#x, want 0", k, f)
	}
	if t < Kernel || t > Metadata {
		return Section{}, 0, fault(Order, "section %d is of type %d, which version 4 does not know", k, uint16(t))
	}
	tableOffset, tableSize := tableEntry(b, k)
	if tableOffset != pos || tableSize != size {
		return Section{}, 0, fault(Table, "header has section %d (%v) at byte %d with %d bytes, it stands at %d with %d", k, t, tableOffset, tableSize, pos, size)
	}
	pos, rest = pos+sectionHeaderSize, rest-sectionHeaderSize
	if size > rest {
		return Section{}, 0, fault(Truncated, "section %d (%v) has %d bytes, the file ends after %d", k, t, size, rest)
	}
	return Section{t, b[pos : pos+size : pos+size]}, pos + size, nil
}

// check refuses compositions that no loader takes, or that loaders measure in different orders.
func (i *Image) check() error {
	counts := map[SectionType]int{}
	for k, s := range i.Sections {
		counts[s.Type]++
		if (s.Type == Kernel) != (k == 0) || (s.Type == CommandLine) != (k == 1) {
			return fault(Order, "section %d is %v: want the kernel first, the command line second, each once", k, s.Type)
		}
	}
	if counts[CommandLine] != 1 || counts[Ramdisk] < 1 || counts[Metadata] > 1 || counts[Signature] > 1 {
		return fault(Order, "%d command lines, %d ramdisks, %d metadata, %d signatures: want 1, at least 1, at most 1, at most 1",
			counts[CommandLine], counts[Ramdisk], counts[Metadata], counts[Signature])
	}
	if len(i.Sections) > maxSections {
		return fault(Count, "%d sections, want at most %d", len(i.Sections), maxSections)
	}
	return CheckCommandLine(i.CommandLine())
}

// CheckCommandLine refuses what a command line cannot carry to /proc/cmdline as it is measured: line breaks, NULs, anything but printable
// ASCII. Error: CmdLine.
func CheckCommandLine(s string) error {
	for k := range len(s) {
		if c := s[k]; c < 0x20 || c > 0x7e {
			return fault(CmdLine, "byte %#02x at %d, want printable ASCII", c, k)
		}
	}
	return nil
}

// checksum is CRC-32 (IEEE) over everything but itself.
func checksum(b []byte) uint32 {
	crc := crc32.ChecksumIEEE(b[:crcOffset])
	return crc32.Update(crc, crc32.IEEETable, b[headerSize:])
}
