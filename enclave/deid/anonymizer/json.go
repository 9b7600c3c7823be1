package anonymizer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxConfig = 1 << 20 // bytes: as much as a policy's rules may have
	maxDepth  = 32      // of a configuration; the deepest part is a replacement
)

// value is a piece of a configuration, members in the order that they were written.
type value struct {
	kind    jsontext.Kind
	text    string // of a string or number
	raw     []byte
	members []member
	items   []value
}

type member struct {
	name  string
	value value
}

// get returns a member of an object, nil when it's absent.
func (v *value) get(name string) *value {
	for i := range v.members {
		if m := &v.members[i]; m.name == name {
			return &m.value
		}
	}
	return nil
}

var bom = []byte("\xef\xbb\xbf")

// parse reads a configuration: one object of JSON as RFC 8259 has it. Files that editors on Windows
// wrote begin with a mark.
func parse(config []byte) (value, error) {
	if len(config) > maxConfig {
		return value{}, fmt.Errorf("configuration has %d bytes, at most %d are read", len(config), maxConfig)
	}
	d := jsontext.NewDecoder(bytes.NewReader(bytes.TrimPrefix(config, bom)))
	v, err := read(d)
	if err == nil && v.kind != '{' {
		err = errors.New("not an object")
	}
	if err == nil {
		if _, rest := d.ReadToken(); rest == nil {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return value{}, fmt.Errorf("malformed configuration: %w", err)
	}
	return v, nil
}

func read(d *jsontext.Decoder) (value, error) {
	if d.StackDepth() > maxDepth {
		return value{}, errors.New("nested too deep")
	}
	v := value{kind: d.PeekKind()}
	switch v.kind {
	case '{', '[':
		return v, v.compound(d)
	}
	raw, err := d.ReadValue()
	if err != nil {
		return value{}, err
	}
	v.raw = bytes.Clone(raw)
	switch v.kind {
	case '"':
		s, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return value{}, err // unreachable
		}
		v.text = string(s)
	case '0':
		v.text = string(raw)
	}
	return v, nil
}

// compound reads the members or items of v.
func (v *value) compound(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for {
		switch d.PeekKind() {
		case '}', ']':
			_, err := d.ReadToken()
			return err
		}
		name := ""
		if v.kind == '{' {
			t, err := d.ReadToken()
			if err != nil {
				return err
			}
			name = t.String()
		}
		x, err := read(d)
		if err != nil {
			return err
		}
		if v.kind == '{' {
			v.members = append(v.members, member{name, x})
		} else {
			v.items = append(v.items, x)
		}
	}
}

// append writes v as JSON without white space.
func (v *value) append(b []byte) []byte {
	switch v.kind {
	case '{':
		b = append(b, '{')
		for i := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = quote(b, v.members[i].name)
			b = append(b, ':')
			b = v.members[i].value.append(b)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.items[i].append(b)
		}
		return append(b, ']')
	}
	return append(b, v.raw...)
}

// key is the text of a key: a string or, as upstream, a whole number. Null is none.
func (v *value) key() (text string, ok bool) {
	switch v.kind {
	case 'n':
		return "", true
	case '"':
		return v.text, true
	case '0':
		if strings.Trim(v.text, "-0123456789") == "" {
			return v.text, true
		}
	}
	return "", false
}

// kindName is what an author calls a kind of JSON.
func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "null"
}

// quote appends a string as JSON. Strings that were read are valid UTF-8, so it can't fail.
func quote(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		panic("anonymizer: " + err.Error()) // unreachable
	}
	return b
}
