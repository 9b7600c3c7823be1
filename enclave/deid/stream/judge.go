package stream

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/code"
)

// judge says what is wrong with the JSON of a record, "" for nothing. jsontext
// decides: grammar, UTF-8 and duplicate names, in what is dropped too. A
// duplicate name is an attack: two readers, two records.
func judge(b []byte, maxDepth int) code.Record {
	if jsontext.Value(b).IsValid() {
		return ""
	}
	if !utf8.Valid(b) {
		return code.UTF8Invalid
	}
	if nesting(b) > maxDepth {
		return code.JSONTooDeep
	}
	_, err := jsontext.NewDecoder(bytes.NewReader(b)).ReadValue()
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return code.JSONDuplicateName
	}
	return code.JSONMalformed
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
