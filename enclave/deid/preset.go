package deid

import (
	"embed"
	"errors"
	"sort"
	"strings"
)

//go:embed presets/*.rules
var presets embed.FS

// Preset returns the rule file of that name.
func Preset(name string) ([]byte, error) {
	b, err := presets.ReadFile("presets/" + name + ".rules")
	if err != nil || strings.ContainsAny(name, "/\\") {
		return nil, errors.New("unknown preset")
	}
	return b, nil
}

// Presets returns the names that Preset knows, sorted.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic("deid: " + err.Error()) // unreachable: the folder is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".rules"))
	}
	sort.Strings(names)
	return names
}
