//go:build ignore

// Generate writes the vectors of this package: whole images, small ones, each with one fault or
// none.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	_ "crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"hash/crc32"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"slices"
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
	d := append(make([]byte, max(0, n-len(seed))), seed[:min(n, len(seed))]...)
	d[0] = 0 // under the group's order
	return must(ecdsa.ParseRawPrivateKey(curve, d))
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

// own are the signature vectors that are not verified against the certificate of good.
var own = map[string]bool{
	"expired": true, "early": true, "expired-forged": true, "p256": true, "p224": true,
	"es256": true, "es512": true, "es256-flipped": true, "es512-flipped": true, "es256-named-es384": true,
}

func write(folder string, vectors []vector) {
	if err := os.MkdirAll(filepath.Join("testdata", folder), 0o755); err != nil {
		log.Fatal(err)
	}
	for _, v := range vectors {
		header := map[string]string{"expect": v.expect, "comment": v.comment, "encoding": "hex"}
		if own[v.name] {
			header["certificate"] = "own"
		}
		text := must(vectorfile.Format(header, v.body))
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
		{"no-bytes", "truncated: header: the file has 0 bytes", "an empty file", nil},
		{"short-header", "truncated: header: the file has 547 bytes", "ends inside the header", base[:547]},
		{"short-section", "truncated: section 4 (ramdisk): section_size is", "ends inside the last section", base[:len(base)-1]},
		{"size-huge", "truncated: section 0 (kernel): section_size is 18446744073709551615", "a section of 2^64-1 bytes, in table and section header alike", sealed(huge())},
		{"magic", "not-eif: header: magic is", "another magic", at(0, 'E')},
		{"elf", "not-eif", "a short file of another kind", []byte("\x7fELF")},
		{"version-3", "version: header: version is 3", "version 3", at(5, 3)},
		{"version-5", "version: header: version is 5", "version 5", at(5, 5)},
		{"flags", "reserved: header: flags is 0x2", "an unknown flag", at(7, 2)},
		{"reserved", "reserved: header: reserved is 1", "the reserved field is not zero", at(25, 1)},
		{"unused", "reserved: header: unused is 1", "the unused field is not zero", at(543, 1)},
		{"section-flags", "reserved: section 0 (kernel): flags is 0x1", "flags in a section header", at(548+3, 1)},
		{"no-sections", "count: header: num_sections is 0", "no section", at(26, 0, 0)},
		{"sections-33", "count: header: num_sections is 33", "more sections than the table has", at(26, 0, 33)},
		{"offset", "table: section 0 (kernel): section_offsets[0] is 549", "table and section are at different places", at(28+7, 0x25)},
		{"overlap", "table: section 1 (command line): section_offsets[1] is 548, inside what precedes it", "two sections at one place", at(28+8, be(548)...)},
		{"size", "table: section 0 (kernel): section_sizes[0] is 1, its own section_size 6", "table and section header have different sizes", at(284+7, 1)},
		{"resigned", "table: see anchorhold-eif repair", "the signature's size in the table is that of another signature, as AWS's library leaves it", resigned()},
		{"sections-few", "trailing: after section 3 (ramdisk), the last of num_sections", "a section that num_sections does not count", few()},
		{"sections-more", "truncated: section 5: 0 bytes left for its header", "num_sections counts a section that is not there", at(27, 6)},
		{"section-size-huge", "truncated: section 4 (ramdisk): section_size is 18446744073709551615", "the last section goes past 2^64", lastHuge()},
		{"table-tail", "table: header: section_offsets[31] is", "an entry after the last section", at(28+8*31, 1)},
		{"type-0", "order: section 0: section_type is 0", "section type 0", at(548, 0, 0)},
		{"type-6", "order: section 0: section_type is 6", "section type 6", at(548, 0, 6)},
		{"no-kernel", "order: section 0 (command line): want the kernel", "no kernel", encode(cmdline, rd0)},
		{"kernel-second", "order: section 0 (command line): want the kernel", "kernel behind the command line: loaders measure in different orders", encode(cmdline, kernel, rd0)},
		{"two-kernels", "order: section 2 (kernel): section 0 is one already", "two kernels: which one boots?", encode(kernel, cmdline, kernel, rd0)},
		{"two-cmdlines", "order: section 2 (command line): section 1 is one already", "two command lines", encode(kernel, cmdline, cmdline, rd0)},
		{"no-cmdline", "order: section 1 (ramdisk): want the kernel", "no command line", encode(kernel, rd0)},
		{"no-ramdisk", "order: no section is a ramdisk", "no ramdisk", encode(kernel, cmdline, meta)},
		{"two-metadata", "order: section 3 (metadata): section 2 is one already", "two metadata sections", encode(kernel, cmdline, meta, meta, rd0, rd1)},
		{"two-signatures", "order: section 6 (signature): section 5 is one already", "two signatures: which one is PCR8?", encode(append(s[:5:5], sig(), sig())...)},
		{"trailing", "trailing: 1 bytes after section 4 (ramdisk)", "a byte after the last section", sealed(append(bytes.Clone(base), 0))},
		{"checksum", "checksum: header: eif_crc32 is", "a wrong checksum", wrongCRC},
		{"cmdline-nul", "command-line: byte 0x00 at 5", "a NUL in the command line: measured whole, seen in part", encode(kernel, bad("quiet\x00init=/bin/sh"), rd0)},
		{"cmdline-newline", "command-line: byte 0x0a at 5", "a line break in the command line", encode(kernel, bad("quiet\n"), rd0)},
	}
}

// be is a number as the table has it.
func be(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// few is the plain image whose header does not count the last section.
func few() []byte {
	b := bytes.Clone(base)
	b[27]--
	for _, table := range []int{28, 284} {
		copy(b[table+8*4:], be(0))
	}
	return sealed(b)
}

// lastHuge declares the last section as large as can be, in the table and in its own header.
func lastHuge() []byte {
	b := bytes.Clone(base)
	at := binary.BigEndian.Uint64(b[28+8*4:])
	copy(b[284+8*4:], be(1<<64-1))
	copy(b[at+4:], be(1<<64-1))
	return sealed(b)
}

// resigned is the signed image with another size of the signature in the table.
func resigned() []byte {
	b := bytes.Clone(signed)
	copy(b[284+8*5:], be(1000))
	return sealed(b)
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
	forgedSection := signature(forged)
	other384 := certificate(key(elliptic.P384(), "other"), "other", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
	return []vector{
		{"good", "ok", "a signature", signed},
		{"unsigned", "unsigned", "no signature section", base},
		{"other-image", "other-pcr0", "the signature of another image under the same key", withSignature(signature(must(must(other.Sign(signer, cert, now)).Encode())))},
		{"flipped", "forged", "one bit of the signature", withSignature(flipped)},
		{"swapped-certificate", "forged", "another's signature of this image under the expected name", withSignature(swapped(signature(forged)))},
		{"mallory", "other-certificate", "signed by somebody else under the same name", forged},
		{"expired", "expired", "a certificate that has expired", must(must(plain.Sign(signer, old, now.AddDate(-1, -6, 0))).Encode())},
		{"early", "expired", "a certificate that is not valid yet", must(must(plain.Sign(signer, early, now.AddDate(1, 6, 0))).Encode())},
		{"expired-forged", "forged", "a certificate that has expired must not hide a forged signature", withSignature(flip(signature(must(must(plain.Sign(signer, old, now.AddDate(-1, -6, 0))).Encode()))))},
		{"es256", "ok", "signed on P-256", withSignature(cose(p256, -7, crypto.SHA256))},
		{"es512", "ok", "signed on P-521", withSignature(cose(key(elliptic.P521(), "p521"), -36, crypto.SHA512))},
		{"es256-flipped", "forged", "one bit of a signature on P-256", withSignature(flip(cose(p256, -7, crypto.SHA256)))},
		{"es512-flipped", "forged", "one bit of a signature on P-521", withSignature(flip(cose(key(elliptic.P521(), "p521"), -36, crypto.SHA512)))},
		{"es256-named-es384", "algorithm", "the header names another algorithm than the key has", withSignature(cose(p256, -35, crypto.SHA384))},
		{"p256", "algorithm", "a certificate whose key is on another curve", withSignature(withPEM(section, certificate(p256, "p256", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))))},
		{"p224", "unsupported", "a curve that COSE has no algorithm for", withSignature(withPEM(section, certificate(key(elliptic.P224(), "p224"), "p224", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))))},
		{"not-pem", "certificate: no PEM certificate", "no certificate", withSignature(withPEM(section, []byte("none")))},
		{"chain", "ok", "a chain: the first certificate counts", withSignature(withPEM(section, append(bytes.Clone(cert), other384...)))},
		{"chain-reversed", "other-certificate", "a chain with another's certificate first", withSignature(withPEM(section, append(bytes.Clone(other384), cert...)))},
		{"byte-order-mark", "ok", "a byte order mark before the certificate", withSignature(withPEM(section, append([]byte("\xef\xbb\xbf"), cert...)))},
		{"x509-certificate", "ok", "the old label", withSignature(withPEM(section, bytes.ReplaceAll(cert, []byte("CERTIFICATE"), []byte("X509 CERTIFICATE"))))},
		{"text-first", "ok", "text before the certificate, as openssl x509 -text writes it", withSignature(withPEM(section, append([]byte("Certificate:\n    Data:\n"), cert...)))},
		{"crlf", "ok", "lines that end as on Windows", withSignature(withPEM(section, bytes.ReplaceAll(cert, []byte("\n"), []byte("\r\n"))))},
		{"other-block-first", "ok", "a block of another kind before the certificate", withSignature(withPEM(section, append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")}), cert...)))},
		{"cut-block-first", "certificate: has headers or an empty line", "a block without end: OpenSSL stops, and so no later certificate may count", withSignature(withPEM(section, append(bytes.TrimSuffix(bytes.Clone(other384), []byte("-----END CERTIFICATE-----\n")), append([]byte("\n"), cert...)...)))},
		{"bad-base64-first", "certificate: illegal base64", "a damaged certificate before another: OpenSSL stops", withSignature(withPEM(section, append(bytes.Replace(bytes.Clone(other384), []byte("MII"), []byte("M!I"), 1), cert...)))},
		{"no-end", "certificate: has no end", "a certificate without its end", withSignature(withPEM(section, bytes.TrimSuffix(bytes.Clone(cert), []byte("-----END CERTIFICATE-----\n"))))},
		{"other-end", "certificate: ends with", "another label at the end", withSignature(withPEM(section, bytes.Replace(cert, []byte("END CERTIFICATE"), []byte("END X509 CERTIFICATE"), 1)))},
		{"bad-der", "certificate: malformed certificate", "PEM around no certificate", withSignature(withPEM(section, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})))},
		{"empty", "signature-section", "an empty section", withSignature([]byte{})},
		{"trailing", "signature-section: 1 bytes after the last signature", "a byte after the last signature", withSignature(append(bytes.Clone(section), 0))},
		{"cut", "signature-section", "a cut section", withSignature(section[:len(section)-1])},
		{"two-signers", "ok", "two signatures: the first counts", withSignature(append(append([]byte{0x82}, section[1:]...), forgedSection[1:]...))},
		{"two-signers-reversed", "other-certificate", "two signatures: the first, which counts, is another's", withSignature(append(append([]byte{0x82}, forgedSection[1:]...), section[1:]...))},
		{"no-signers", "signature-section", "no signature in the section", withSignature([]byte{0x80})},
		{"second-cut", "signature-section: signature 1 of 2", "the second signature is missing", withSignature(append([]byte{0x82}, section[1:]...))},
		{"declared-huge", "signature-section", "an array of 2^32-1 integers", withSignature(append(bytes.Clone(section[:start]), 0x9a, 0xff, 0xff, 0xff, 0xff))},
		{"long-integers", "signature-section", "integers longer than need be", withSignature(bytes.Replace(section, []byte{0x18, '-'}, []byte{0x19, 0, '-'}, 1))},
	}
}

// start is where the PEM of a section begins: behind the heads of array and map, and the key with
// its head.
const start = 2 + 1 + len("signing_certificate")

// withPEM puts another certificate into a section.
func withPEM(section, text []byte) []byte {
	end := bytes.Index(section, []byte("\x69signature"))
	b := bytes.Clone(section[:start])
	b = append(b, ints(text)...)
	return append(b, section[end:]...)
}

func flip(section []byte) []byte {
	section = bytes.Clone(section)
	section[len(section)-1] ^= 1
	return section
}

// cose is the signature section of the plain image under a key of any curve, and an algorithm by
// its COSE number.
func cose(k *ecdsa.PrivateKey, number int8, hash crypto.Hash) []byte {
	bstr := func(b []byte) []byte {
		if len(b) < 24 {
			return append([]byte{0x40 | byte(len(b))}, b...)
		}
		return append([]byte{0x58, byte(len(b))}, b...)
	}
	protected := []byte{0xa1, 0x01, 0x20 | byte(-1-number)}
	if number < -24 {
		protected = []byte{0xa1, 0x01, 0x38, byte(-1 - number)}
	}
	pcr0 := plain.Measure().PCR0
	payload := append([]byte("\xa2\x6eregister_index\x00\x6eregister_value"), ints(pcr0[:])...)
	h := hash.New()
	h.Write([]byte("\x84\x6aSignature1"))
	h.Write(bstr(protected))
	h.Write(bstr(nil))
	h.Write(bstr(payload))
	var rs struct{ R, S *big.Int }
	must(asn1.Unmarshal(must(k.Sign(nil, h.Sum(nil), hash)), &rs))
	size := (k.Params().BitSize + 7) / 8
	raw := append(rs.R.FillBytes(make([]byte, size)), rs.S.FillBytes(make([]byte, size))...)
	sign1 := slices.Concat([]byte{0x84}, bstr(protected), []byte{0xa0}, bstr(payload), bstr(raw))
	text := certificate(k, "signer", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
	return slices.Concat([]byte("\x81\xa2\x73signing_certificate"), ints(text), []byte("\x69signature"), ints(sign1))
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
