package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// A known difference is a block of differences.txt: lines of "key: value" and an empty line.
// Patterns are regular expressions; an answer is matched as it is printed. "define NAME: PATTERN"
// lets later patterns say <NAME>.
type known struct {
	name                     string
	expression, ours, theirs *regexp.Regexp // nil matches all
	right                    string         // ours, theirs, neither or open
	reason                   string
	count                    int
	example                  string
}

type differences []*known

var verdicts = map[string]bool{"ours": true, "theirs": true, "neither": true, "open": true}

func readDifferences(path string) (differences, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list differences
	var at *known
	macros := strings.NewReplacer()
	var pairs []string
	line := 0
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		line++
		text := scanner.Text()
		if text == "" || strings.HasPrefix(text, "#") {
			at = nil
			continue
		}
		key, value, ok := strings.Cut(text, ": ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: want key: value", path, line)
		}
		if rest, ok := strings.CutPrefix(key, "define "); ok {
			pairs = append(pairs, "<"+rest+">", "(?:"+macros.Replace(value)+")")
			macros = strings.NewReplacer(pairs...)
			continue
		}
		if at == nil {
			at = &known{}
			list = append(list, at)
		}
		if err := at.set(key, macros.Replace(value)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, line, err)
		}
	}
	for _, k := range list {
		if k.name == "" || k.reason == "" || !verdicts[k.right] || k.expression == nil && k.ours == nil && k.theirs == nil {
			return nil, fmt.Errorf("%s: difference %q lacks a name, a reason, a verdict or a pattern", path, k.name)
		}
	}
	return list, scanner.Err()
}

func (k *known) set(key, value string) error {
	pattern := map[string]**regexp.Regexp{"expression": &k.expression, "ours": &k.ours, "theirs": &k.theirs}[key]
	switch {
	case pattern != nil:
		var err error
		*pattern, err = regexp.Compile(value)
		return err
	case key == "difference":
		k.name = value
	case key == "right":
		k.right = value
	case key == "reason":
		k.reason = value
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

// explains reports whether a difference is listed, and counts it for the first that matches.
func (d differences) explains(expression string, ours, theirs answer) bool {
	matches := func(r *regexp.Regexp, s string) bool { return r == nil || r.MatchString(s) }
	for _, k := range d {
		if matches(k.expression, expression) && matches(k.ours, ours.String()) && matches(k.theirs, theirs.String()) {
			if k.count++; k.count == 1 {
				k.example = expression
			}
			return true
		}
	}
	return false
}

// report prints how often each was met, and returns those that weren't.
func (d differences) report(out io.Writer) (idle []string) {
	for _, k := range d {
		fmt.Fprintf(out, "%6d  right: %-7s  %s\n", k.count, k.right, k.name)
		if k.count == 0 {
			idle = append(idle, k.name)
		}
	}
	return idle
}
