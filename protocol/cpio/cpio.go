// Package cpio writes the two ramdisk archives of SPEC 10: newc ("070701") cpio archives whose
// bytes depend on the names, modes and contents of their entries and on nothing else. Archive is
// the one call.
//
// It is no general cpio writer: there are no directories, links or devices, because every further
// entry would be measured program that a reviewer has to read.
package cpio

import (
	"bytes"
	"fmt"
)

// File is one regular file of an archive.
type File struct {
	Name string // without a leading slash
	Mode uint32 // file type and permission bits, such as 0o100755
	Data []byte
}

const (
	magic   = "070701"
	trailer = "TRAILER!!!"
	align   = 4 // newc pads name and data to this, initramfs buffer format
	maxSize = 1<<32 - 1
)

// Archive returns the archive of files in the order given (SPEC 10). It panics on an entry that
// newc cannot hold, which only a mistake in the calling program can cause: an empty name, a NUL in
// it, the trailer's name, or 4 GiB of data.
func Archive(files ...File) []byte {
	var b bytes.Buffer
	for _, f := range files {
		checkFile(f)
		entry(&b, f, 1)
	}
	entry(&b, File{Name: trailer}, 0)
	return b.Bytes()
}

func checkFile(f File) {
	// A NUL or a second trailer would end the name or the archive early for the kernel's unpacker
	// only: measured bytes and unpacked files would disagree.
	if f.Name == "" || f.Name == trailer || bytes.IndexByte([]byte(f.Name), 0) >= 0 {
		panic(fmt.Sprintf("cpio: invalid entry name %q", f.Name))
	}
	if uint64(len(f.Data)) > maxSize {
		panic("cpio: entry too large")
	}
}

// entry appends one header with name and data. Fields that could differ from build to build are
// fixed: inode as given, one link, and zero for owner, group, times and devices.
func entry(b *bytes.Buffer, f File, inode uint32) {
	fields := [...]uint32{
		inode, f.Mode, 0, 0, 1, 0, uint32(len(f.Data)),
		0, 0, 0, 0, uint32(len(f.Name) + 1), 0,
	}
	b.WriteString(magic)
	for _, v := range fields {
		fmt.Fprintf(b, "%08X", v)
	}
	b.WriteString(f.Name)
	b.WriteByte(0)
	pad(b)
	b.Write(f.Data)
	pad(b)
}

func pad(b *bytes.Buffer) {
	for b.Len()%align != 0 {
		b.WriteByte(0)
	}
}
