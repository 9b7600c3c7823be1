package deid

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// ruleHeader is the first line of a rule file, before which only comments stand.
	ruleHeader = "anchorhold: rules/v1"

	maxRules = 1 << 20 // bytes of a rule file, so that a policy cannot take the memory
	maxLevel = 16      // of indentation
)

// A line of a rule file: two spaces of indentation for each level, then
// words. A comment begins with # at the start of the line or after a space.
type line struct {
	number   int
	level    int
	words    []string
	children []*line
	added    bool // a section of a file that extends another
}

// faults collects everything that is wrong with a rule file.
type faults []error

func (f *faults) add(l int, format string, args ...any) {
	*f = append(*f, fmt.Errorf("line %d: %s", l, fmt.Sprintf(format, args...)))
}

func (f faults) err() error { return errors.Join(f...) }

// parseLines returns the sections of a rule file as trees of lines.
func parseLines(rules []byte) ([]*line, faults) {
	var f faults
	if len(rules) > maxRules {
		f.add(1, "rule file has %d bytes, at most %d are read", len(rules), maxRules)
		return nil, f
	}
	control := func(r rune) bool { return r != '\n' && unicode.IsControl(r) }
	if !utf8.Valid(rules) || bytes.ContainsFunc(rules, control) {
		f.add(1, "rule file is not plain text: tab, carriage return, other control character or invalid UTF-8")
		return nil, f
	}
	root := &line{level: -1}
	path := []*line{root} // path[n] is the line that level n hangs on
	header := false
	for i, text := range strings.Split(string(rules), "\n") {
		l, ok := parseLine(i+1, text, &f)
		switch {
		case !ok:
		case !header:
			if header = true; strings.Join(l.words, " ") != ruleHeader || l.level != 0 {
				f.add(l.number, "first line is not %q", ruleHeader)
				return nil, f
			}
		case l.level >= len(path):
			f.add(l.number, "indented too deep")
		default:
			parent := path[l.level]
			parent.children = append(parent.children, l)
			path = append(path[:l.level+1], l)
		}
	}
	if !header {
		f.add(1, "first line is not %q", ruleHeader)
	}
	return root.children, f
}

// parseLine returns false for a line without words and for a faulty one.
func parseLine(number int, text string, f *faults) (*line, bool) {
	if strings.HasPrefix(text, "#") {
		return nil, false
	}
	if i := strings.Index(text, " #"); i >= 0 {
		text = text[:i]
	}
	rest := strings.TrimLeft(text, " ")
	if rest == "" {
		return nil, false
	}
	indent := len(text) - len(rest)
	if indent%2 != 0 || indent/2 > maxLevel {
		f.add(number, "indentation is not a small multiple of two spaces")
		return nil, false
	}
	return &line{number: number, level: indent / 2, words: strings.FieldsFunc(rest, func(r rune) bool { return r == ' ' })}, true
}
