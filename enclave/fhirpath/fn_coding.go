package fhirpath

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// codingFunctions turn text into other spellings of itself.
func codingFunctions() []function {
	s := given(stringType)
	return []function{
		{name: "encode", min: 1, max: 1, takes: textOnly, gives: s, eval: onText(recode(encoders))},
		{name: "decode", min: 1, max: 1, takes: textOnly, gives: s, eval: onText(recode(decoders))},
		{name: "escape", min: 1, max: 1, takes: textOnly, gives: s, eval: onText(recode(escapers))},
		{name: "unescape", min: 1, max: 1, takes: textOnly, gives: s, eval: onText(recode(unescapers))},
	}
}

// A coder spells text in another way, or is false for text that isn't spelt so.
type coder func(string) (string, bool)

var encoders = map[string]coder{
	"hex":       func(s string) (string, bool) { return hex.EncodeToString([]byte(s)), true },
	"base64":    func(s string) (string, bool) { return base64.StdEncoding.EncodeToString([]byte(s)), true },
	"urlbase64": func(s string) (string, bool) { return base64.URLEncoding.EncodeToString([]byte(s)), true },
}

var decoders = map[string]coder{
	"hex":       decoded(hex.DecodeString),
	"base64":    decoded(base64.StdEncoding.Strict().DecodeString),
	"urlbase64": decoded(base64.URLEncoding.Strict().DecodeString),
}

var escapers = map[string]coder{
	"html": func(s string) (string, bool) { return escapeHTML.Replace(s), true },
	"json": func(s string) (string, bool) {
		b, err := jsontext.AppendQuote(nil, s)
		return strings.TrimSuffix(strings.TrimPrefix(string(b), `"`), `"`), err == nil
	},
}

var unescapers = map[string]coder{
	"html": func(s string) (string, bool) { return html.UnescapeString(s), true },
	"json": func(s string) (string, bool) {
		b, err := jsontext.AppendUnquote(nil, `"`+s+`"`)
		return string(b), err == nil
	},
}

var escapeHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func decoded(decode func(string) ([]byte, error)) coder {
	return func(s string) (string, bool) {
		b, err := decode(s)
		return string(b), err == nil && utf8.Valid(b)
	}
}

// recode makes a function whose argument names one of the coders.
func recode(coders map[string]coder) func(*call, string) ([]Item, error) {
	return func(c *call, s string) ([]Item, error) {
		format, ok, err := c.textArg(0)
		if err != nil || !ok {
			return nil, err
		}
		code := coders[format]
		if code == nil {
			return nil, errFormat
		}
		out, ok := code(s)
		if !ok {
			return nil, errCoding
		}
		return joined(out)
	}
}
