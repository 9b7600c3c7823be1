// Package imagetest makes the images that somebody who starts enclaves could make of a good one:
// bytes moved from one part to the next, so that registers stay equal, and ramdisks that unpack
// over others. Attacks is the call. For tests: an enclave started from any of these must not serve.
package imagetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"anchorhold/eif/image"
	"anchorhold/protocol/cpio"
	"anchorhold/protocol/measure"
)

// Attack is one such image.
type Attack struct {
	Name        string
	Kernel      []byte
	CommandLine []byte // not always text
	Ramdisks    [][]byte
	// Equal are the registers that the attack keeps: all of PCR0, PCR1, PCR2 in the worst case.
	Equal []string
	// Boots tells whether Linux reaches /init. If not, the kernel ends the enclave.
	Boots bool
}

// Attacks returns the attacks on a good image of our layout. The other program is what a foreign
// /init of ramdisk 1 is; in a test, one of ours.
func Attacks(good *image.Image, other []byte) ([]Attack, error) {
	_, _, policy, err := good.Layout()
	if err != nil {
		return nil, err
	}
	kernel, line, disks := good.Kernel(), []byte(good.CommandLine()), good.Ramdisks()
	const words = "console=ttyS0 " // what a kernel can do without
	const last = " random.trust_cpu=on"
	if !bytes.HasPrefix(line, []byte(words)) || !bytes.HasSuffix(line, []byte(last)) || len(last)%4 != 0 {
		return nil, fmt.Errorf("command line %q has not the words that the attacks move", line)
	}
	all := []string{"PCR0", "PCR1", "PCR2"}
	const header = 8 // of a ramdisk's first entry
	tail := len(kernel) - 4
	// bytes between ramdisks: within the last entry of one, and the first of the other
	const moved = 60
	return []Attack{
		{"command line into kernel", join(kernel, []byte(words)), line[len(words):], disks, all, true},
		{"kernel into command line", kernel[:tail], join(kernel[tail:], line), disks, all, true},
		{"command line into ramdisk 0", kernel, line[:len(line)-len(last)], [][]byte{join([]byte(last), disks[0]), disks[1]}, all, false},
		{"ramdisk 0 into command line", kernel, join(line, disks[0][:header]), [][]byte{disks[0][header:], disks[1]}, all, false},
		{"ramdisk 1 into ramdisk 0", kernel, line, [][]byte{join(disks[0], disks[1][:moved]), disks[1][moved:]}, []string{"PCR0"}, true},
		{"ramdisk 0 into ramdisk 1", kernel, line, [][]byte{disks[0][:len(disks[0])-moved], join(disks[0][len(disks[0])-moved:], disks[1])}, []string{"PCR0"}, true},
		{"all ramdisks in one", kernel, line, [][]byte{join(disks[0], disks[1])}, []string{"PCR0"}, true},
		{"other init in ramdisk 1", kernel, line, [][]byte{disks[0], overlay(policy, cpio.File{Name: "init", Mode: 0o100755, Data: other})}, []string{"PCR1"}, true},
		{"other init in a ramdisk 2", kernel, line, [][]byte{disks[0], disks[1], cpio.Archive(cpio.File{Name: "init", Mode: 0o100755, Data: other})}, []string{"PCR1"}, true},
		{"further file in ramdisk 1", kernel, line, [][]byte{disks[0], overlay(policy, cpio.File{Name: "x", Mode: 0o100644, Data: []byte("x")})}, []string{"PCR1"}, true},
		{"other mode of the policy", kernel, line, [][]byte{disks[0], cpio.Archive(cpio.File{Name: "policy.cbor", Mode: 0o100666, Data: policy})}, []string{"PCR1"}, true},
		{"policy a link to the program", kernel, line, [][]byte{disks[0], cpio.Archive(cpio.File{Name: "policy.cbor", Mode: 0o120777, Data: []byte("/init")})}, []string{"PCR1"}, true},
		{"word added to the command line", kernel, join(line, []byte(" rdinit=/init")), disks, []string{"PCR2"}, true},
	}, nil
}

func overlay(policy []byte, f cpio.File) []byte {
	return cpio.Archive(cpio.File{Name: "policy.cbor", Mode: 0o100444, Data: policy}, f)
}

func join(a, b []byte) []byte { return slices.Concat(a, b) }

// Measure returns the image's registers.
func (a Attack) Measure() measure.Image {
	return measure.Compute(a.Kernel, string(a.CommandLine), a.Ramdisks...)
}

// Presented is the command line as Linux has it: to the first NUL.
func (a Attack) Presented() string {
	line, _, _ := bytes.Cut(a.CommandLine, []byte{0})
	return string(line)
}

// The fields of an EIF that Encode has to write anew.
const (
	tableOffset   = 28
	crcOffset     = 544
	sectionHeader = 12
)

// Encode returns the EIF. Our own encoder refuses command lines that are not text; the attacker's
// does not.
func (a Attack) Encode() ([]byte, error) {
	i := &image.Image{DefaultMemory: 1 << 30, DefaultCPUs: 2, Sections: []image.Section{
		{Type: image.Kernel, Data: a.Kernel},
		{Type: image.CommandLine, Data: []byte(strings.Repeat("x", len(a.CommandLine)))},
	}}
	for _, d := range a.Ramdisks {
		i.Sections = append(i.Sections, image.Section{Type: image.Ramdisk, Data: d})
	}
	b, err := i.Encode()
	if err != nil {
		return nil, err
	}
	at := binary.BigEndian.Uint64(b[tableOffset+8:]) + sectionHeader
	copy(b[at:], a.CommandLine)
	crc := crc32.ChecksumIEEE(b[:crcOffset])
	binary.BigEndian.PutUint32(b[crcOffset:], crc32.Update(crc, crc32.IEEETable, b[crcOffset+4:]))
	return b, nil
}
