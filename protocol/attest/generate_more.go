//go:build ignore

package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"log"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

// pathless are chains whose CAs set no path length: only the order of the path itself refuses them.
func pathless() {
	none := func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = -1, false }
	free := func() *testca.Issued {
		return issue(testca.Change(testca.Regional, none), testca.Change(testca.Zonal, none), testca.Change(testca.Instance, none))
	}
	i := free()
	bundle := func(name, expect, comment string, change func([][]byte) [][]byte) {
		write(name, expect, comment, time.Time{}, document(i, func(f *softnsm.Fields) {
			f.CABundle = change(append([][]byte(nil), f.CABundle...))
		}))
	}
	bundle("ok-pathless", "ok", "no path lengths", func(b [][]byte) [][]byte { return b })
	bundle("untrusted-pathless-order", "untrusted", "zonal before regional", func(b [][]byte) [][]byte { return [][]byte{b[0], b[2], b[1], b[3]} })
	bundle("untrusted-pathless-extra", "untrusted", "a certificate of another chain left over", func(b [][]byte) [][]byte { return append(b, free().CABundle[3]) })
	bundle("untrusted-pathless-twice", "untrusted", "instance certificate twice", func(b [][]byte) [][]byte { return append(b, b[3]) })
	bundle("untrusted-pathless-reversed", "untrusted", "cabundle from instance to root", func(b [][]byte) [][]byte { return [][]byte{b[3], b[2], b[1], b[0]} })
	// The signature is good under the leaf of the chain whose cabundle this is: a cache that knows
	// it by that alone would accept.
	write("untrusted-other-leaf", "untrusted", "leaf certificate of another chain, signed by this one's", time.Time{}, document(i, func(f *softnsm.Fields) {
		f.Certificate = free().Leaf.Raw
	}))
}

// leafPathLength is a leaf that is no CA and has a path length all the same: no library of ours
// writes such constraints.
func leafPathLength() {
	constraints := pkix.Extension{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 2, 1, 0}}
	i := issue(testca.Change(testca.Leaf, func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, constraints) }))
	write("certificate-leaf-path-length-alone", "certificate", "leaf is no CA and has path length 0", time.Time{}, document(i, nil))
}

// purposes are genuine documents whose fields fit the purpose in their user data, or don't (SPEC
// 6).
func purposes() {
	i := issue()
	data := func(p attest.Purpose) []byte {
		u := attest.UserData{Purpose: p, Boot: [16]byte{1, 2, 3}, Policy: digest.Sum([]byte("policy"))}
		if p == attest.PurposeReceipts {
			u.Batch = &attest.Batch{Size: 1, Root: digest.Sum([]byte("root"))}
		}
		b, err := u.Encode()
		if err != nil {
			log.Fatal(err)
		}
		return b
	}
	key, nonce := []byte("public key"), []byte("nonce")
	for _, v := range []struct {
		name, expect, comment string
		userData, key, nonce  []byte
	}{
		{"kms", "ok", "a public key and no nonce", data(attest.PurposeKMS), key, nil},
		{"challenge", "ok", "a nonce and no public key", data(attest.PurposeChallenge), nil, nonce},
		{"receipts", "ok", "neither", data(attest.PurposeReceipts), nil, nil},
		{"kms-without-key", "user-data", "for KMS, no public key", data(attest.PurposeKMS), nil, nil},
		{"kms-with-nonce", "user-data", "for KMS, a nonce", data(attest.PurposeKMS), key, nonce},
		{"challenge-without-nonce", "user-data", "for a caller, no nonce", data(attest.PurposeChallenge), nil, nil},
		{"challenge-with-key", "user-data", "for a caller, a public key: KMS would encrypt to it", data(attest.PurposeChallenge), key, nonce},
		{"receipts-with-key", "user-data", "for receipts, a public key", data(attest.PurposeReceipts), key, nil},
		{"receipts-with-nonce", "user-data", "for receipts, a nonce: whoever chose it had bytes of his signed", data(attest.PurposeReceipts), nil, nonce},
		{"receipts-with-empty-nonce", "user-data", "for receipts, a nonce of no bytes", data(attest.PurposeReceipts), nil, []byte{}},
		{"foreign", "user-data", "user data of another program", []byte("user data"), nil, nil},
		{"absent", "user-data", "no user data", nil, nil, nil},
	} {
		write("purpose/"+v.name, v.expect, v.comment, time.Time{}, document(i, func(f *softnsm.Fields) {
			f.UserData, f.PublicKey, f.Nonce = v.userData, v.key, v.nonce
		}))
	}
}
