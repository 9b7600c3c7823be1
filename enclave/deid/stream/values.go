package stream

import "bytes"

const (
	// valueBytes is how many bytes of JSON a record has for each value, on average of all: FHIR has
	// 10 and more, names and punctuation counted, and [{},{},…], which only an attack has, 3.
	valueBytes = 8

	// fewBytes is the length of records whose values nobody counts: they are a few thousand at
	// most.
	fewBytes = 16 << 10
)

// maxValues is how many values a record of at most so many bytes may have.
func maxValues(record int) int { return max(record/valueBytes, fewBytes) }

// tooMany reports whether a JSON text has more than so many values. Nearly always the count of the
// bytes that begin or separate values, those in strings included, shows that it has not.
func tooMany(b []byte, most int) bool {
	if 1+bytes.Count(b, []byte{','})+bytes.Count(b, []byte{'['})+bytes.Count(b, []byte{'{'}) <= most {
		return false
	}
	values, _ := measure(b)
	return values > most
}

// measure counts the values of a JSON text, objects among them, without a look at its grammar.
// Memory is taken for values, not for bytes, so they are counted before anything is built of them.
func measure(b []byte) (values, objects int) {
	values = 1
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case ',', '[':
			values++
		case '{':
			values++
			objects++
		case '"':
			i = closing(b, i+1)
		}
	}
	return values, objects
}

// closing returns where the string ends whose content begins at i.
func closing(b []byte, i int) int {
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n
		slashes := 0
		for slashes < i && b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i++
	}
	return i
}
