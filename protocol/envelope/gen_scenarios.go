//go:build ignore

package main

import "bytes"

func good() {
	m := base()
	write("ok-frames", "ok", "two regular frames and a final one", m)
	m = base()
	m.plain = ""
	write("ok-empty", "ok", "no plaintext: one empty final frame", m)
	m = base()
	m.plain = text[:frameLength]
	write("ok-full-final", "ok", "the final frame is as long as the frame length", m)
	m = base()
	m.plain = text[:frameLength]
	m.editFrames = func([][]byte) []byte {
		return join([][]byte{m.seal(1, false, regular, m.plain, iv(1)), m.seal(2, true, last, "", iv(2))})
	}
	write("ok-empty-final", "ok", "a full regular frame, then an empty final one", m)
	m = base()
	m.context = nil
	write("ok-no-context", "ok", "no encryption context at all", m)
	m = base()
	m.keys = keys("aws-kms", "arn:aws:kms:us-east-1:111122223333:key/a", "first", "raw", "\xff\x00\x01", "second")
	write("ok-two-keys", "ok", "two keys; the provider info of the second is binary", m)
	write("ok-signed", "ok", "suite 0x0578", signed())
}

func badHeaders() {
	edit := func(name, expect, comment string, change func(m *message)) {
		m := base()
		change(m)
		write(name, expect, comment, m)
	}
	edit("version-1", "suite", "format version 1 does not commit to the key", func(m *message) { m.version = 1 })
	for _, s := range []struct {
		name string
		id   uint16
	}{{"suite-0014", 0x0014}, {"suite-0178", 0x0178}, {"suite-0378", 0x0378}, {"suite-0479", 0x0479}} {
		edit(s.name, "suite", "a suite that does not commit to the key, or none", func(m *message) { m.suite = s.id })
	}
	edit("context-count-zero", "malformed", "length over zero, count zero", func(m *message) { m.context = u16(0) })
	edit("context-unsorted", "malformed", "keys out of order", func(m *message) { m.context = context("b", "1", "a", "2") })
	edit("context-duplicate", "malformed", "a key twice", func(m *message) { m.context = context("a", "1", "a", "2") })
	edit("context-trailing", "malformed", "a byte behind the last pair", func(m *message) { m.context = append(context("a", "1"), 0) })
	edit("context-cut", "malformed", "the last value runs past the context", func(m *message) {
		m.context = context("a", "1")
		m.context = m.context[:len(m.context)-1]
	})
	edit("context-one-byte", "malformed", "no room for the count", func(m *message) { m.context = []byte{1} })
	edit("context-not-utf8", "malformed", "a value is not UTF-8", func(m *message) { m.context = context("a", "\xff") })
	edit("context-key-not-utf8", "malformed", "a key is not UTF-8", func(m *message) { m.context = context("\xc0\x80", "1") })
	edit("keys-none", "malformed", "no encrypted data key", func(m *message) { m.keys = keys() })
	edit("keys-too-many", "too-many-keys", "nine keys where eight are allowed", func(m *message) {
		m.keys = append(u16(9), bytes.Repeat(keys("a", "b", "c")[2:], 9)...)
	})
	edit("keys-claimed", "too-many-keys", "65535 keys claimed, one there", func(m *message) { m.keys = append(u16(0xFFFF), m.keys[2:]...) })
	edit("keys-provider-not-utf8", "malformed", "provider id is not UTF-8", func(m *message) { m.keys = keys("\xff", "b", "c") })
	edit("not-framed", "malformed", "content type 1: one body without frames", func(m *message) { m.content = 1 })
	edit("frame-length-zero", "malformed", "frame length zero", func(m *message) { m.frameLength = 0 })
	edit("frame-length-over", "frame-length", "frame length over the limit", func(m *message) { m.frameLength = 4<<20 + 1 })
	edit("frame-length-huge", "frame-length", "frame length 2^32-1", func(m *message) { m.frameLength = 0xFFFFFFFF })
	edit("wrong-data-key", "authentication", "made under another data key", func(m *message) { m.key, m.commitKey = otherKey, otherKey })
	edit("wrong-commitment", "authentication", "right content key, commitment to another key", func(m *message) { m.commitKey = otherKey })
	edit("wrong-content-key", "authentication", "commitment to the data key, tag under another", func(m *message) { m.key = otherKey })
	edit("header-tag", "authentication", "a bit of the header tag flipped", func(m *message) {
		m.editHeader = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	})
	edit("header-context-changed", "authentication", "tenant renamed after sealing", func(m *message) {
		m.editHeader = func(b []byte) []byte { return bytes.Replace(b, []byte("clinic"), []byte("clinik"), 1) }
	})
	edit("header-cut", "truncated", "the header ends inside the commitment", func(m *message) {
		m.editHeader = func(b []byte) []byte { return b[:len(b)-20] }
		m.editFrames = func([][]byte) []byte { return nil }
	})
	edit("public-key-unsigned", "malformed", "a verification key in an unsigned message", func(m *message) {
		m.context = signed().context
	})
}

func badBodies() {
	edit := func(name, expect, comment string, change func(m *message, f [][]byte) []byte) {
		m := base()
		m.editFrames = func(f [][]byte) []byte { return change(m, f) }
		write(name, expect, comment, m)
	}
	flip := func(b []byte, i int) { b[(i+len(b))%len(b)] ^= 0x80 }
	edit("frame-tag", "authentication", "tag of the second frame changed", func(m *message, f [][]byte) []byte { flip(f[1], -1); return join(f) })
	edit("frame-ciphertext", "authentication", "ciphertext of the first frame changed", func(m *message, f [][]byte) []byte { flip(f[0], 16); return join(f) })
	edit("frame-iv", "malformed", "IV of the first frame changed", func(m *message, f [][]byte) []byte { flip(f[0], 4); return join(f) })
	edit("frame-iv-authentic", "malformed", "second frame sealed under the first one's IV", func(m *message, f [][]byte) []byte {
		f[1] = m.seal(2, false, regular, text[frameLength:2*frameLength], iv(1))
		return join(f)
	})
	edit("frame-sequence", "malformed", "second frame is numbered 3", func(m *message, f [][]byte) []byte {
		f[1] = m.seal(3, false, regular, text[frameLength:2*frameLength], iv(3))
		return join(f)
	})
	edit("frame-zero", "malformed", "first frame is numbered 0", func(m *message, f [][]byte) []byte {
		f[0] = m.seal(0, false, regular, text[:frameLength], iv(0))
		return join(f)
	})
	edit("frames-swapped", "malformed", "first and second frame swapped", func(m *message, f [][]byte) []byte { return join([][]byte{f[1], f[0], f[2]}) })
	edit("frame-repeated", "malformed", "first frame sent twice", func(m *message, f [][]byte) []byte { return join([][]byte{f[0], f[0], f[1], f[2]}) })
	edit("frame-left-out", "malformed", "second frame left out", func(m *message, f [][]byte) []byte { return join([][]byte{f[0], f[2]}) })
	edit("frame-of-other-message", "authentication", "first frame of another message under the same data key", func(m *message, f [][]byte) []byte {
		o := base()
		o.id = bytes.Repeat([]byte{0x44}, 32)
		f[0] = o.frames()[0]
		return join(f)
	})
	edit("frame-label", "authentication", "a regular frame sealed as a final one", func(m *message, f [][]byte) []byte {
		f[0] = m.seal(1, false, last, text[:frameLength], iv(1))
		return join(f)
	})
	edit("final-label", "authentication", "the final frame sealed as a regular one", func(m *message, f [][]byte) []byte {
		f[2] = m.seal(3, true, regular, text[2*frameLength:], iv(3))
		return join(f)
	})
	edit("final-early", "authentication", "the second frame presented as final", func(m *message, f [][]byte) []byte {
		b := append(append(u32(0xFFFFFFFF), f[1][:16]...), u32(frameLength)...)
		return join([][]byte{f[0], append(b, f[1][16:]...)})
	})
	edit("final-too-long", "malformed", "the final frame is longer than the frame length", func(m *message, f [][]byte) []byte {
		return m.seal(1, true, last, text[:frameLength+1], iv(1))
	})
	edit("final-length-huge", "malformed", "the final frame claims 2^32-1 bytes", func(m *message, f [][]byte) []byte {
		copy(f[2][20:], u32(0xFFFFFFFF))
		return join(f)
	})
	edit("final-length-changed", "truncated", "the final frame claims one byte more", func(m *message, f [][]byte) []byte { f[2][23]++; return join(f) })
	edit("final-length-shorter", "authentication", "the final frame claims one byte less", func(m *message, f [][]byte) []byte { f[2][23]--; return join(f) })
	edit("final-missing", "truncated", "ends at a frame's boundary", func(m *message, f [][]byte) []byte { return join(f[:2]) })
	edit("final-twice", "malformed", "the final frame sent twice", func(m *message, f [][]byte) []byte { return join(append(f, f[2])) })
	edit("body-none", "truncated", "nothing behind the header", func(*message, [][]byte) []byte { return nil })
	edit("body-cut", "truncated", "ends inside the second frame", func(m *message, f [][]byte) []byte { return join([][]byte{f[0], f[1][:20]}) })
	edit("body-cut-final", "truncated", "the last byte is missing", func(m *message, f [][]byte) []byte { b := join(f); return b[:len(b)-1] })
	edit("trailing", "malformed", "a byte behind the final frame", func(m *message, f [][]byte) []byte { return append(join(f), 0) })
}

func badFooters() {
	edit := func(name, expect, comment string, change func(m *message)) {
		m := signed()
		change(m)
		write(name, expect, comment, m)
	}
	footer := func(f func(sig []byte) []byte) func(*message) { return func(m *message) { m.footer = f } }
	edit("signature-changed", "authentication", "a bit of the signature flipped", footer(func(s []byte) []byte {
		s[len(s)-1] ^= 1
		return append(u16(len(s)), s...)
	}))
	edit("signature-of-other-key", "authentication", "signed with another key than the context names", func(m *message) { m.signer = signer(8) })
	edit("signature-missing", "truncated", "no footer", footer(func([]byte) []byte { return nil }))
	edit("signature-cut", "truncated", "the footer ends early", footer(func(s []byte) []byte { return append(u16(len(s)), s[:len(s)-1]...) }))
	edit("signature-length-cut", "truncated", "one byte of footer", footer(func(s []byte) []byte { return []byte{0} }))
	edit("signature-empty", "malformed", "a footer of length zero", footer(func([]byte) []byte { return u16(0) }))
	edit("signature-long", "malformed", "a longer signature than P-384 has", footer(func(s []byte) []byte {
		return append(u16(105), make([]byte, 105)...)
	}))
	edit("signature-padded", "authentication", "a byte behind the DER, inside the footer", footer(func(s []byte) []byte {
		return append(append(u16(len(s)+1), s...), 0)
	}))
	edit("signature-trailing", "malformed", "a byte behind the footer", func(m *message) { m.tail = []byte{0} })
	edit("signed-header-changed", "authentication", "tenant renamed after sealing", func(m *message) {
		m.editHeader = func(b []byte) []byte { return bytes.Replace(b, []byte("clinic"), []byte("clinik"), 1) }
	})
	edit("public-key-missing", "malformed", "suite 0x0578 without verification key", func(m *message) { m.context = context("a", "b") })
	for _, e := range []struct{ name, comment, value string }{
		{"public-key-base64", "verification key is not base64", "?"},
		{"public-key-newline", "a second spelling: base64 readers skip line ends", publicKey(signer(7))[:8] + "\n" + publicKey(signer(7))[8:]},
		{"public-key-no-padding", "base64 of the wrong length", publicKey(signer(7))[:65]},
		{"public-key-off-curve", "not a point of the curve", offCurve()},
	} {
		edit(e.name, "malformed", e.comment, func(m *message) { m.context = context("aws-crypto-public-key", e.value) })
	}
}
