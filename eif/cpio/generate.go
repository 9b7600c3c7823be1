//go:build ignore

// Generate writes the vectors of this package: one archive or one fault each.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"anchorhold/protocol/cpio"
	"anchorhold/protocol/protocoltest/vectorfile"
)

var (
	one = cpio.Archive(cpio.File{Name: "init", Mode: 0o100755, Data: []byte("program")})
	// The writer refuses this name, so it gets it afterwards.
	fullTrailer = bytes.Replace(cpio.Archive(cpio.File{Name: "TRAILER!!?", Data: []byte("x")}), []byte("!!?"), []byte("!!!"), 1)
	second      = cpio.Archive(cpio.File{Name: "init", Mode: 0o100755, Data: []byte("another")})
)

// at returns a copy of the first archive with bytes overwritten.
func at(pos int, with string) []byte {
	b := bytes.Clone(one)
	copy(b[pos:], with)
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func main() {
	const sizeField, nameField, firstField = 6 + 8*6, 6 + 8*11, 6
	for _, v := range []struct {
		name, expect, files, comment string
		body                         []byte
	}{
		{"one", "ok", "init=program", "the archive of ramdisk 0", one},
		{"empty", "ok", "", "a trailer and nothing else", cpio.Archive()},
		{"lowercase", "ok", "init=program", "hexadecimal digits in lower case, as other writers have them", bytes.Replace(one, []byte("000081ED"), []byte("000081ed"), 1)},
		{"zeros-behind", "ok", "init=program", "padding behind the trailer", join(one, make([]byte, 512))},
		{"second-archive", "ok", "init=program init=another", "an archive behind the trailer: Linux unpacks it over the first", join(one, second)},
		{"second-after-zeros", "ok", "init=program init=another", "likewise behind zeros", join(one, make([]byte, 512), second)},
		{"no-bytes", "truncated", "", "an empty ramdisk", nil},
		{"no-trailer", "truncated", "", "ends behind the first entry", one[:124+8]},
		{"in-header", "truncated", "", "ends inside a header", one[:60]},
		{"in-magic", "truncated", "", "ends inside the magic", one[:3]},
		{"in-name", "truncated", "", "ends inside a name", one[:112]},
		{"size-past-end", "truncated", "", "a declared size of 4 GiB less 1", at(sizeField, "FFFFFFFF")},
		{"not-hex", "header", "", "a field that is no number", at(firstField, "0000000G")},
		{"sign", "header", "", "a sign is no digit", at(firstField, "+0000001")},
		{"name-empty", "name", "", "a name length of 1", at(nameField, "00000001")},
		{"name-long", "name", "", "a name of 4 GiB less 1", at(nameField, "FFFFFFFF")},
		{"name-no-nul", "name", "", "a name that no NUL ends", at(114, "x")},
		{"name-nul-inside", "name", "", "a NUL inside a name: the unpacker's name would be shorter", at(111, "\x00")},
		{"trailer-full", "trailer", "", "contents in a trailer", fullTrailer},
		{"garbage", "not-newc", "", "not an archive", []byte("not an archive")},
		{"old-format", "not-newc", "", "the portable ASCII format", at(0, "070707")},
		{"garbage-behind", "not-newc", "", "bytes that are no archive behind the trailer", join(one, []byte("x"))},
		{"gzip", "compressed", "", "a compressed ramdisk", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00")},
		{"gzip-behind", "compressed", "", "a compressed archive behind the trailer: Linux unpacks it over the first", join(one, []byte("\x1f\x8b\x08\x00"))},
	} {
		header := map[string]string{"expect": v.expect, "comment": v.comment, "encoding": "hex"}
		if v.files != "" {
			header["files"] = v.files
		}
		text, err := vectorfile.Format(header, v.body)
		if err != nil {
			log.Fatal(fmt.Errorf("%s: %w", v.name, err))
		}
		if err := os.WriteFile(filepath.Join("testdata", v.name+".txt"), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
