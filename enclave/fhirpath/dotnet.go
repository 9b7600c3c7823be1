package fhirpath

import (
	"strconv"
	"strings"
)

// What this file does is for Options.Exact.

// veryType makes e a name of a type: the library of .NET takes such a name anywhere in a path for
// those elements that are of the very type, and Resource and DomainResource for whatever is there.
func (r *resolver) veryType(e *expr, in static, t *Type) (static, error) {
	e.types = []*Type{t}
	if e.anyType() {
		return in, nil
	}
	may := in.open || len(in.types) == 0 || r.options.UnknownElements
	for _, u := range in.types {
		may = may || u.abstract() || e.very(u)
	}
	if !may {
		return in, failure(e.pos, Semantic, "%s is asked for where %s is", t.name, in.types[0].name)
	}
	return static{types: e.types, unordered: in.unordered}, nil
}

func (e *expr) anyType() bool { return e.name == "Resource" || e.name == "DomainResource" }

// very reports whether e names a type, which for elements that are defined in another is that of
// all such.
func (e *expr) very(t *Type) bool {
	if strings.Contains(t.name, ".") {
		t = t.base
	}
	return e.anyType() || t.name == e.name
}

// A regular expression of .NET is written as one of RE2 that matches the same, or refused. .NET
// reads \d, \w and \s by Unicode, and the point as all but a line end; in RE2 a rule would miss the
// Zoë that \w+ is there for.
const (
	netWord  = `\p{L}\p{Mn}\p{Nd}\p{Pc}`
	netSpace = `\f\n\r\t\v\x{85}\p{Z}`
)

// dotNet translates a regular expression. bounded reports whether it asks for word boundaries,
// which RE2 knows in ASCII only.
func dotNet(s string) (out string, bounded, ok bool) {
	var b strings.Builder
	class := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			if i++; i == len(s) {
				return "", false, false
			}
			text, ok := dotNetEscape(s[i], class)
			if !ok {
				return "", false, false
			}
			bounded = bounded || s[i] == 'b' || s[i] == 'B'
			b.WriteString(text)
			continue
		case class && c == '[' && (s[i-1] == '-' || strings.HasPrefix(s[i+1:], ":")):
			// [a-z-[aeiou]] takes away in .NET, [[:alpha:]] means a class in RE2
			return "", false, false
		case !class && c == '[':
			class = true
			b.WriteByte(c)
			if strings.HasPrefix(s[i+1:], "^") {
				i++
				b.WriteByte('^')
			}
			if strings.HasPrefix(s[i+1:], "]") { // the first is none that ends
				i++
				b.WriteString(`\]`)
			}
			continue
		case c == ']':
			class = false
		}
		b.WriteByte(s[i])
	}
	return b.String(), bounded, true
}

// dotNetEscape translates what stands behind a backslash.
func dotNetEscape(c byte, class bool) (string, bool) {
	open, shut := "[", "]"
	if class {
		open, shut = "", ""
	}
	switch c {
	case 'd':
		return `\p{Nd}`, true
	case 'D':
		return `\P{Nd}`, true
	case 'w':
		return open + netWord + shut, true
	case 's':
		return open + netSpace + shut, true
	case 'W':
		return `[^` + netWord + `]`, !class
	case 'S':
		return `[^` + netSpace + `]`, !class
	case 'b', 'B':
		return `\` + string(c), !class // in a class it's a backspace there
	case 'Q', 'C':
		return "", false // of RE2 alone
	}
	return `\` + string(c), true
}

// dotNetSubstitution translates what replaceMatches puts in place of a match: $1, ${name}, $& and
// $$. A group that the expression doesn't have is text. What RE2 can't give, the text before a
// match and the like, is refused; so are numbers where some groups have names, which .NET counts
// behind the others.
func (p *pattern) dotNetSubstitution(s string) (string, bool) {
	groups := map[string]bool{}
	named := false
	for i, name := range p.SubexpNames() {
		groups[strconv.Itoa(i)] = true
		if name != "" {
			groups[name], named = true, true
		}
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, rest := "", after
		switch {
		case strings.HasPrefix(after, "$"):
			rest = after[1:]
		case strings.HasPrefix(after, "&"):
			name, rest = "0", after[1:]
		case after != "" && strings.Contains("`'+_", after[:1]):
			return "", false
		case strings.HasPrefix(after, "{"):
			if n, r, ok := strings.Cut(after[1:], "}"); ok && groups[n] {
				name, rest = n, r
			}
		default:
			digits := after[:len(after)-len(strings.TrimLeft(after, "0123456789"))]
			if len(digits) > 1 && !groups[digits] {
				return "", false // .NET may read fewer of them
			}
			if groups[digits] {
				name, rest = digits, after[len(digits):]
			}
		}
		if named && name != "" && name != "0" && strings.Trim(name, "0123456789") == "" {
			return "", false
		}
		if name == "" {
			b.WriteString("$$")
		} else {
			b.WriteString("${" + name + "}")
		}
		s = rest
	}
}
