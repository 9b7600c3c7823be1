package kms

import (
	"bytes"
	"crypto/rsa"
	"testing"
	"testing/cryptotest"
)

// hostile changes one thing in an answer that opens.
type hostile struct {
	expect, name, comment string
	change                func(*testing.T, *cmsParts)
}

// reshaped are answers whose BER is in order and which must not open. The expectation is the step
// that refuses them; to the caller they are all one error.
func reshaped(t *testing.T, key *rsa.PrivateKey) []cmsVector {
	shape := func(expect, name, comment string, change func(*cmsParts)) hostile {
		return hostile{expect, name, comment, func(_ *testing.T, p *cmsParts) { change(p) }}
	}
	var out []cmsVector
	for _, h := range append([]hostile{
		shape("envelope", "content-type", "signed data", func(p *cmsParts) { p.contentType = der(tagOID, oidData) }),
		shape("envelope", "version-0", "with a certificate list", func(p *cmsParts) { p.version = der(tagInteger, []byte{0}) }),
		shape("envelope", "version-long", "leading zero", func(p *cmsParts) { p.version = der(tagInteger, []byte{0, 2}) }),
		shape("envelope", "two-recipients", "a second one could open to another key", func(p *cmsParts) { p.twice = true }),
		shape("envelope", "no-recipient", "empty set", func(p *cmsParts) { p.noRecipient = true }),
		shape("envelope", "originator", "originatorInfo", func(p *cmsParts) { p.afterVersion = der(tagExplicit0, nil) }),
		shape("envelope", "attributes", "unprotectedAttrs", func(p *cmsParts) { p.afterContent = der(tagExplicit1, nil) }),

		shape("recipient", "recipient-version-0", "of issuer and serial number", func(p *cmsParts) { p.recipientVersion = der(tagInteger, []byte{0}) }),
		shape("recipient", "issuer-and-serial", "not the key's identifier", func(p *cmsParts) { p.rid = der(tagSequence, der(tagInteger, []byte{1})) }),
		shape("recipient", "pkcs1-v15", "RSA PKCS #1 v1.5: a padding oracle", func(p *cmsParts) { p.wrapOID = der(tagOID, append(bytes.Clone(oidRSAESOAEP[:8]), 1)) }),
		shape("recipient", "oaep-defaults", "empty parameters mean SHA-1", func(p *cmsParts) { p.oaep = der(tagSequence, nil) }),
		shape("recipient", "oaep-absent", "no parameters mean SHA-1", func(p *cmsParts) { p.oaep = nil }),
		shape("recipient", "oaep-sha1", "hash SHA-1", func(p *cmsParts) { p.oaep = oaep(oidSHA1, oidSHA256) }),
		shape("recipient", "oaep-mgf1-sha1", "mask over SHA-1", func(p *cmsParts) { p.oaep = oaep(oidSHA256, oidSHA1) }),
		shape("recipient", "oaep-label", "pSource", func(p *cmsParts) { p.oaep = oaep(oidSHA256, oidSHA256, der(0xa2, nil)) }),

		shape("content", "inner-type", "enveloped once more", func(p *cmsParts) { p.innerType = der(tagOID, oidEnvelopedData) }),
		shape("content", "aes-128", "AES-128-CBC", func(p *cmsParts) { p.cipherOID = der(tagOID, append(bytes.Clone(oidAES256CBC[:8]), 2)) }),
		shape("content", "iv-15", "one byte short", func(p *cmsParts) { p.iv = p.iv[1:] }),
		shape("content", "iv-17", "one byte more", func(p *cmsParts) { p.iv = append(p.iv, 0) }),
		shape("content", "no-ciphertext", "empty [0]", func(p *cmsParts) { p.content = nil }),
		shape("content", "no-chunks", "constructed [0] without any", func(p *cmsParts) { p.contentElement = der(tagExplicit0) }),
		shape("content", "chunk-type", "a chunk that is no OCTET STRING", func(p *cmsParts) {
			p.contentElement = der(tagExplicit0, der(tagOctetString, p.content[:16]), der(tagInteger, p.content[16:]))
		}),
		shape("content", "octet-string", "content outside [0]", func(p *cmsParts) { p.contentElement = der(tagOctetString, p.content) }),

		shape("identifier", "identifier-bit", "one bit off", func(p *cmsParts) { p.rid[5] ^= 1 }),
		shape("identifier", "identifier-short", "its first byte", func(p *cmsParts) { p.rid = der(tagPrimitive0, p.rid[2:3]) }),
		shape("identifier", "identifier-empty", "no byte", func(p *cmsParts) { p.rid = der(tagPrimitive0) }),

		shape("unwrap", "wrapped-bit", "encrypted key one bit off", func(p *cmsParts) { p.wrapped[100] ^= 1 }),
		shape("unwrap", "wrapped-short", "encrypted key too short", func(p *cmsParts) { p.wrapped = p.wrapped[1:] }),
		shape("unwrap", "wrapped-long", "leading zero", func(p *cmsParts) { p.wrapped = append([]byte{0}, p.wrapped...) }),
		{"unwrap", "wrapped-sha1", "OAEP over SHA-1 in fact", func(t *testing.T, p *cmsParts) { p.wrapped = wrapSHA1(t, key, p.contentKey) }},
		{"content-key", "content-key-16", "AES-128", func(t *testing.T, p *cmsParts) { p.wrapped = wrap(t, key, make([]byte, 16)) }},
		{"content-key", "content-key-33", "one byte more", func(t *testing.T, p *cmsParts) { p.wrapped = wrap(t, key, make([]byte, 33)) }},
		{"content-key", "content-key-empty", "no byte", func(t *testing.T, p *cmsParts) { p.wrapped = wrap(t, key, nil) }},
	}, paddings(shape)...) {
		cryptotest.SetGlobalRandom(t, 3)
		p := parts(t, key)
		h.change(t, p)
		out = append(out, cmsVector{h.expect + "-" + h.name, h.expect, h.comment, nil, p.encode()})
	}
	return out
}

// paddings are answers whose content key is right.
func paddings(shape func(expect, name, comment string, change func(*cmsParts)) hostile) []hostile {
	last := func(b ...byte) func(*cmsParts) {
		return func(p *cmsParts) {
			padded := append(bytes.Repeat([]byte{0x59}, 32), bytes.Repeat([]byte{16}, 16)...)
			copy(padded[len(padded)-len(b):], b)
			p.encryptPadded(padded)
		}
	}
	return []hostile{
		shape("padding", "cut", "one byte short of a block", func(p *cmsParts) { p.content = p.content[1:] }),
		shape("padding", "first-block", "without the padding's block", func(p *cmsParts) { p.content = p.content[:16] }),
		shape("padding", "bit", "a bit of the block before", func(p *cmsParts) { p.content[len(p.content)-17] ^= 1 }),
		shape("padding", "zero", "length 0", last(0)),
		shape("padding", "over-block", "length 17", last(17)),
		shape("padding", "255", "length 255", last(255)),
		shape("padding", "unequal", "one of three bytes differs", last(2, 3, 3)),
		shape("padding", "unequal-far", "the first of sixteen differs", last(append([]byte{15}, bytes.Repeat([]byte{16}, 15)...)...)),
	}
}

// berVectors are not what the reader knows of BER, or more of it than it takes.
func berVectors() []cmsVector {
	deep := []byte{5, 0}
	for range maxBERDepth + 1 {
		deep = der(tagSequence, deep)
	}
	good := der(tagSequence, der(tagInteger, []byte{2}))
	var out []cmsVector
	for _, v := range []cmsVector{
		{"empty", "ber", "no byte", nil, []byte{}},
		{"one-byte", "ber", "a tag alone", nil, []byte{0x30}},
		{"length-cut", "ber", "length without its bytes", nil, []byte{0x30, 0x82}},
		{"length-past-end", "ber", "65,535 bytes that are not there", nil, []byte{0x04, 0x82, 0xff, 0xff}},
		{"length-4-bytes", "ber", "4 GiB", nil, []byte{0x04, 0x84, 0xff, 0xff, 0xff, 0xff}},
		{"length-5-bytes", "ber", "length of five bytes", nil, []byte{0x04, 0x85, 1, 1, 1, 1, 1}},
		{"length-reserved", "ber", "length 0xff", nil, []byte{0x04, 0xff, 0}},
		{"indefinite-primitive", "ber", "primitive of indefinite length", nil, []byte{0x04, 0x80, 0, 0}},
		{"end-alone", "ber", "end marker alone", nil, []byte{0, 0}},
		{"end-in-definite", "ber", "end marker within a definite length", nil, []byte{0x30, 0x02, 0, 0}},
		{"end-with-length", "ber", "end marker of length 1", nil, []byte{0x30, 0x80, 0, 1, 0}},
		{"end-missing", "ber", "indefinite length without an end", nil, []byte{0x30, 0x80, 0x05, 0x00}},
		{"high-tag", "ber", "tag number of several bytes", nil, []byte{0x1f, 0x01, 0x00}},
		{"child-past-parent", "ber", "child longer than what holds it", nil, []byte{0x30, 0x03, 0x04, 0x05, 0x00}},
		{"nested-open", "ber", "8,000 indefinite lengths, none ended", nil, bytes.Repeat([]byte{0x30, 0x80}, 8000)},
		{"byte", "trailing", "one byte more", nil, append(bytes.Clone(good), 0)},
		{"end", "trailing", "an end marker that nothing opened", nil, append(bytes.Clone(good), 0, 0)},
		{"twice", "trailing", "a second element", nil, append(bytes.Clone(good), good...)},
		{"deep", "limit", "nested once too often", nil, deep},
		{"wide", "limit", "more elements than KMS ever sends", nil, der(tagSequence, bytes.Repeat([]byte{5, 0}, maxBERNodes))},
		{"long", "limit", "one byte over the longest answer", nil, der(tagOctetString, make([]byte, maxBER-3))},
	} {
		v.name = v.expect + "-" + v.name
		out = append(out, v)
	}
	return out
}
