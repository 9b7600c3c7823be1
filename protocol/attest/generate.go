//go:build ignore

// Generate writes the vectors of testdata: documents under a test root, each refused for one
// reason, and some accepted. The same run gives the same bytes. Run by go generate.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/protocoltest/vectorfile"
)

const moduleID = "i-0123456789abcdef0-enc0123456789abcdef"

var (
	at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ca = testca.NewSeeded("anchorhold attest vectors", func() time.Time { return at })
)

func main() {
	log.SetFlags(0)
	for _, glob := range []string{"testdata/*.txt", "testdata/userdata/*.txt", "testdata/purpose/*.txt"} {
		old, err := filepath.Glob(glob)
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range old {
			if err := os.Remove(f); err != nil {
				log.Fatal(err)
			}
		}
	}
	if err := os.WriteFile("testdata/root.pem", ca.RootPEM(), 0o644); err != nil {
		log.Fatal(err)
	}
	accepted()
	bytesAndAlgorithms()
	payloads()
	chains()
	certificates()
	times()
	userData()
	pathless() // last, so that the serial numbers of all others stay
	purposes()
	leafPathLength()
	newerModules()
}

// write makes one vector. A zero now verifies at the document's own time.
func write(name, expect, comment string, now time.Time, doc []byte) {
	h := map[string]string{"expect": because(name, expect), "comment": comment, "encoding": "hex"}
	if !now.IsZero() {
		h["now"] = now.Format(time.RFC3339)
	}
	if err := vectorfile.Write("testdata/"+name+".txt", h, doc); err != nil {
		log.Fatal(err)
	}
}

func issue(options ...testca.Option) *testca.Issued {
	i, err := ca.Issue(moduleID, options...)
	if err != nil {
		log.Fatal(err)
	}
	return i
}

// fields is a document as the software NSM would make it.
func fields(i *testca.Issued) softnsm.Fields {
	image := measure.DevImage([]byte("program"), []byte("policy"))
	pcrs := map[int][]byte{0: image.PCR0[:], 1: image.PCR1[:], 2: image.PCR2[:]}
	for n := 3; n < 16; n++ {
		pcrs[n] = make([]byte, 48)
	}
	return softnsm.Fields{
		ModuleID: moduleID, Digest: "SHA384", Timestamp: uint64(at.UnixMilli()), PCRs: pcrs,
		Certificate: i.Leaf.Raw, CABundle: i.CABundle, UserData: []byte("user data"),
	}
}

// document signs fields after change.
func document(i *testca.Issued, change func(*softnsm.Fields)) []byte {
	f := fields(i)
	if change != nil {
		change(&f)
	}
	return sign(f.Payload(false), i.Key)
}

func sign(payload []byte, key *ecdsa.PrivateKey) []byte {
	if key == nil {
		key = ca.NewKey(elliptic.P384())
	}
	return softnsm.Sign1(payload, key)
}

func accepted() {
	i, live := issue(), at.Add(time.Minute)
	write("ok", "ok", "as the hypervisor makes it", live, document(i, nil))
	write("ok-archived", "ok", "at its own time", time.Time{}, document(i, nil))
	write("ok-definite", "ok", "payload map of definite length, as until 2025", live, sign(fields(i).Payload(true), i.Key))
	write("ok-tagged", "ok", "with tag 18", live, append([]byte{0xd2}, document(i, nil)...))
	write("ok-empty-fields", "ok", "empty strings instead of null", live, document(i, func(f *softnsm.Fields) {
		f.PublicKey, f.UserData, f.Nonce = []byte{}, []byte{}, []byte{}
	}))
	write("ok-full-fields", "ok", "1024 bytes in each field", live, document(i, func(f *softnsm.Fields) {
		f.PublicKey, f.UserData, f.Nonce = make([]byte, 1024), make([]byte, 1024), make([]byte, 1024)
	}))
	write("ok-absent-fields", "ok", "optional keys left out", live, sign(withoutOptional(i), i.Key))
	write("ok-slow-clock", "ok", "the verifier's clock is 30 s behind", at.Add(-30*time.Second), document(i, nil))
	write("ok-debug", "ok", "a debug enclave is genuine; appraise refuses it", live, document(i, func(f *softnsm.Fields) {
		f.PCRs[0], f.PCRs[1], f.PCRs[2] = make([]byte, 48), make([]byte, 48), make([]byte, 48)
	}))
}

// withoutOptional is a definite map of the six mandatory keys.
func withoutOptional(i *testca.Issued) []byte {
	f := fields(i)
	f.UserData = nil
	p := f.Payload(true)
	p = p[:bytes.Index(p, []byte("public_key"))-1]
	p[0] = 0xa6
	return p
}

func replace(b []byte, old, new string) []byte {
	if bytes.Count(b, []byte(old)) != 1 {
		log.Fatalf("%q is not in the document once", old)
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}

func bytesAndAlgorithms() {
	i := issue()
	doc := document(i, nil)
	protected := "\x84\x44\xa1\x01\x38\x22\xa0"
	for name, header := range map[string]string{
		"es256":           "\x84\x43\xa1\x01\x26\xa0",
		"es512":           "\x84\x44\xa1\x01\x38\x23\xa0",
		"empty-protected": "\x84\x40\xa0",
		"key-id":          "\x84\x47\xa2\x01\x38\x22\x04\x41\x00\xa0",
		"duplicate-alg":   "\x84\x47\xa2\x01\x38\x22\x01\x38\x22\xa0",
		"long-alg":        "\x84\x45\xa1\x01\x39\x00\x22\xa0",
		"unprotected":     "\x84\x44\xa1\x01\x38\x22\xa1\x04\x41\x00",
		"unprotected-alg": "\x84\x40\xa1\x01\x38\x22",
	} {
		write("algorithm-"+name, "algorithm", "other headers than {1: -35} and {}", time.Time{}, replace(doc, protected, header))
	}
	flip := func(at int) []byte { b := bytes.Clone(doc); b[at] ^= 1; return b }
	write("signature-flipped", "signature", "one bit of the signature", time.Time{}, flip(len(doc)-1))
	write("signature-payload", "signature", "one bit of the user data", time.Time{}, flip(bytes.Index(doc, []byte("user data"))))
	n := elliptic.P384().Params().N.FillBytes(make([]byte, 48))
	for name, r := range map[string][]byte{"r-zero": make([]byte, 48), "r-order": n, "r-max": bytes.Repeat([]byte{0xff}, 48)} {
		b := bytes.Clone(doc)
		copy(b[len(b)-96:], r)
		write("signature-"+name, "signature", "r outside 1 to n-1", time.Time{}, b)
	}
	body := doc[:len(doc)-98]
	short := append(append(bytes.Clone(body), 0x58, 95), doc[len(doc)-95:]...)
	write("malformed-signature-length", "malformed", "95 bytes of signature", time.Time{}, short)
	write("malformed-der-signature", "malformed", "the signature of ASN.1", time.Time{}, append(append(bytes.Clone(body), 0x58, 102), make([]byte, 102)...))
	write("malformed-trailing", "malformed", "a byte after the document", time.Time{}, append(bytes.Clone(doc), 0))
	write("malformed-truncated", "malformed", "ends early", time.Time{}, doc[:len(doc)-1])
	write("malformed-empty", "malformed", "no bytes", time.Time{}, nil)
	write("malformed-other-tag", "malformed", "tag 17", time.Time{}, append([]byte{0xd1}, doc...))
	write("malformed-two-tags", "malformed", "tag 18 twice", time.Time{}, append([]byte{0xd2, 0xd2}, doc...))
	write("malformed-long-tag", "malformed", "tag 18 in two bytes", time.Time{}, append([]byte{0xd8, 0x12}, doc...))
	write("malformed-indefinite-array", "malformed", "outer array of indefinite length", time.Time{}, append(append([]byte{0x9f}, doc[1:]...), 0xff))
	write("malformed-five-elements", "malformed", "five elements", time.Time{}, append(append([]byte{0x85}, doc[1:]...), 0x00))
	write("malformed-oversize", "malformed", "over the NSM's response limit", time.Time{}, make([]byte, 0x3001))
	write("malformed-declared-size", "malformed", "a payload of 2^63 bytes is announced", time.Time{}, []byte("\x84\x44\xa1\x01\x38\x22\xa0\x5b\x80\x00\x00\x00\x00\x00\x00\x00"))
}

func payloads() {
	i := issue()
	raw := func(name, expect, comment string, change func([]byte) []byte) {
		write(name, expect, comment, time.Time{}, sign(change(fields(i).Payload(false)), i.Key))
	}
	edit := func(name, expect, comment string, change func(*softnsm.Fields)) {
		write(name, expect, comment, time.Time{}, document(i, change))
	}
	raw("malformed-duplicate-key", "malformed", "nonce twice: libraries differ in which they take", func(p []byte) []byte { return replace(p, "\x6apublic_key", "\x65nonce") })
	raw("malformed-payload-trailing", "malformed", "a byte after the payload map", func(p []byte) []byte { return append(p, 0) })
	raw("malformed-no-break", "malformed", "the payload map does not end", func(p []byte) []byte { return p[:bytes.Index(p, []byte("\x6apublic_key"))] })
	raw("malformed-missing-pcrs", "malformed", "no pcrs", func(p []byte) []byte {
		from, to := bytes.Index(p, []byte("\x64pcrs")), bytes.Index(p, []byte("\x6bcertificate"))
		return append(bytes.Clone(p[:from]), p[to:]...)
	})
	raw("malformed-duplicate-pcr", "malformed", "PCR0 twice", func(p []byte) []byte { return replace(p, "\x01\x58\x30", "\x00\x58\x30") })
	raw("malformed-long-integer", "malformed", "PCR index 0 in two bytes", func(p []byte) []byte { return replace(p, "\x64pcrs\xb0\x00", "\x64pcrs\xb0\x18\x00") })
	raw("malformed-timestamp-type", "malformed", "the time as text", func(p []byte) []byte { return replace(p, "\x69timestamp\x1b", "\x69timestamp\x7b") })
	raw("malformed-timestamp-null", "malformed", "no time", func(p []byte) []byte {
		from := bytes.Index(p, []byte("\x69timestamp")) + 10
		return append(append(bytes.Clone(p[:from]), 0xf6), p[from+9:]...)
	})
	raw("malformed-utf8", "malformed", "module id is not UTF-8", func(p []byte) []byte { return replace(p, "\x78\x27i-0", "\x78\x27i-\xff") })
	raw("not-enclave-pcrs", "not-enclave", "registers of a NitroTPM", func(p []byte) []byte { return replace(p, "\x64pcrs", "\x6dnitrotpm_pcrs") })
	edit("not-enclave-id", "not-enclave", "module id of a NitroTPM", func(f *softnsm.Fields) { f.ModuleID = "i-0123456789abcdef0-tpm0000000000000000" })
	edit("not-enclave-other-id", "not-enclave", "module id of neither", func(f *softnsm.Fields) { f.ModuleID = "i-0123456789abcdef0" })
	edit("not-enclave-long-id", "not-enclave", "module id with more behind it", func(f *softnsm.Fields) { f.ModuleID += "-tpm1-enc" })
	edit("malformed-empty-id", "malformed", "empty module id", func(f *softnsm.Fields) { f.ModuleID = "" })
	edit("malformed-digest", "malformed", "another digest", func(f *softnsm.Fields) { f.Digest = "SHA256" })
	raw("malformed-timestamp-zero", "malformed", "time zero", func(p []byte) []byte {
		from := bytes.Index(p, []byte("\x69timestamp")) + 10
		return append(append(bytes.Clone(p[:from]), 0), p[from+9:]...)
	})
	edit("malformed-timestamp-max", "malformed", "a time that overflows", func(f *softnsm.Fields) { f.Timestamp = 1<<64 - 1 })
	edit("malformed-no-pcrs", "malformed", "no registers", func(f *softnsm.Fields) { f.PCRs = nil })
	edit("malformed-pcr-32", "malformed", "register 32", func(f *softnsm.Fields) { f.PCRs[32] = make([]byte, 48) })
	edit("malformed-pcr-short", "malformed", "a register of 32 bytes with SHA384", func(f *softnsm.Fields) { f.PCRs[0] = make([]byte, 32) })
	edit("malformed-pcr-long", "malformed", "a register of 64 bytes with SHA384", func(f *softnsm.Fields) { f.PCRs[0] = make([]byte, 64) })
	edit("malformed-long-nonce", "malformed", "1025 bytes of nonce", func(f *softnsm.Fields) { f.Nonce = make([]byte, 1025) })
	edit("malformed-no-bundle", "malformed", "empty cabundle", func(f *softnsm.Fields) { f.CABundle = nil })
	edit("malformed-empty-certificate", "malformed", "empty certificate", func(f *softnsm.Fields) { f.Certificate = nil })
	edit("certificate-garbage", "certificate", "certificate is not X.509", func(f *softnsm.Fields) { f.Certificate = []byte("certificate") })
	edit("certificate-trailing", "certificate", "a byte after the leaf's DER", func(f *softnsm.Fields) { f.Certificate = append(bytes.Clone(f.Certificate), 0) })
}

func chains() {
	i := issue()
	bundle := func(name, comment string, change func([][]byte) [][]byte) {
		write(name, "untrusted", comment, time.Time{}, document(i, func(f *softnsm.Fields) {
			f.CABundle = change(append([][]byte(nil), f.CABundle...))
		}))
	}
	foreign := testca.NewSeeded("foreign", func() time.Time { return at })
	other, err := foreign.Issue(moduleID)
	if err != nil {
		log.Fatal(err)
	}
	write("untrusted-foreign", "untrusted", "a whole chain under another root of the same name", time.Time{}, document(other, nil))
	bundle("untrusted-foreign-root", "another root in cabundle, the rest as pinned", func(b [][]byte) [][]byte { return append([][]byte{foreign.Root().Raw}, b[1:]...) })
	bundle("untrusted-no-intermediates", "root alone", func(b [][]byte) [][]byte { return b[:1] })
	bundle("untrusted-left-out", "zonal certificate left out", func(b [][]byte) [][]byte { return [][]byte{b[0], b[1], b[3]} })
	bundle("untrusted-no-root", "cabundle begins with the regional certificate", func(b [][]byte) [][]byte { return b[1:] })
	bundle("untrusted-other-intermediates", "intermediates of another chain under the same root", func(b [][]byte) [][]byte {
		return append(b[:1], issue().CABundle[1:]...)
	})
	key := ca.NewKey(elliptic.P384())
	write("signature-other-key", "signature", "signed by a key that is not the leaf's", time.Time{}, sign(fields(i).Payload(false), key))
}

func certificates() {
	broken := func(name, comment string, options ...testca.Option) {
		write("certificate-"+name, "certificate", comment, time.Time{}, document(issue(options...), nil))
	}
	p256, p521 := ca.NewKey(elliptic.P256()), ca.NewKey(elliptic.P521())
	broken("leaf-p256", "leaf key on P-256", testca.LeafPublicKey(p256.Public()))
	broken("leaf-p521", "leaf key on P-521", testca.LeafPublicKey(p521.Public()))
	modulus := new(big.Int).SetBit(big.NewInt(12345), 2047, 1)
	broken("leaf-rsa", "RSA leaf key", testca.LeafPublicKey(&rsa.PublicKey{N: modulus, E: 65537}))
	broken("zonal-p256", "zonal key on P-256", testca.Key(testca.Zonal, p256))
	broken("instance-p521", "instance key on P-521", testca.Key(testca.Instance, p521))
	broken("sha256", "leaf signed with SHA-256", testca.Change(testca.Leaf, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 }))
	broken("leaf-ca", "leaf is a CA", testca.Change(testca.Leaf, func(c *x509.Certificate) { c.IsCA = true }))
	broken("leaf-path-length", "leaf is a CA of path length 0", testca.Change(testca.Leaf, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = true, true }))
	broken("leaf-no-constraints", "leaf without basic constraints", testca.Change(testca.Leaf, func(c *x509.Certificate) { c.BasicConstraintsValid = false }))
	broken("leaf-no-usage", "leaf without key usage", testca.Change(testca.Leaf, func(c *x509.Certificate) { c.ExtraExtensions = nil }))
	broken("leaf-usage", "leaf for key agreement only", leafUsage(x509.KeyUsageKeyAgreement))
	broken("leaf-cert-sign", "leaf that may sign certificates too", leafUsage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign))
	broken("instance-not-ca", "instance is no CA", testca.Change(testca.Instance, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }))
	broken("instance-no-usage", "instance without key usage", testca.Change(testca.Instance, func(c *x509.Certificate) { c.KeyUsage = 0 }))
	broken("zonal-usage", "zonal may sign, not certify", testca.Change(testca.Zonal, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }))
	broken("regional-path-length", "regional with path length 1 above two", testca.Change(testca.Regional, func(c *x509.Certificate) { c.MaxPathLen = 1 }))
	broken("zonal-path-length", "zonal with path length 0 above one", testca.Change(testca.Zonal, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }))
	unknown := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}})
	}
	broken("leaf-critical", "unknown critical extension in the leaf", testca.Change(testca.Leaf, unknown))
	broken("regional-critical", "unknown critical extension in the regional certificate", testca.Change(testca.Regional, unknown))
	swapped := func(name, comment string, change func([][]byte) [][]byte) {
		write("certificate-"+name, "certificate", comment, time.Time{}, document(issue(), func(f *softnsm.Fields) {
			f.CABundle = change(append([][]byte(nil), f.CABundle...))
		}))
	}
	swapped("order", "cabundle from instance to root", func(b [][]byte) [][]byte { return [][]byte{b[3], b[2], b[1], b[0]} })
	swapped("intermediate-order", "zonal before regional", func(b [][]byte) [][]byte { return [][]byte{b[0], b[2], b[1], b[3]} })
	swapped("extra", "a certificate of another chain left over", func(b [][]byte) [][]byte { return append(b, issue().CABundle[3]) })
	swapped("twice", "instance certificate twice", func(b [][]byte) [][]byte { return append(b, b[3]) })
}

func leafUsage(u x509.KeyUsage) testca.Option {
	return testca.Change(testca.Leaf, func(c *x509.Certificate) { c.ExtraExtensions, c.KeyUsage = nil, u })
}

func times() {
	i := issue()
	doc := document(i, nil)
	write("expired-leaf", "expired", "live, after the leaf's end", at.Add(3*time.Hour+time.Second), doc)
	write("expired-years", "expired", "live, years later", at.AddDate(2, 0, 0), doc)
	write("expired-early", "expired", "live, long before the leaf's begin", at.Add(-2*time.Minute), doc)
	write("expired-instance", "expired", "instance certificate had ended at the document's time", time.Time{},
		document(issue(testca.Change(testca.Instance, func(c *x509.Certificate) { c.NotAfter = at.Add(-time.Minute) })), nil))
	write("timestamp-before", "timestamp", "a time before the leaf's", time.Time{}, document(i, func(f *softnsm.Fields) { f.Timestamp -= 60_000 }))
	write("timestamp-after", "timestamp", "a time after the leaf's", time.Time{}, document(i, func(f *softnsm.Fields) { f.Timestamp += 4 * 3600_000 }))
	write("timestamp-live", "timestamp", "the same, live at a good time", at, document(i, func(f *softnsm.Fields) { f.Timestamp += 4 * 3600_000 }))
}

func userData() {
	vector := func(name, expect, comment string, b []byte) { write("userdata/"+name, expect, comment, time.Time{}, b) }
	encode := func(u attest.UserData) []byte {
		b, err := u.Encode()
		if err != nil {
			log.Fatal(err)
		}
		return b
	}
	boot, policy := [16]byte{1, 2, 3}, digest.Sum([]byte("policy"))
	batch := attest.Batch{Number: 3, First: 700, Size: 256, Root: digest.Sum([]byte("root")), Previous: digest.Sum([]byte("previous"))}
	receipts := encode(attest.UserData{Purpose: attest.PurposeReceipts, Boot: boot, Policy: policy, Batch: &batch})
	vector("kms", "ok", "for KMS", encode(attest.UserData{Purpose: attest.PurposeKMS, Boot: boot, Policy: policy}))
	vector("challenge", "ok", "for a caller", encode(attest.UserData{Purpose: attest.PurposeChallenge, Boot: boot, Policy: policy}))
	vector("receipts", "ok", "for a batch", receipts)
	vector("receipts-first", "ok", "for batch 0", encode(attest.UserData{Purpose: attest.PurposeReceipts, Boot: boot, Policy: policy, Batch: &attest.Batch{Size: 1, Root: batch.Root}}))
	edit := func(name, comment string, change func(map[string]any)) {
		var m map[string]any
		if err := canonical.Unmarshal(receipts, &m); err != nil {
			log.Fatal(err)
		}
		change(m)
		b, err := canonical.Marshal(m)
		if err != nil {
			log.Fatal(err)
		}
		vector(name, "user-data", comment, b)
	}
	edit("label", "another label", func(m map[string]any) { m["label"] = "anchorhold/v2 attestation" })
	edit("purpose", "an unknown purpose", func(m map[string]any) { m["purpose"] = "other" })
	edit("kms-batch", "a batch for KMS", func(m map[string]any) { m["purpose"] = "kms" })
	edit("unknown-key", "a key too many", func(m map[string]any) { m["extra"] = uint64(1) })
	edit("no-root", "a batch without root", func(m map[string]any) { delete(m, "root") })
	edit("size-0", "an empty batch", func(m map[string]any) { m["size"] = uint64(0) })
	edit("size-257", "a batch over the limit", func(m map[string]any) { m["size"] = uint64(257) })
	edit("no-previous", "batch 3 with nothing before it", func(m map[string]any) { m["previous"] = make([]byte, 48) })
	edit("short-boot", "15 bytes of boot id", func(m map[string]any) { m["boot"] = make([]byte, 15) })
	vector("trailing", "user-data", "a byte after the map", append(bytes.Clone(receipts), 0))
	vector("empty", "user-data", "no bytes", nil)
}
