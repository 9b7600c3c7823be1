package deid

import (
	"bytes"
	"regexp"
)

// Shapes bound what a kept string can say. Whatever has one of them is plain
// ASCII without quote, backslash or control character: it is written to the
// output without escaping.

const (
	maxCode   = 64 // bytes of a code
	maxDigits = 4  // digits in a code that need not have any: a ZIP has 5, a telephone 7, an SSN 9
	maxWhole  = 6  // digits before a number's point, if it is not round: a telephone number has 7
	maxNumber = 32 // bytes of a number's text; FHIR asks for 18 digits to be kept
)

type class uint8

const (
	digit class = 1 << iota
	letter
	dash  // - and .
	joint // the rest of a plain code: _ : /
	ucum  // what units add
	slash // what the tail of a profile adds
)

var classes = func() (t [256]class) {
	add := func(s string, c class) {
		for _, b := range []byte(s) {
			t[b] |= c
		}
	}
	add("0123456789", digit)
	add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", letter)
	add("-.", dash)
	add("_:/", joint)
	add("/|", slash)
	add("()[]{}'*%^+./-_#!<>=&,", ucum)
	return t
}()

func only(b []byte, c class) bool {
	for _, x := range b {
		if classes[x]&c == 0 {
			return false
		}
	}
	return true
}

// dateShaped reports whether b holds YYYY-MM, with anything around it. A code
// that does could carry a date into the output.
func dateShaped(b []byte) bool {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '-')
		if i < 0 {
			return false
		}
		i += from
		if i >= 4 && i+2 < len(b) && only(b[i-4:i], digit) && only(b[i+1:i+3], digit) {
			return true
		}
		from = i + 1
	}
}

// dayShaped reports whether b holds three rows of digits with one of / - . and :
// between: 2/3/01.
func dayShaped(b []byte) bool {
	rows, in := 0, false
	for _, x := range b {
		switch {
		case classes[x]&digit != 0:
			if !in {
				rows++
			}
			in = true
		case in && (x == '/' || x == '-' || x == '.' || x == ':'):
			in = false
		default:
			rows, in = 0, false
		}
		if rows == 3 {
			return true
		}
	}
	return false
}

// digits counts the digits.
func digits(b []byte) int {
	n := 0
	for _, x := range b {
		if classes[x]&digit != 0 {
			n++
		}
	}
	return n
}

// shape says what codes of a terminology look like.
type shape struct {
	kind     string
	min, max int             // of digits
	match    *regexp.Regexp  // of match
	words    map[string]bool // annotations of ucum, or all codes that there are
	narrow   bool            // what "code" does not take is not taken
}

// fits reports whether a code has the shape.
func (s shape) fits(b []byte) bool {
	if len(b) == 0 || len(b) > maxCode {
		return false
	}
	switch s.kind {
	case "ndc":
		return ndc(b)
	case "words", "one-of":
		return s.words[string(b)]
	}
	if s.narrow && (digits(b) > maxDigits || dayShaped(b) || telling(b)) {
		return false
	}
	if dateShaped(b) {
		return false
	}
	switch s.kind {
	case "none":
		return false
	case "oid":
		return s.words[string(b)] || len(b) < maxCode && s.words[string(append(append(make([]byte, 0, 2*maxCode), "urn:oid:"...), b...))]
	case "digits":
		return len(b) >= s.min && len(b) <= s.max && only(b, digit)
	case "loinc":
		return loinc(b)
	case "snomed":
		return snomed(b)
	case "match":
		return only(b, digit|letter|dash|joint) && s.match.Match(b)
	case "ucum":
		return only(b, digit|letter|ucum) && digits(b) <= maxDigits && !dayShaped(b) && ucumUnit(b, s.words)
	}
	return only(b, digit|letter|dash|joint) && digits(b) <= maxDigits && !dayShaped(b) && !telling(b)
}

// telling reports whether b, of few digits, says something else in the place of a code: an age over
// the cap (95, 095, 95.0, 95-years), a year (born-1931, 2019Q1), a day (12-31, 15-Mar), a time of
// day (14:35), a county (075) or a position (42.36, -71). Codes of HL7 that are numbers over the
// cap are listed system by system.
func telling(b []byte) bool {
	rows, words := 0, 0 // of digits, of letters
	var over, year, age, month bool
	for i := 0; i < len(b); {
		from, c := i, classes[b[i]]&(digit|letter)
		for i++; c != 0 && i < len(b) && classes[b[i]]&c != 0; i++ {
		}
		switch row := b[from:i]; c {
		case digit:
			rows++
			n := number(row[:min(len(row), 9)])
			over = over || n > ageCap
			year = year || len(row) == 4 && 1800 <= n && n < 2100
		case letter:
			words++
			var lower [16]byte // longer than all words of the lists
			if len(row) <= len(lower) {
				for j, x := range row {
					lower[j] = x | 0x20
				}
				w := lower[:len(row)]
				age, month = age || ageWords[string(w)], month || months[string(w)]
			}
		}
	}
	if words == 0 {
		return over || rows > 1 || b[0] == '-' || b[0] == '0' && len(b) > 2
	}
	return year || over && age || rows > 0 && month
}

var (
	ageWords = wordSet("y yr yrs yo year years age aged old yearold yearsold")
	months   = wordSet(`jan feb mar apr may jun jul aug sep sept oct nov dec
		january february march april june july august september october november december`)
)

// addressTail reports whether b may follow a listed address.
func addressTail(b []byte, extra class) bool {
	return len(b) > 0 && len(b) <= 2*maxCode && only(b, digit|letter|dash|extra) && digits(b) <= maxDigits && !dateShaped(b) && !telling(b)
}

// year returns the year of a FHIR date or dateTime, and its text.
func year(b []byte) (int, []byte, bool) {
	if len(b) < 4 || !only(b[:4], digit) || b[0] == '0' {
		return 0, nil, false
	}
	rest := b[4:]
	for i := 0; i < 2 && len(rest) > 0; i++ { // month, day
		if len(rest) < 3 || rest[0] != '-' || !only(rest[1:3], digit) {
			return 0, nil, false
		}
		rest = rest[3:]
	}
	if len(rest) > 0 && (len(b) < 11 || rest[0] != 'T') {
		return 0, nil, false
	}
	return number(b[:4]), b[:4], true
}

// number is the value of a row of at most nine digits.
func number(b []byte) int {
	n := 0
	for _, x := range b {
		n = n*10 + int(x-'0')
	}
	return n
}
