package anonymizer

import (
	"slices"
	"strings"
)

// transformID changes the id in a reference, or all of a reference in which no id is found.
func transformID(reference string, change func(string) string) string {
	if id, ok := strings.CutPrefix(reference, "#"); ok {
		return "#" + change(id)
	}
	if id, ok := strings.CutPrefix(reference, "urn:oid:"); ok && isOID(id) {
		return "urn:oid:" + change(id)
	}
	if id, ok := strings.CutPrefix(reference, "urn:uuid:"); ok && isUUID(id) {
		return "urn:uuid:" + change(id)
	}
	if before, id, after, ok := cutURL(reference); ok {
		return before + change(id) + after
	}
	return change(reference)
}

// cutURL finds the id in a URL, relative or not: Type/id or http://…/Type/id, with a version behind
// or none. What upstream takes for a URL has no more than a few characters before the type, so that
// one with a hyphen in its host is none.
func cutURL(s string) (before, id, after string, ok bool) {
	if i := strings.Index(s, "/_history/"); i >= 0 {
		if !isID(s[i+len("/_history/"):]) {
			return "", "", "", false
		}
		s, after = s[:i], s[i:]
	}
	i := strings.LastIndexByte(s, '/')
	if i < 0 || !isID(s[i+1:]) || !endsInType(s[:i]) {
		return "", "", "", false
	}
	return s[:i+1], s[i+1:], after, true
}

func endsInType(s string) bool {
	for _, scheme := range []string{"http://", "https://"} {
		rest, ok := strings.CutPrefix(s, scheme)
		if !ok {
			continue
		}
		// Letters may stand right before the type, as upstream reads it.
		for i := range rest {
			if isResource(rest[i:]) {
				return !strings.ContainsFunc(rest[:i], func(r rune) bool { return !isLetter(r) && !strings.ContainsRune(`0123456789\/.:%$`, r) })
			}
		}
	}
	return isResource(s)
}

func isResource(s string) bool {
	_, ok := slices.BinarySearch(resources, s)
	return ok
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func isID(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return !isLetter(r) && (r < '0' || r > '9') && r != '-' && r != '.' })
}

func isOID(s string) bool {
	arcs := strings.Split(s, ".")
	if len(arcs) < 2 || len(arcs[0]) != 1 || arcs[0] > "2" || arcs[0] < "0" {
		return false
	}
	for _, a := range arcs[1:] {
		if a == "" || strings.Trim(a, "0123456789") != "" || a[0] == '0' && a != "0" {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	if len(s) != len("00000000-0000-0000-0000-000000000000") {
		return false
	}
	for i := range len(s) {
		switch hyphen := i == 8 || i == 13 || i == 18 || i == 23; {
		case hyphen != (s[i] == '-'):
			return false
		case !hyphen && !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])):
			return false
		}
	}
	return true
}
