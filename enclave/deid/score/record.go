package score

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// record is an output as it is searched.
type record struct {
	leaves  map[string][]string // values by their member names, without places in arrays
	texts   []string            // every string in lower case, decoded where it is base64
	digits  []string            // the digits of every text that has at least minDigits of them
	numbers map[string]bool     // every number, and every run of digits in a text that is no id
}

// minDigits is how many digits a value needs for its digits alone to be searched.
const minDigits = 7

func parseRecord(b []byte) (*record, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("malformed JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	r := &record{leaves: map[string][]string{}, numbers: map[string]bool{}}
	r.collect("", v)
	return r, nil
}

// collect visits every value below v.
func (r *record) collect(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			r.addText(name)
			r.collect(join(path, name), x)
		}
	case []any:
		for _, x := range v {
			r.collect(path, x)
		}
	case string:
		r.leaves[path] = append(r.leaves[path], v)
		r.addText(v)
		if b, err := base64.StdEncoding.DecodeString(v); err == nil && len(b) >= 6 && utf8.Valid(b) {
			r.addText(string(b))
		}
	case json.Number:
		r.leaves[path] = append(r.leaves[path], v.String())
		r.addText(v.String())
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// memberNames turns a JSON pointer into the key of leaves.
func memberNames(pointer string) string {
	var names []string
	for _, s := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(s); err != nil {
			names = append(names, s)
		}
	}
	return strings.Join(names, ".")
}

func (r *record) addText(s string) {
	s = strings.ToLower(s)
	r.texts = append(r.texts, s)
	if d := onlyDigits(s); len(d) >= minDigits {
		r.digits = append(r.digits, d)
	}
	if !surrogate(s) {
		r.addNumbers(s)
	}
}

// addNumbers adds the runs of digits that no letter touches.
func (r *record) addNumbers(s string) {
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return !unicode.IsDigit(c) && !unicode.IsLetter(c) }) {
		if onlyDigits(word) == word {
			r.numbers[word] = true
		}
	}
}

// surrogate reports whether a text looks like an id or a hash, in which any digits occur by chance.
func surrogate(s string) bool {
	return len(s) >= 16 && strings.IndexFunc(s, unicode.IsLetter) >= 0 &&
		strings.IndexFunc(s, func(c rune) bool {
			return !unicode.IsDigit(c) && !unicode.IsLetter(c) && !strings.ContainsRune("-_./:", c)
		}) < 0
}

func onlyDigits(s string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, s)
}

// holds reports whether the record still holds an identifier.
func (r *record) holds(t Truth) bool {
	v := strings.ToLower(t.Value)
	// an age, a year, a ZIP code: by itself, not within a longer number
	if len(v) < 6 && onlyDigits(v) == v {
		return r.numbers[v]
	}
	if t.Action == Year && len(v) > len("2006-01-02") {
		v = v[:len("2006-01-02")] // the day is one too many already
	}
	for _, s := range r.texts {
		if strings.Contains(s, v) {
			return true
		}
	}
	// The same number with other separators. Letters in the value would be lost.
	if d := onlyDigits(v); len(d) >= minDigits && strings.IndexFunc(v, unicode.IsLetter) < 0 {
		for _, s := range r.digits {
			if strings.Contains(s, d) {
				return true
			}
		}
	}
	return false
}

// keeps reports whether the record still holds what must stay.
func (r *record) keeps(t Truth, ids map[string]string) bool {
	leaves := r.leaves[memberNames(t.Pointer)]
	for _, s := range leaves {
		switch t.Action {
		case Keep:
			if s == t.Value || sameNumber(s, t.Value) {
				return true
			}
		case KeepPrefix:
			if strings.HasPrefix(s, t.Value) {
				return true
			}
		case Link:
			if id := ids[t.Value]; id != "" && strings.HasSuffix(s, id) {
				return true
			}
		}
	}
	return false
}

// sameNumber reports whether two spellings are one number.
func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	if err != nil {
		return false
	}
	y, err := strconv.ParseFloat(b, 64)
	return err == nil && x == y
}
