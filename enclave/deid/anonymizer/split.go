package anonymizer

import (
	"errors"
	"slices"
	"strings"
)

// keys are the parameters of a configuration that are secret, and their names in a parameters
// message.
var keys = map[string]string{"dateShiftKey": DateShiftKey, "cryptoHashKey": CryptoHashKey, "encryptKey": EncryptKey}

// Split takes the keys out of a configuration: rest has none and is what Compile reads, values has
// them under the names of a parameters message. It refuses what Compile would refuse for other
// reasons than keys.
func Split(config []byte) (rest []byte, values map[string][]byte, err error) {
	root, err := parse(config)
	if err != nil {
		return nil, nil, err
	}
	values = map[string][]byte{}
	for i := range root.members {
		if m := &root.members[i]; strings.EqualFold(m.name, "parameters") && m.value.kind == '{' {
			given := map[string]int{}
			for _, k := range m.value.members {
				given[keys[known(k.name, keys)]]++
			}
			m.value.members = slices.DeleteFunc(m.value.members, func(m member) bool {
				text, ok := m.value.key()
				name := keys[known(m.name, keys)]
				if !ok || name == "" || given[name] > 1 {
					return false // Compile refuses what is no key, and what is given twice
				}
				if text != "" {
					values[name] = []byte(text)
				}
				return true
			})
		}
	}
	if key, ok := values[EncryptKey]; ok && !aesLength(len(key)) {
		err = errors.New(badLength(len(key)))
	}
	rest = root.appendIndented(nil, "")
	if _, rules := Compile(rest); rules != nil {
		err = errors.Join(err, rules)
	}
	if err != nil {
		return nil, nil, err
	}
	return append(rest, '\n'), values, nil
}

// appendIndented writes v for people, in the order that it was read. A rule takes one line.
func (v *value) appendIndented(b []byte, indent string) []byte {
	open, shut, n := byte('['), byte(']'), len(v.items)
	if v.kind == '{' {
		open, shut, n = '{', '}', len(v.members)
	}
	if v.kind != '{' && v.kind != '[' || n == 0 || len(indent) >= 4 {
		return v.append(b)
	}
	b = append(b, open)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '\n')
		b = append(b, indent+"  "...)
		if v.kind == '{' {
			b = quote(b, v.members[i].name)
			b = append(b, ": "...)
			b = v.members[i].value.appendIndented(b, indent+"  ")
		} else {
			b = v.items[i].appendIndented(b, indent+"  ")
		}
	}
	b = append(b, '\n')
	b = append(b, indent...)
	return append(b, shut)
}
