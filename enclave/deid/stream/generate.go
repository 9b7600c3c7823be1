//go:build ignore

// Generate writes the vectors of testdata/crosswalk: earlier crosswalks (SPEC 5.3). Run by go
// generate.
package main

import (
	"log"
	"os"
	"path/filepath"
	"strings"

	"anchorhold/protocol/protocoltest/vectorfile"
)

const (
	a = "bcdfghjklmnpqrstbcdfghjklmnpqrst"
	b = "tsrqpnmlkjhgfdcbtsrqpnmlkjhgfdcb"

	refused = "crosswalk-malformed"
)

func main() {
	log.SetFlags(0)
	old, err := filepath.Glob("testdata/crosswalk/*.txt")
	check(err)
	for _, f := range old {
		check(os.Remove(f))
	}
	good := line("id", "Patient", "1", a)
	write("ok", "ok", "one id", good)
	write("ok-empty", "ok", "no identifier", "")
	write("ok-kinds", "ok", "each kind", good+line("identifier", "urn:mrn", "1", b)+line("contained", "Patient/1", "p", strings.Replace(a, "bc", "cb", 1)))
	write("ok-no-system", "ok", "an identifier without a system, escapes as JSON requires them, letters beyond ASCII",
		line("identifier", "", `é\"\\\n\u0000😀/`, a))
	write("ok-scopes", "ok", "one id of two types", good+line("id", "Practitioner", "1", b))

	edit := func(name, comment, from, to string) {
		if strings.Count(good, from) != 1 {
			log.Fatalf("%q is not there once", from)
		}
		write(name, refused, comment, strings.Replace(good, from, to, 1))
	}
	write("twice", refused, "an identifier twice: which surrogate counts would depend on the reader", good+line("id", "Patient", "1", b))
	write("twice-apart", refused, "an identifier twice, with others between", good+line("id", "Patient", "2", b)+good)
	write("one-surrogate", refused, "one surrogate for two identifiers: two people would become one", good+line("id", "Patient", "2", a))
	write("one-surrogate-apart", refused, "the same, with others between", good+line("id", "Patient", "2", b)+line("id", "Patient", "3", a))
	edit("surrogate-short", "31 letters", a, a[1:])
	edit("surrogate-long", "33 letters", a, a+"b")
	edit("surrogate-letters", "a letter that no surrogate has: an original in a surrogate's place", a, strings.Replace(a, "b", "a", 1))
	edit("surrogate-upper", "capitals", a, strings.ToUpper(a))
	edit("surrogate-uuid", "another system's pseudonym", a, "123e4567-e89b-12d3-a456-426614174000")
	edit("kind-unknown", "an unknown kind", `"id"`, `"name"`)
	edit("kind-case", "a kind in capitals", `"id"`, `"ID"`)
	edit("original-empty", "no original", `"1"`, `""`)
	edit("original-number", "a number", `"1"`, `1`)
	edit("original-null", "null", `"1"`, `null`)
	edit("member-missing", "no scope", `"scope":"Patient",`, ``)
	edit("member-unknown", "a member more", `{`, `{"note":"",`)
	edit("member-twice", "a member twice: two readers, two identifiers", `"original":"1"`, `"original":"2","original":"1"`)
	edit("member-order", "another order", `"kind":"id","scope":"Patient"`, `"scope":"Patient","kind":"id"`)
	edit("member-case", "names are not told apart by case", `"kind"`, `"Kind"`)
	edit("space", "a space", `:`+`"1"`, `: "1"`)
	edit("escape", "an escape that need not be", `"1"`, `"\u0031"`)
	edit("escape-slash", "the same", `"1"`, `"\/"`)
	edit("utf8", "invalid UTF-8", `"1"`, "\"\xff\"")
	edit("utf8-half", "half of a pair", `"1"`, `"\ud800"`)
	edit("cr", "a carriage return", "\n", "\r\n")
	edit("cut", "no line end: a line that may have had more", "\n", "")
	edit("blank", "a blank line", "\n", "\n\n")
	edit("array", "no object", `{`, `[{`)
	write("text", refused, "no JSON", "surrogate,original\n")
	write("bom", refused, "a byte order mark", "\ufeff"+good)
}

func line(kind, scope, original, surrogate string) string {
	return `{"kind":"` + kind + `","scope":"` + scope + `","original":"` + original + `","surrogate":"` + surrogate + "\"}\n"
}

func write(name, expect, comment, body string) {
	check(vectorfile.Write("testdata/crosswalk/"+name+".txt", map[string]string{"expect": expect, "comment": comment}, []byte(body)))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
