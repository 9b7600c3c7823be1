//go:build ignore

// Generate writes harmless.part from harmless.tsv. Run by go generate, in the folder above.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
)

const head = `# Questions that no number answers by an age, a year or an identifier: see "Numbers" above. HL7 publishes that each is
# answered in a unit, which none of those has; presets/harmless.tsv says where. The LOINC table, which says it of most
# codes, is not available to this project: of laboratory codes this list has only those of examples. A number over 89 with a
# unit stays under any code; for answers without one, extensions add codes.
harmless
  http://loinc.org
`

func main() {
	log.SetFlags(0)
	rows, err := os.ReadFile("presets/harmless.tsv")
	check(err)
	var codes []string
	for l := range strings.Lines(string(rows)) {
		if strings.HasPrefix(l, "#") {
			continue
		}
		w := strings.Split(strings.TrimSpace(l), "\t")
		if len(w) != 3 {
			log.Fatalf("harmless.tsv: %q has %d columns, want code, unit, source", l, len(w))
		}
		codes = append(codes, w[0])
	}
	slices.SortFunc(codes, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var out bytes.Buffer
	out.WriteString(head)
	for line := range slices.Chunk(codes, 12) {
		fmt.Fprintf(&out, "    %s\n", strings.Join(line, " "))
	}
	out.WriteByte('\n')
	check(os.WriteFile("presets/harmless.part", out.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
