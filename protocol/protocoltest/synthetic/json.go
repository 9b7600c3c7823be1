package synthetic

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// object keeps its members in the order given, because exports put resourceType first and a map
// would not.
type (
	object []member
	member struct {
		name  string
		value any // object, list, string, int, bool or number
	}
	list   []any
	number string // a decimal as it shall be written
)

// obj makes an object of names and values in turn. Members whose value is nil are left out.
func obj(pairs ...any) object {
	o := make(object, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != nil {
			o = append(o, member{pairs[i].(string), pairs[i+1]})
		}
	}
	return o
}

// when returns v if ok, otherwise nil, which obj leaves out.
func when(ok bool, v any) any {
	if ok {
		return v
	}
	return nil
}

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.name), ':')
			b = appendJSON(b, m.value)
		}
		return append(b, '}')
	case list:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case string:
		return appendString(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case bool:
		return strconv.AppendBool(b, v)
	case number:
		return append(b, v...)
	}
	panic("synthetic: value of a kind that is not written") // unreachable: all values are ours
}

func appendString(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		panic("synthetic: " + err.Error()) // unreachable: all texts are UTF-8
	}
	return b
}
