//go:build ignore

// Writes the vectors of package event into testdata. The body is what one connection carries.
package main

import (
	"log"

	"anchorhold/protocol/protocoltest/vectorfile"
)

func main() {
	for _, v := range []struct{ name, expect, comment, body string }{
		{"ok-started", "started", "the first stage", "AHEV\x00\x01\x01\x01"},
		{"ok-serving", "serving", "the last stage", "AHEV\x00\x01\x01\x06"},
		{"ok-files-differ", "files-differ", "a cause", "AHEV\x00\x01\x02\x02"},
		{"ok-failed", "failed", "the last cause", "AHEV\x00\x01\x02\x11"},
		{"ok-killed", "killed", "the last word", "AHEV\x00\x01\x03\x03"},
		{"bad-empty", "malformed", "nothing", ""},
		{"bad-short", "malformed", "seven bytes", "AHEV\x00\x01\x01"},
		{"bad-long", "malformed", "a byte behind the event", "AHEV\x00\x01\x01\x01\x00"},
		{"bad-two", "malformed", "two events on one connection", "AHEV\x00\x01\x01\x01AHEV\x00\x01\x01\x02"},
		{"bad-magic", "malformed", "another magic", "AHEX\x00\x01\x01\x01"},
		{"bad-version", "malformed", "version 2", "AHEV\x00\x02\x01\x01"},
		{"bad-code-0", "malformed", "code 0", "AHEV\x00\x01\x00\x00"},
		{"bad-code-stage", "malformed", "no such stage", "AHEV\x00\x01\x01\x07"},
		{"bad-code-cause", "malformed", "no such cause", "AHEV\x00\x01\x02\x12"},
		{"bad-text", "malformed", "text of the sender's choice", "GET / HTTP/1.1\r\n\r\n"},
	} {
		h := map[string]string{"expect": v.expect, "comment": v.comment, "encoding": "hex"}
		if err := vectorfile.Write("testdata/"+v.name+".txt", h, []byte(v.body)); err != nil {
			log.Fatal(err)
		}
	}
}
