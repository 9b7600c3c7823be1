package fhirpath

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken tokenKind = iota
	symbolToken
	nameToken
	delimitedToken // a name in `backticks`, never a keyword
	numberToken
	stringToken
	temporalToken // with its @
	variableToken // with its $
)

type token struct {
	kind tokenKind
	pos  int
	text string // strings and delimited names without quotes and escapes
}

// is reports whether the token is this symbol or keyword.
func (t token) is(text string) bool {
	return (t.kind == symbolToken || t.kind == nameToken) && t.text == text
}

var (
	temporalForm = regexp.MustCompile(`^@(?:T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?|` +
		`\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)`)
	numberForm = regexp.MustCompile(`^\d+(?:\.\d+)?`)
	nameForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)
	// space is white space and comments; a comment that isn't closed stays in the way.
	space   = regexp.MustCompile(`^(?:[ \t\r\n]+|//[^\r\n]*|(?s:/\*.*?\*/))+`)
	symbols = []string{"<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "|", "&", "<", ">", "=", "~", "%"}
)

// tokens cuts an expression into its tokens; the last is endToken.
func tokens(s string) ([]token, error) {
	if len(s) > MaxExpression {
		return nil, failure(0, Limit, "expression has more than %d bytes", MaxExpression)
	}
	if !utf8.ValidString(s) {
		return nil, failure(0, Syntax, "expression is not UTF-8")
	}
	var list []token
	for pos := len(space.FindString(s)); pos < len(s); pos += len(space.FindString(s[pos:])) {
		t, size, err := next(s, pos)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		pos += size
	}
	return append(list, token{kind: endToken, pos: len(s)}), nil
}

// next reads the token at pos, and says how many bytes it has.
func next(s string, pos int) (token, int, error) {
	rest := s[pos:]
	for _, f := range []struct {
		kind tokenKind
		form *regexp.Regexp
	}{{temporalToken, temporalForm}, {numberToken, numberForm}, {nameToken, nameForm}} {
		if text := f.form.FindString(rest); text != "" {
			return token{f.kind, pos, text}, len(text), nil
		}
	}
	switch c := rest[0]; c {
	case '\'', '`':
		text, size, err := quoted(rest, pos)
		if c == '`' {
			return token{delimitedToken, pos, text}, size, err
		}
		return token{stringToken, pos, text}, size, err
	case '$':
		name := nameForm.FindString(rest[1:])
		return token{variableToken, pos, "$" + name}, 1 + len(name), nil
	}
	for _, symbol := range symbols {
		if strings.HasPrefix(rest, symbol) && !strings.HasPrefix(rest, "/*") {
			return token{symbolToken, pos, symbol}, len(symbol), nil
		}
	}
	return token{}, 0, failure(pos, Syntax, "unexpected character")
}

var escapes = map[byte]byte{
	'\'': '\'', '"': '"', '`': '`', '\\': '\\', '/': '/', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// quoted reads a string or a delimited name, and says how many bytes it has.
func quoted(s string, pos int) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case s[0]:
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i < len(s) && s[i] == 'u' {
				r, size := unicodeEscape(s[i-1:])
				if size == 0 {
					return "", 0, failure(pos+i-1, Syntax, "invalid \\u escape")
				}
				b.WriteRune(r)
				i += size - 2
				continue
			}
			if i == len(s) || escapes[s[i]] == 0 {
				return "", 0, failure(pos+i-1, Syntax, "unknown escape")
			}
			b.WriteByte(escapes[s[i]])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, failure(pos, Syntax, "string is not closed")
}

// unicodeEscape reads \uXXXX, or two that are a surrogate pair. Half of a pair
// is no character.
func unicodeEscape(s string) (r rune, size int) {
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, ok := hex4(s[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// quote writes a string as a literal.
func quote(s string) string { return "'" + escape(s, '\'') + "'" }

// name writes an identifier, in backticks where it needs them.
func name(s string) string {
	if nameForm.FindString(s) == s && s != "" && !keywords[s] {
		return s
	}
	return "`" + escape(s, '`') + "`"
}

var keywords = map[string]bool{
	"true": true, "false": true, "and": true, "or": true, "xor": true, "implies": true, "div": true, "mod": true,
	"is": true, "as": true, "in": true, "contains": true,
}

func escape(s string, mark rune) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == mark || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\u00`)
			b.WriteString(strconv.FormatInt(int64(r)+0x100, 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
