//go:build ignore

// Generate writes the vectors of this package: whole images, small ones, each with one fault or none.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"hash/crc32"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"anchorhold/eif/image"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// now is the time at which testdata is verified; see the tests.
var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func key(curve elliptic.Curve, label string) *ecdsa.PrivateKey {
	seed := sha512.Sum512([]byte(label))
	n := (curve.Params().BitSize + 7) / 8
	seed[0] = 0 // under the group's order
	return must(ecdsa.ParseRawPrivateKey(curve, seed[:n]))
}

func certificate(k *ecdsa.PrivateKey, name string, from, to time.Time) []byte {
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(x509.CreateCertificate(nil, t, t, k.Public(), k))})
}

var (
	signer = key(elliptic.P384(), "signer")
	cert   = certificate(signer, "signer", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
	plain  = must(image.New(parts("kernel", "policy")))
	base   = must(plain.Encode())
	signed = must(must(plain.Sign(signer, cert, now)).Encode())
)

func parts(kernel, policy string) image.Parts {
	return image.Parts{
		Kernel: []byte(kernel), Program: []byte("program"), Policy: []byte(policy), CommandLine: "console=ttyS0",
		Info: image.Info{ImageName: "test", ImageVersion: "1", BuildMetadata: image.BuildInfo{BuildTime: image.BuildTime(now), BuildTool: "generate"}},
	}
}

// encode writes sections without any of Encode's checks.
func encode(sections ...image.Section) []byte {
	b := make([]byte, 548)
	copy(b, base[:24])
	binary.BigEndian.PutUint16(b[26:], uint16(len(sections)))
	for k, s := range sections {
		if k < 32 {
			binary.BigEndian.PutUint64(b[28+8*k:], uint64(len(b)))
			binary.BigEndian.PutUint64(b[284+8*k:], uint64(len(s.Data)))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(s.Type))
		b = binary.BigEndian.AppendUint64(append(b, 0, 0), uint64(len(s.Data)))
		b = append(b, s.Data...)
	}
	return sealed(b)
}

// sealed gives an image its checksum, so that it is refused for what it is about.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[544:], crc32.Update(crc32.ChecksumIEEE(b[:544]), crc32.IEEETable, b[548:]))
	return b
}

// at returns the plain image with bytes overwritten and the checksum right.
func at(pos int, with ...byte) []byte {
	b := bytes.Clone(base)
	copy(b[pos:], with)
	return sealed(b)
}

// withSignature returns the image with this signature section.
func withSignature(section []byte) []byte {
	return encode(append(plain.Sections[:5:5], image.Section{Type: image.Signature, Data: section})...)
}

func signature(b []byte) []byte {
	i := must(image.Parse(b))
	return i.Sections[len(i.Sections)-1].Data
}

type vector struct {
	name, expect, comment string
	body                  []byte
}

func write(folder string, vectors []vector) {
	if err := os.MkdirAll(filepath.Join("testdata", folder), 0o755); err != nil {
		log.Fatal(err)
	}
	for _, v := range vectors {
		text := must(vectorfile.Format(map[string]string{"expect": v.expect, "comment": v.comment, "encoding": "hex"}, v.body))
		if err := os.WriteFile(filepath.Join("testdata", folder, v.name+".txt"), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func main() {
	write("image", images())
	write("signature", signatures())
}

func images() []vector {
	s := plain.Sections
	kernel, cmdline, meta, rd0, rd1 := s[0], s[1], s[2], s[3], s[4]
	bad := func(text string) image.Section { return image.Section{Type: image.CommandLine, Data: []byte(text)} }
	wrongCRC := bytes.Clone(base)
	wrongCRC[544] ^= 1
	return []vector{
		{"plain", "ok", "our layout", base},
		{"signed", "ok", "our layout, signed", signed},
		{"one-ramdisk", "ok", "the least that an image has", encode(kernel, cmdline, rd0)},
		{"empty-cmdline", "ok", "an empty section", encode(kernel, bad(""), rd0)},
		{"arm64", "ok", "flag for aarch64", at(7, 1)},
		{"no-bytes", "truncated", "an empty file", nil},
		{"short-header", "truncated", "ends inside the header", base[:547]},
		{"short-section", "truncated", "ends inside the last section", base[:len(base)-1]},
		{"size-huge", "truncated", "a section of 2^64-1 bytes, in table and section header alike", sealed(huge())},
		{"magic", "not-eif", "another magic", at(0, 'E')},
		{"elf", "not-eif", "a short file of another kind", []byte("\x7fELF")},
		{"version-3", "version", "version 3", at(5, 3)},
		{"version-5", "version", "version 5", at(5, 5)},
		{"flags", "reserved", "an unknown flag", at(7, 2)},
		{"reserved", "reserved", "the reserved field is not zero", at(25, 1)},
		{"unused", "reserved", "the unused field is not zero", at(543, 1)},
		{"section-flags", "reserved", "flags in a section header", at(548+3, 1)},
		{"no-sections", "count", "no section", at(26, 0, 0)},
		{"sections-33", "count", "more sections than the table has", at(26, 0, 33)},
		{"offset", "table", "table and section stand at different places", at(28+7, 0x25)},
		{"size", "table", "table and section header have different sizes, as a re-signed image of nitro-cli has", at(284+7, 1)},
		{"table-tail", "table", "an entry behind the last section", at(28+8*31, 1)},
		{"type-0", "order", "section type 0", at(548, 0, 0)},
		{"type-6", "order", "section type 6", at(548, 0, 6)},
		{"no-kernel", "order", "no kernel", encode(cmdline, rd0)},
		{"kernel-second", "order", "kernel behind the command line: loaders measure in different orders", encode(cmdline, kernel, rd0)},
		{"two-kernels", "order", "two kernels: which one boots?", encode(kernel, cmdline, kernel, rd0)},
		{"two-cmdlines", "order", "two command lines", encode(kernel, cmdline, cmdline, rd0)},
		{"no-cmdline", "order", "no command line", encode(kernel, rd0)},
		{"no-ramdisk", "order", "no ramdisk", encode(kernel, cmdline, meta)},
		{"two-metadata", "order", "two metadata sections", encode(kernel, cmdline, meta, meta, rd0, rd1)},
		{"two-signatures", "order", "two signatures: which one is PCR8?", encode(append(s[:5:5], sig(), sig())...)},
		{"trailing", "trailing", "a byte behind the last section", sealed(append(bytes.Clone(base), 0))},
		{"checksum", "checksum", "a wrong checksum", wrongCRC},
		{"cmdline-nul", "command-line", "a NUL in the command line: measured whole, seen in part", encode(kernel, bad("quiet\x00init=/bin/sh"), rd0)},
		{"cmdline-newline", "command-line", "a line break in the command line", encode(kernel, bad("quiet\n"), rd0)},
	}
}

func sig() image.Section { return image.Section{Type: image.Signature, Data: signature(signed)} }

func huge() []byte {
	b := bytes.Clone(base)
	for _, pos := range []int{284, 548 + 4} {
		copy(b[pos:], bytes.Repeat([]byte{0xff}, 8))
	}
	return b
}

func signatures() []vector {
	other := must(image.New(parts("kernel", "another policy")))
	section := signature(signed)
	flipped := bytes.Clone(section)
	flipped[len(flipped)-1] ^= 1
	p256 := key(elliptic.P256(), "p256")
	old := certificate(signer, "signer", now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))
	early := certificate(signer, "signer", now.AddDate(1, 0, 0), now.AddDate(2, 0, 0))
	forged := must(must(plain.Sign(key(elliptic.P384(), "mallory"), certificate(key(elliptic.P384(), "mallory"), "signer", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)), now)).Encode())
	return []vector{
		{"good", "ok", "a signature", signed},
		{"unsigned", "unsigned", "no signature section", base},
		{"other-image", "other-pcr0", "the signature of another image under the same key", withSignature(signature(must(must(other.Sign(signer, cert, now)).Encode())))},
		{"flipped", "forged", "one bit of the signature", withSignature(flipped)},
		{"swapped-certificate", "forged", "another's signature of this image under the expected name", withSignature(swapped(signature(forged)))},
		{"mallory", "other-certificate", "signed by somebody else under the same name", forged},
		{"expired", "expired", "a certificate that has expired", must(must(plain.Sign(signer, old, now.AddDate(-1, -6, 0))).Encode())},
		{"early", "expired", "a certificate that is not valid yet", must(must(plain.Sign(signer, early, now.AddDate(1, 6, 0))).Encode())},
		{"p256", "key", "a key on another curve", withSignature(withPEM(section, certificate(p256, "p256", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))))},
		{"not-pem", "certificate", "no certificate", withSignature(withPEM(section, []byte("none")))},
		{"two-certificates", "certificate", "two certificates: which one is PCR8?", withSignature(withPEM(section, append(bytes.Clone(cert), cert...)))},
		{"bad-der", "certificate", "PEM around no certificate", withSignature(withPEM(section, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})))},
		{"empty", "signature-section", "an empty section", withSignature([]byte{})},
		{"trailing", "signature-section", "a byte behind the map", withSignature(append(bytes.Clone(section), 0))},
		{"cut", "signature-section", "a cut section", withSignature(section[:len(section)-1])},
		{"two-signers", "signature-section", "two signatures", withSignature(append([]byte{0x82}, bytes.Repeat(section[1:], 2)...))},
		{"declared-huge", "signature-section", "an array of 2^32-1 integers", withSignature(append(bytes.Clone(section[:start]), 0x9a, 0xff, 0xff, 0xff, 0xff))},
		{"long-integers", "signature-section", "integers longer than need be", withSignature(bytes.Replace(section, []byte{0x18, '-'}, []byte{0x19, 0, '-'}, 1))},
	}
}

// start is where the PEM of a section begins: behind the heads of array and map, and the key with its head.
const start = 2 + 1 + len("signing_certificate")

// withPEM puts another certificate into a section.
func withPEM(section, text []byte) []byte {
	end := bytes.Index(section, []byte("\x69signature"))
	b := bytes.Clone(section[:start])
	b = append(b, ints(text)...)
	return append(b, section[end:]...)
}

// swapped puts the expected certificate over another's signature.
func swapped(section []byte) []byte { return withPEM(section, cert) }

func ints(data []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x99}, uint16(len(data)))
	switch {
	case len(data) < 24:
		b = []byte{0x80 | byte(len(data))}
	case len(data) < 256:
		b = []byte{0x98, byte(len(data))}
	}
	for _, c := range data {
		if c >= 24 {
			b = append(b, 0x18)
		}
		b = append(b, c)
	}
	return b
}
