//go:build ignore

package main

import (
	"bytes"
	"fmt"
	"log"
	"time"

	"anchorhold/protocol/protocoltest/testca"
)

// with returns a payload of indefinite length with further pairs, of any bytes, before its end.
func with(i *testca.Issued, pairs ...string) []byte {
	p := fields(i).Payload(false)
	p = p[:len(p)-1]
	for _, pair := range pairs {
		p = append(p, pair...)
	}
	return append(p, 0xff)
}

// nested is a value in n-1 arrays: n levels.
func nested(n int) string {
	return string(bytes.Repeat([]byte{0x81}, n-1)) + "\x00"
}

// filled is a byte string that takes n bytes, of which 3 are its head.
func filled(n int) string {
	return string([]byte{0x59, byte((n - 3) >> 8), byte(n - 3)}) + string(make([]byte, n-3))
}

// newerModules are documents as a newer NSM might write them: fields that this version does not
// know, and other forms of those that it knows (SPEC 6.1).
func newerModules() {
	i := issue()
	unknown := func(name, expect, comment string, pairs ...string) {
		write(name, expect, comment, time.Time{}, sign(with(i, pairs...), i.Key))
	}
	known := func(name, expect, comment, old, new string) {
		write(name, expect, comment, time.Time{}, sign(replace(fields(i).Payload(false), old, new), i.Key))
	}
	unknown("ok-unknown", "ok", "a field that AWS does not send yet", "\x66future\x61x")
	many := make([]string, 17)
	for n := range many {
		many[n] = fmt.Sprintf("\x67field%02d\x00", n)
	}
	unknown("ok-unknown-16", "ok", "16 unknown fields", many[:16]...)
	unknown("malformed-unknown-17", "malformed", "17 unknown fields", many...)
	few := withoutOptional(i)
	few[0] += 17
	for _, pair := range many {
		few = append(few, pair...)
	}
	write("malformed-unknown-17-absent", "malformed", "17 unknown fields, optional ones left out", time.Time{}, sign(few, i.Key))
	definite := bytes.Replace(with(i, "\x66future\xf5"), []byte{0xbf}, []byte{0xaa}, 1)
	write("ok-unknown-definite", "ok", "an unknown field in a map of definite length", time.Time{}, sign(definite[:len(definite)-1], i.Key))
	known("ok-unknown-replaced", "ok", "an unknown field and no public key", "\x6apublic_key", "\x65extra")
	for _, v := range []struct{ name, comment, value string }{
		{"integers", "numbers of all sizes", "\x86\x17\x18\x18\x19\x01\x00\x1a\x00\x01\x00\x00\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x38\x63"},
		{"map", "a map of integers and strings", "\xa3\x00\xf4\x20\xf6\x61a\x41\x00"},
		{"indefinite", "array, map and strings of indefinite length", "\x9f\xbf\x61a\x5f\x41\x00\x40\xff\xff\x7f\x61a\xff\xff"},
		{"float", "floats and simple values", "\x86\xf9\x3c\x00\xfa\x47\xc3\x50\x00\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a\xe0\xf8\xff\xf7"},
		{"tag", "a tagged value", "\xc1\x1a\x65\x00\x00\x00"},
		{"deep", "8 levels", nested(8)},
		{"long", "a value of 7168 bytes", filled(7168)},
	} {
		unknown("ok-unknown-"+v.name, "ok", "an unknown field: "+v.comment, "\x66future"+v.value)
	}
	for _, v := range []struct{ name, comment, value string }{
		{"deep", "9 levels", nested(9)},
		{"tags", "9 levels of tags", "\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\x00"},
		{"long", "a value of 7169 bytes", filled(7169)},
		{"duplicate", "a map with a key twice", "\xa2\x61a\x00\x61a\x01"},
		{"duplicate-indefinite", "a map of indefinite length with a key twice", "\xbf\x00\x00\x00\x01\xff"},
		{"duplicate-inner", "a key twice in a map within an array", "\x81\xa2\x41\x00\x00\x41\x00\x01"},
		{"map-key", "a map with an array as key", "\xa1\x80\x00"},
		{"map-key-chunks", "a map with a string in chunks as key", "\xa1\x7f\x61a\xff\x00"},
		{"chunk", "a text string with a chunk of bytes", "\x7f\x41\x00\xff"},
		{"chunk-nested", "a chunk of chunks", "\x5f\x5f\x41\x00\xff\xff"},
		{"utf8", "text that is not UTF-8", "\x61\xff"},
		{"long-integer", "a number in two bytes instead of one", "\x18\x17"},
		{"long-length", "a length in two bytes instead of one", "\x58\x01\x00"},
		{"long-simple", "a simple value in two bytes instead of one", "\xf8\x14"},
		{"reserved", "additional information 28", "\x1c"},
		{"reserved-simple", "simple value with additional information 28", "\xfc"},
		{"break", "a break as value", "\x81\xff"},
		{"declared", "an array of 2^63 elements is announced", "\x9b\x80\x00\x00\x00\x00\x00\x00\x00"},
		{"declared-string", "a string longer than the document", "\x5a\x00\x01\x00\x00"},
		{"odd", "a map that ends after a key", "\xbf\x00\xff"},
	} {
		unknown("malformed-unknown-"+v.name, "malformed", "an unknown field: "+v.comment, "\x66future"+v.value)
	}
	unknown("malformed-unknown-twice", "malformed", "an unknown field twice", "\x66future\x00", "\x66future\x01")
	unknown("malformed-unknown-empty", "malformed", "a field without name", "\x60\x00")
	unknown("malformed-unknown-name", "malformed", "a name of 65 bytes", "\x78\x41"+string(bytes.Repeat([]byte{'n'}, 65))+"\x00")
	unknown("malformed-integer-key", "malformed", "a field with a number as name", "\x00\x00")
	unknown("malformed-bytes-key", "malformed", "a field with bytes as name", "\x46future\x00")
	unknown("not-enclave-both", "not-enclave", "registers of a NitroTPM next to an enclave's", "\x6dnitrotpm_pcrs\xa1\x00\x41\x00")
	forms(known, i)
}

// forms are known fields in other forms of CBOR.
func forms(known func(name, expect, comment, old, new string), i *testca.Issued) {
	p := fields(i).Payload(false)
	between := func(from, to string) string {
		a, b := bytes.Index(p, []byte(from)), bytes.Index(p, []byte(to))
		if a < 0 || b < a {
			log.Fatalf("%q does not follow %q", to, from)
		}
		return string(p[a:b])
	}
	pcrs, bundle := between("\x64pcrs", "\x6bcertificate"), between("\x68cabundle", "\x6apublic_key")
	known("ok-indefinite-pcrs", "ok", "pcrs of indefinite length", pcrs, "\x64pcrs\xbf"+pcrs[6:]+"\xff")
	known("ok-indefinite-cabundle", "ok", "cabundle of indefinite length", bundle, "\x68cabundle\x9f"+bundle[10:]+"\xff")
	known("malformed-indefinite-duplicate-pcr", "malformed", "PCR0 twice in pcrs of indefinite length", pcrs, "\x64pcrs\xbf\x00"+pcrs[7:]+"\x00"+pcrs[7:57]+"\xff")
	known("malformed-indefinite-no-pcrs", "malformed", "pcrs of indefinite length without any", pcrs, "\x64pcrs\xbf\xff")
	known("malformed-indefinite-bundle", "malformed", "cabundle of indefinite length with 9 certificates", bundle,
		"\x68cabundle\x9f"+string(bytes.Repeat([]byte{0x41, 0x00}, 9))+"\xff")
	known("malformed-pcrs-text-key", "malformed", "a register with text as index", "\x64pcrs\xb0\x00", "\x64pcrs\xb0\x610")
	known("malformed-chunked-data", "malformed", "user data in chunks", "\x49user data", "\x5f\x49user data\xff")
	known("malformed-chunked-name", "malformed", "the name of a field in chunks", "\x65nonce", "\x7f\x65nonce\xff")
	known("malformed-undefined", "malformed", "undefined instead of null", "\x65nonce\xf6", "\x65nonce\xf7")
	known("malformed-long-head", "malformed", "a length in three bytes instead of one", "\x49user data", "\x59\x00\x09user data")
	doc := sign(p, i.Key)
	chunked := bytes.Replace(doc, []byte("\xa0\x59"), []byte("\xa0\x5f\x59"), 1)
	at := len(chunked) - 98 // where the signature's head begins
	write("malformed-chunked-payload", "malformed", "the payload in chunks", time.Time{}, bytes.Join([][]byte{chunked[:at], chunked[at:]}, []byte{0xff}))
	write("algorithm-indefinite-unprotected", "algorithm", "an empty unprotected header of indefinite length", time.Time{},
		bytes.Replace(doc, []byte("\x38\x22\xa0"), []byte("\x38\x22\xbf\xff"), 1))
}
