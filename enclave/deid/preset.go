package deid

import (
	"bytes"
	"embed"
	"errors"
	"sort"
	"strings"
)

// A preset is a short file that says what becomes of dates, places and
// numbers, and names the parts that it is made of: lists of elements that
// presets share, so that a reviewer reads each once.
//
//go:embed presets/*.rules presets/*.part
var presets embed.FS

// Preset returns the rule file of that name, its parts put in: the text that
// a policy holds and an image measures.
func Preset(name string) ([]byte, error) {
	b, err := presets.ReadFile("presets/" + name + ".rules")
	if err != nil || strings.ContainsAny(name, "/\\") {
		return nil, errors.New("unknown preset")
	}
	var whole bytes.Buffer
	for l := range bytes.Lines(b) {
		part, ok := bytes.CutPrefix(l, []byte("part "))
		if !ok {
			whole.Write(l)
			continue
		}
		file := string(bytes.TrimSpace(part)) + ".part"
		text, err := presets.ReadFile("presets/" + file)
		if err != nil {
			panic("deid: " + err.Error()) // unreachable: the test that compiles presets reads all
		}
		whole.WriteString("# ---- " + file + "\n\n")
		whole.Write(text)
	}
	return whole.Bytes(), nil
}

// Presets returns the names that Preset knows, sorted.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic("deid: " + err.Error()) // unreachable: the folder is embedded
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".rules"); ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}
