package stream

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/code"
)

// judge says what is wrong with the JSON of a record, "" for nothing. jsontext
// decides: grammar, UTF-8 and duplicate names, in what is dropped too. A
// duplicate name is an attack: two readers, two records. Before that values are
// counted: jsontext takes memory for each name.
func judge(b []byte, o *Options) (c code.Record, pointer string) {
	if len(b) > fewBytes && tooMany(b, maxValues(o.MaxRecord)) {
		return code.JSONTooManyValues, ""
	}
	if jsontext.Value(b).IsValid() {
		return "", ""
	}
	if utf8.Valid(b) && nesting(b) > o.MaxNesting {
		return code.JSONTooDeep, ""
	}
	_, err := jsontext.NewDecoder(bytes.NewReader(b)).ReadValue()
	if err == nil {
		return code.JSONMalformed, "" // something stands behind the value
	}
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		pointer = bound(s.JSONPointer)
	}
	switch {
	case !utf8.Valid(b):
		return code.UTF8Invalid, pointer
	case errors.Is(err, jsontext.ErrDuplicateName):
		return code.JSONDuplicateName, pointer
	}
	return code.JSONMalformed, pointer
}

// pointer returns where in the valid JSON b an offset lies.
func pointer(b []byte, at int) string {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for d.InputOffset() <= int64(at) {
		if _, err := d.ReadToken(); err != nil {
			return ""
		}
	}
	return bound(d.StackPointer())
}

const maxPointer = 512 // bytes of a pointer in the report

// bound shortens the names in a pointer, which are of the record, and takes away what is too deep
// to show.
func bound(p jsontext.Pointer) string {
	var b []byte
	for token := range p.Tokens() {
		next := jsontext.Pointer("").AppendToken(string(clip([]byte(token))))
		if len(b)+len(next) > maxPointer {
			break
		}
		b = append(b, next...)
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// nesting is how deep brackets lie in text that need not be JSON.
func nesting(b []byte) int {
	deepest, depth := 0, 0
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
