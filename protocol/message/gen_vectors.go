//go:build ignore

// Writes the vectors of package message into testdata. The body is that of a control frame, without
// CRC.
package main

import (
	"bytes"
	"encoding/hex"
	"log"
	"strings"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/message"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func write(name, expect, comment string, body []byte) {
	h := map[string]string{"expect": because(name, expect), "comment": comment, "encoding": "hex"}
	if err := vectorfile.Write("testdata/"+name+".txt", h, body); err != nil {
		log.Fatal(err)
	}
}

func fill(b byte) (d digest.Digest) {
	for i := range d {
		d[i] = b
	}
	return d
}

// golden has each message once, with every key and with the shortest and longest values of SPEC
// 2.2.
func golden() {
	for name, m := range map[string]message.Message{
		"describe": message.Describe{},
		"description": message.Description{
			Version: "1.0", Boot: [16]byte{0xb0, 15: 0xb1}, PCR0: fill(0xa0), PCR1: fill(0xa1), PCR2: fill(0xa2),
			Policy: fill(0xaf), Jobs: 1, Capacity: 4, Batches: 1 << 32,
		},
		"get-policy":        message.GetPolicy{},
		"attest":            message.Attest{Nonce: []byte{7}},
		"attest-longest":    message.Attest{Nonce: bytes.Repeat([]byte{7}, 512)},
		"attestation":       message.Attestation{Document: []byte("document")},
		"get-log":           message.GetLog{From: 23},
		"batch":             message.Batch{Number: 24, Document: []byte("document"), Leaves: []digest.Digest{fill(1), fill(2)}},
		"job":               message.Job{},
		"end":               message.End{},
		"done":              message.Done{Receipt: []byte("receipt")},
		"failed":            message.Failed{Code: code.KMSDenied},
		"failed-receipt":    message.Failed{Code: code.Truncated, Receipt: []byte("receipt")},
		"connect":           message.Connect{Host: "kms.us-east-1.amazonaws.com", Port: 443},
		"connected":         message.Connected{},
		"get-credentials":   message.GetCredentials{},
		"renew-credentials": message.RenewCredentials{Refused: message.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret", SessionToken: "token"}.Digest()},
		"credentials":       message.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret", SessionToken: "token", Expires: 1 << 40},
		"credentials-long":  message.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"},
	} {
		b, err := message.Encode(m)
		if err != nil {
			log.Fatal(err)
		}
		write("ok-"+name, m.Op(), "accepted, and encodes to the same bytes", b)
	}
}

// raw turns a shorthand into bytes: 'text' in quotes, hex outside.
func raw(s string) []byte {
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			log.Fatal(s, err)
		}
		out = append(out, b...)
	}
	return out
}

func main() {
	golden()
	for _, v := range []struct{ name, expect, comment, body string }{
		{"op-missing", "op", "an empty map", "a0"},
		{"op-not-map", "op", "an array", "81 63 'end'"},
		{"op-bytes", "op", "op is a byte string", "a1 62'op' 43'end'"},
		{"op-cut", "op", "op runs past the end", "a1 62'op' 63'en'"},
		{"op-long-form", "op", "length of op not in its shortest form", "a1 62'op' 7803'end'"},
		{"op-unknown", "op", "an op that does not exist", "a1 62'op' 64'stop'"},
		{"op-case", "op", "ops are lower case", "a1 62'op' 63'End'"},
		{"op-key-case", "op", "the key in upper case", "a1 62'OP' 63'end'"},
		{"op-not-first", "op", "canonical order puts op first", "a2 64'from' 01 62'op' 67'get-log'"},
		{"op-twice", "keys", "op given twice", "a2 62'op' 63'end' 62'op' 63'end'"},
		{"op-map-long-form", "op", "map length not in its shortest form", "b801 62'op' 63'end'"},
		{"op-indefinite", "op", "indefinite map", "bf 62'op' 63'end' ff"},
		{"op-empty", "op", "nothing", ""},
		{"keys-trailing", "keys", "a byte behind the map", "a1 62'op' 63'end' 00"},
		{"keys-unknown", "keys", "an unknown key", "a2 62'op' 63'end' 61'x' 01"},
		{"keys-missing", "keys", "from is required", "a1 62'op' 67'get-log'"},
		{"keys-missing-zero", "keys", "expires is required even when 0", "a4 62'op' 6b'credentials' 6d'access_key_id' 60 6d'session_token' 60 71'secret_access_key' 60"},
		{"keys-case", "keys", "keys are case-sensitive", "a2 62'op' 67'get-log' 64'From' 01"},
		{"keys-null", "keys", "an optional key is absent, never null", "a3 62'op' 66'failed' 64'code' 64'busy' 67'receipt' f6"},
		{"keys-undefined", "keys", "undefined", "a2 62'op' 67'get-log' 64'from' f7"},
		{"keys-empty-optional", "keys", "an optional key is absent, never empty", "a3 62'op' 66'failed' 64'code' 64'busy' 67'receipt' 40"},
		{"keys-float", "keys", "a float where a uint belongs", "a2 62'op' 67'get-log' 64'from' f93c00"},
		{"keys-negative", "keys", "a negative number", "a2 62'op' 67'get-log' 64'from' 20"},
		{"keys-bignum", "keys", "a tagged bignum", "a2 62'op' 67'get-log' 64'from' c24101"},
		{"keys-tag", "keys", "a tag", "a2 62'op' 67'get-log' 64'from' d9d9f701"},
		{"keys-long-int", "keys", "1 in two bytes", "a2 62'op' 67'get-log' 64'from' 1801"},
		{"keys-text-for-bytes", "keys", "text where bytes belong", "a2 62'op' 66'attest' 65'nonce' 61'n'"},
		{"keys-bytes-for-text", "keys", "bytes where text belongs", "a2 62'op' 66'failed' 64'code' 44'busy'"},
		{"keys-indefinite-bytes", "keys", "indefinite byte string", "a2 62'op' 66'attest' 65'nonce' 5f4107ff"},
		{"keys-utf8", "keys", "invalid utf-8", "a3 62'op' 67'connect' 64'host' 61ff 64'port' 01"},
		{"keys-order", "keys", "port before host", "a3 62'op' 67'connect' 64'port' 01 64'host' 61'h'"},
		{"keys-duplicate", "keys", "from given twice", "a3 62'op' 67'get-log' 64'from' 01 64'from' 02"},
		{"keys-port-wide", "keys", "port 65536", "a3 62'op' 67'connect' 64'host' 61'h' 64'port' 1a00010000"},
		{"keys-leaf-short", "keys", "a leaf of 47 bytes", "a4 62'op' 65'batch' 66'leaves' 81 582f" + strings.Repeat("00", 47) + "66'number' 00 68'document' 4101"},
		{"keys-leaf-long", "keys", "a leaf of 49 bytes", "a4 62'op' 65'batch' 66'leaves' 81 5831" + strings.Repeat("00", 49) + "66'number' 00 68'document' 4101"},
		{"keys-leaf-ints", "keys", "a leaf as an array of numbers", "a4 62'op' 65'batch' 66'leaves' 81 9830" + strings.Repeat("00", 48) + "66'number' 00 68'document' 4101"},
		{"keys-digest-short", "keys", "a digest of 31 bytes", "a2 62'op' 71'renew-credentials' 67'refused' 581f" + strings.Repeat("00", 31)},
		{"keys-digest-missing", "keys", "the digest is required", "a1 62'op' 71'renew-credentials'"},
		{"keys-huge-array", "keys", "2^63 leaves declared: nothing may be allocated", "a4 62'op' 65'batch' 66'leaves' 9b8000000000000000"},
		{"keys-huge-bytes", "keys", "2^63 bytes declared", "a2 62'op' 66'attest' 65'nonce' 5b8000000000000000"},
		{"range-nonce-empty", "range", "a nonce of 0 bytes", "a2 62'op' 66'attest' 65'nonce' 40"},
		{"range-nonce-long", "range", "a nonce of 513 bytes", "a2 62'op' 66'attest' 65'nonce' 590201" + strings.Repeat("00", 513)},
		{"range-code", "range", "a code of the peer's choice", "a2 62'op' 66'failed' 64'code' 65'hello'"},
		{"range-record-code", "range", "record codes never leave the report", "a2 62'op' 66'failed' 64'code' 6c'utf8-invalid'"},
		{"range-no-leaves", "range", "a batch without leaves", "a4 62'op' 65'batch' 66'leaves' 80 66'number' 00 68'document' 4101"},
		{"range-leaves", "range", "257 leaves", "a4 62'op' 65'batch' 66'leaves' 990101" + strings.Repeat("5830"+strings.Repeat("11", 48), 257) + "66'number' 00 68'document' 4101"},
		{"range-host-empty", "range", "an empty host", "a3 62'op' 67'connect' 64'host' 60 64'port' 01"},
		{"range-port-0", "range", "port 0", "a3 62'op' 67'connect' 64'host' 61'h' 64'port' 00"},
		{"range-no-document", "range", "an empty document", "a2 62'op' 6b'attestation' 68'document' 40"},
		{"range-no-receipt", "range", "a success without receipt", "a2 62'op' 64'done' 67'receipt' 40"},
	} {
		write(v.name, v.expect, v.comment, raw(v.body))
	}
}
