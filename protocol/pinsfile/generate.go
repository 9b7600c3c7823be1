//go:build ignore

// Generate writes the vectors of testdata: pins files. Run by go generate.
package main

import (
	"log"
	"os"
	"path/filepath"
	"strings"

	"anchorhold/protocol/protocoltest/vectorfile"
)

func main() {
	log.SetFlags(0)
	old, err := filepath.Glob("testdata/*.txt")
	check(err)
	for _, f := range old {
		check(os.Remove(f))
	}
	good := "anchorhold: pins/v1\nlayout: anchorhold\nexpires: 2027-01-31\nimages:\n  - name: release 1.0\n" +
		"    pcr0: " + strings.Repeat("0a", 48) + "\n    pcr1: " + strings.Repeat("1b", 48) + "\n    pcr2: " + strings.Repeat("22", 48) + "\n"
	write := func(name, expect, comment, body string) {
		check(vectorfile.Write("testdata/"+name+".txt", map[string]string{"expect": expect, "comment": comment}, []byte(body)))
	}
	edit := func(name, expect, comment, from, to string) {
		if strings.Count(good, from) != 1 {
			log.Fatalf("%q is not there once", from)
		}
		write(name, expect, comment, strings.Replace(good, from, to, 1))
	}
	write("ok", "ok", "the registers that all images have", good)
	write("ok-all", "ok", "all registers", good+"    pcr3: "+strings.Repeat("33", 48)+"\n    pcr4: "+strings.Repeat("44", 48)+"\n    pcr8: "+strings.Repeat("88", 48)+"\n")
	edit("ok-nitro-cli", "ok", "the other layout", "layout: anchorhold", "layout: nitro-cli")
	edit("malformed-version", "malformed", "another version", "pins/v1", "pins/v2")
	edit("malformed-layout", "malformed", "unknown layout", "layout: anchorhold", "layout: any")
	edit("malformed-no-layout", "malformed", "no layout", "layout: anchorhold\n", "")
	edit("malformed-no-expires", "malformed", "pins without an end", "expires: 2027-01-31\n", "")
	edit("malformed-expires", "malformed", "a day that no calendar has", "2027-01-31", "2027-02-30")
	edit("malformed-expires-never", "malformed", "pins without an end", "2027-01-31", "never")
	edit("malformed-unknown", "malformed", "an unknown key: a misspelt register would go unchecked", "    pcr1", "    prc8: 00\n    pcr1")
	edit("malformed-duplicate", "malformed", "a register twice", "    pcr1", "    pcr0: "+strings.Repeat("0c", 48)+"\n    pcr1")
	edit("malformed-short", "malformed", "47 bytes", strings.Repeat("1b", 48), strings.Repeat("1b", 47))
	edit("malformed-upper", "malformed", "digits in upper case", strings.Repeat("1b", 48), strings.Repeat("1B", 48))
	edit("malformed-no-name", "malformed", "an image without a name", "name: release 1.0", "name: ''")
	edit("malformed-escape", "malformed", "a name that moves the cursor", "name: release 1.0", `name: "\e[2J"`)
	write("malformed-empty-pcr8", "malformed", "PCR8 named without a value would go unchecked", good+"    pcr8:\n")
	write("malformed-alias", "malformed", "PCR3 by alias", strings.Replace(good, "pcr0: ", "pcr0: &a ", 1)+"    pcr3: *a\n")
	write("ok-zero-pcr3", "ok", "an instance without a role", good+"    pcr3: "+strings.Repeat("00", 48)+"\n")
	write("malformed-same-name", "malformed", "two images of one name", good+good[strings.Index(good, "  - name"):])
	write("malformed-two-documents", "malformed", "a second YAML document, which only a person reads", good+"---\n"+good)
	write("malformed-empty", "malformed", "no bytes", "")
	write("malformed-list", "malformed", "no map", "- a\n")
	edit("debug-zero", "debug", "PCR2 of a debug enclave", strings.Repeat("22", 48), strings.Repeat("00", 48))
	edit("debug-missing", "debug", "PCR1 left out", "    pcr1: "+strings.Repeat("1b", 48)+"\n", "")
	edit("debug-null", "debug", "PCR1 null", "pcr1: "+strings.Repeat("1b", 48), "pcr1: ~")
	write("no-pins-empty", "no-pins", "no image", good[:strings.Index(good, "images")]+"images: []\n")
	write("no-pins-missing", "no-pins", "no list of images", good[:strings.Index(good, "images")])
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
