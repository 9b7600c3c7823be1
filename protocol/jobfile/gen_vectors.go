//go:build ignore

// Writes the vectors of package jobfile into testdata. The body is a job file.
package main

import (
	"bytes"
	"encoding/binary"
	"log"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/protocoltest/vectorfile"
)

type keys = map[string]any

var (
	nonce = bytes.Repeat([]byte{0x11}, 32)
	reply = bytes.Repeat([]byte{0x22}, 1216)
	cross = bytes.Repeat([]byte{0x33}, 1216)
)

// with returns the required keys with changes; a nil value removes a key.
func with(changes keys) keys {
	m := keys{"nonce": nonce, "reply_key": reply, "sealed_at": uint64(1_790_000_000_000)}
	for k, v := range changes {
		if v == nil {
			delete(m, k)
			continue
		}
		m[k] = v
	}
	return m
}

func encode(m keys) []byte {
	b, err := canonical.Marshal(m)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

// file puts a header into a job file by hand.
func file(magic string, n int, header []byte, message string) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), uint32(n))
	return append(append(b, header...), message...)
}

func plain(m keys) []byte { return file("AHJOB1\r\n", len(encode(m)), encode(m), "message") }

func write(name, comment string, header map[string]string, body []byte) {
	header["expect"] = because(name, header["expect"])
	header["comment"], header["encoding"] = comment, "hex"
	if err := vectorfile.Write("testdata/"+name+".txt", header, body); err != nil {
		log.Fatal(err)
	}
}

func main() {
	for _, v := range []struct {
		name, comment string
		header        keys
	}{
		{"ok-plain", "required keys only", with(nil)},
		{"ok-all", "with crosswalk key and parameters", with(keys{"crosswalk_key": cross, "parameters": []byte("parameters message")})},
		{"ok-sealed-at-0", "a clock that was never set", with(keys{"sealed_at": 0})},
	} {
		b := plain(v.header)
		d := digest.Sum(b[:len(b)-len("message")])
		write(v.name, v.comment, map[string]string{"expect": "accepted", "digest": d.String()}, b)
	}

	good := encode(with(nil))
	indefinite := append(append([]byte{0xbf}, good[1:]...), 0xff)
	twice := append([]byte{0xa4}, good[1:]...)
	twice = append(twice, good[1:1+6+2+32]...)
	for _, v := range []struct {
		name, expect, comment string
		body                  []byte
	}{
		{"magic-other", "magic", "a sealed result", file("AHRES1\r\n", len(good), good, "")},
		{"magic-newline", "magic", "line ends translated on the way", file("AHJOB1\n\n", len(good), good, "")},
		{"magic-version", "magic", "a version to come", file("AHJOB2\r\n", len(good), good, "")},
		{"cut-empty", "cut", "nothing", nil},
		{"cut-magic", "cut", "ends in the magic", []byte("AHJOB1")},
		{"cut-length", "cut", "ends in the length", []byte("AHJOB1\r\n\x00\x00")},
		{"cut-header", "cut", "ends in the header", file("AHJOB1\r\n", len(good), good[:100], "")},
		{"cut-declared", "cut", "2 MiB declared and no byte sent: nothing may be allocated for it", file("AHJOB1\r\n", 2<<20, nil, "")},
		{"long-one", "too-long", "one byte over the limit", file("AHJOB1\r\n", 2<<20+1, good, "")},
		{"long-most", "too-long", "length 2^32-1", file("AHJOB1\r\n", 1<<32-1, good, "")},
		{"cbor-empty", "cbor", "length 0", file("AHJOB1\r\n", 0, nil, "message")},
		{"cbor-trailing", "cbor", "the length covers a byte of the message", file("AHJOB1\r\n", len(good)+1, good, "message")},
		{"cbor-short", "cbor", "the length leaves a byte out", file("AHJOB1\r\n", len(good)-1, good, "message")},
		{"cbor-indefinite", "cbor", "indefinite map", file("AHJOB1\r\n", len(indefinite), indefinite, "")},
		{"cbor-duplicate", "cbor", "nonce given twice", file("AHJOB1\r\n", len(twice), twice, "")},
		{"cbor-unknown", "cbor", "an unknown key", plain(with(keys{"debug": true}))},
		{"cbor-no-nonce", "cbor", "nonce is required", plain(with(keys{"nonce": nil}))},
		{"cbor-no-key", "cbor", "reply_key is required", plain(with(keys{"reply_key": nil}))},
		{"cbor-no-time", "cbor", "sealed_at is required", plain(with(keys{"sealed_at": nil}))},
		{"cbor-nonce-short", "cbor", "a nonce of 31 bytes", plain(with(keys{"nonce": nonce[:31]}))},
		{"cbor-nonce-long", "cbor", "a nonce of 33 bytes", plain(with(keys{"nonce": append(bytes.Clone(nonce), 0)}))},
		{"cbor-time-negative", "cbor", "a time before 1970", plain(with(keys{"sealed_at": -1}))},
		{"cbor-parameters-empty", "cbor", "an optional key is absent, never empty", plain(with(keys{"parameters": []byte{}}))},
		{"cbor-crosswalk-empty", "cbor", "an optional key is absent, never empty", plain(with(keys{"crosswalk_key": []byte{}}))},
		{"key-short", "key-size", "a reply key of 1215 bytes", plain(with(keys{"reply_key": reply[1:]}))},
		{"key-empty", "key-size", "a reply key of 0 bytes", plain(with(keys{"reply_key": []byte{}}))},
		{"key-x25519", "key-size", "a bare X25519 key", plain(with(keys{"reply_key": reply[:32]}))},
		{"key-crosswalk-long", "key-size", "a crosswalk key of 1217 bytes", plain(with(keys{"crosswalk_key": append(bytes.Clone(cross), 0)}))},
	} {
		write(v.name, v.comment, map[string]string{"expect": v.expect}, v.body)
	}
}
