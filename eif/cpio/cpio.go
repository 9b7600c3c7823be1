// Package cpio lists what a ramdisk unpacks to: newc ("070701") cpio archives, read as Linux's
// initramfs unpacker reads them. Parse is the one call. The writer for our own ramdisks is
// protocol/cpio.
//
// It reads a stranger's archives, directories, links and devices included. It follows the unpacker
// past the first trailer: what stands behind one archive is unpacked over it, so a listing that
// stopped there would hide files. Compressed archives are not read.
package cpio

//go:generate go run generate.go

import (
	"bytes"
	"fmt"
)

const (
	magic      = "070701"
	trailer    = "TRAILER!!!"
	align      = 4
	headerSize = 110  // magic and 13 fields of 8 hex digits
	maxName    = 4096 // PATH_MAX, the unpacker's limit

	// maxEntries bounds the listing and the memory for it; a large container's root file system has
	// 100,000.
	maxEntries = 1 << 18
)

// Fault is one way in which an archive can be wrong; errors.As finds it in what Parse returns.
type Fault string

// The faults, each the word of an expect header in testdata.
const (
	NotNewc   Fault = "not-newc"   // no newc archive where one must begin
	Truncated Fault = "truncated"  // ends inside an entry, or before a trailer
	Header    Fault = "header"     // a field that is no hexadecimal number
	Name      Fault = "name"       // empty, too long, not ended by a NUL or with one inside
	TooMany   Fault = "too-many"   // more entries than maxEntries
	Trailer   Fault = "trailer"    // a trailer with contents
	Compress  Fault = "compressed" // a compressed archive
)

func (f Fault) Error() string { return string(f) }

// Entry is one entry of an archive. Data is a part of the archive's bytes.
type Entry struct {
	Name                  string
	Inode, Mode, UID, GID uint32
	Links, MTime          uint32
	DevMajor, DevMinor    uint32 // device of the file system
	RDevMajor, RDevMinor  uint32 // of a device node
	Data                  []byte
	Offset, DataOffset    int // of header and data in the ramdisk
	// 0 for the first archive of the ramdisk, 1 for one behind its trailer, …
	Archive int
}

// Parse lists all entries of all archives in b, trailers left out. The errors are Faults with the
// offset at which they were found.
func Parse(b []byte) ([]Entry, error) {
	var entries []Entry
	pos, archive := 0, 0
	for {
		e, next, err := parseEntry(b, pos)
		if err != nil {
			return nil, err
		}
		pos = next
		if e.Name != trailer {
			if len(entries) == maxEntries {
				return nil, fault(TooMany, pos, "over %d entries", maxEntries)
			}
			e.Archive = archive
			entries = append(entries, e)
			continue
		}
		if len(e.Data) != 0 {
			return nil, fault(Trailer, pos, "a trailer with %d bytes of contents", len(e.Data))
		}
		// Linux skips zeros behind a trailer and unpacks what follows them.
		for pos < len(b) && b[pos] == 0 {
			pos++
		}
		if pos == len(b) {
			return entries, nil
		}
		archive++
	}
}

func parseEntry(b []byte, pos int) (Entry, int, error) {
	if err := checkMagic(b, pos); err != nil {
		return Entry{}, 0, err
	}
	if len(b)-pos < headerSize {
		return Entry{}, 0, fault(Truncated, pos, "%d bytes left, an entry's header has %d", len(b)-pos, headerSize)
	}
	var f [13]uint32
	for i := range f {
		at := pos + len(magic) + 8*i
		v, ok := hexField(b[at : at+8])
		if !ok {
			return Entry{}, 0, fault(Header, at, "field %d is not hexadecimal", i)
		}
		f[i] = v
	}
	e := Entry{
		Inode: f[0], Mode: f[1], UID: f[2], GID: f[3], Links: f[4], MTime: f[5],
		DevMajor: f[7], DevMinor: f[8], RDevMajor: f[9], RDevMinor: f[10], Offset: pos,
	}
	nameLen, size := uint64(f[11]), uint64(f[6])
	start := uint64(pos + headerSize)
	if nameLen < 2 || nameLen > maxName {
		return Entry{}, 0, fault(Name, pos, "name of %d bytes, want 2 to %d with its NUL", nameLen, maxName)
	}
	if start+nameLen > uint64(len(b)) {
		return Entry{}, 0, fault(Truncated, pos, "ends inside a name")
	}
	name := b[start : start+nameLen]
	if bytes.IndexByte(name, 0) != len(name)-1 {
		return Entry{}, 0, fault(Name, pos, "name is not ended by its only NUL")
	}
	e.Name = string(name[:len(name)-1])
	// In 64 bits: declared sizes near 4 GiB must not wrap around.
	data := padded(start + nameLen)
	if data+size > uint64(len(b)) {
		return Entry{}, 0, fault(Truncated, pos, "%q has %d bytes, the ramdisk ends before them", e.Name, size)
	}
	e.Data, e.DataOffset = b[data:data+size], int(data)
	// The last entry's padding may be cut off at the end of the ramdisk.
	return e, int(min(padded(data+size), uint64(len(b)))), nil
}

// checkMagic tells what does not begin with an entry apart: nothing, a compressed archive, anything
// else.
func checkMagic(b []byte, pos int) error {
	rest := b[pos:]
	switch {
	case bytes.HasPrefix(rest, []byte(magic)):
		return nil
	case len(rest) == 0:
		return fault(Truncated, pos, "ends without a trailer")
	case bytes.HasPrefix([]byte(magic), rest):
		return fault(Truncated, pos, "ends inside a header")
	}
	for name, m := range map[string]string{"gzip": "\x1f\x8b", "xz": "\xfd7zXZ", "zstd": "\x28\xb5\x2f\xfd", "bzip2": "BZh", "lz4": "\x02\x21\x4c\x18"} {
		if bytes.HasPrefix(rest, []byte(m)) {
			return fault(Compress, pos, "%s", name)
		}
	}
	return fault(NotNewc, pos, "want %s", magic)
}

func hexField(digits []byte) (uint32, bool) {
	var v uint32
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint32(c)
	}
	return v, true
}

func padded(n uint64) uint64 { return (n + align - 1) / align * align }

func fault(f Fault, pos int, format string, args ...any) error {
	return fmt.Errorf("cpio: %w at byte %d: %s", f, pos, fmt.Sprintf(format, args...))
}
