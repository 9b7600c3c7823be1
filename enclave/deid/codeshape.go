package deid

import "bytes"

// snomed reports whether b is a SNOMED CT concept id (SNOMED CT Release File Specification, 5.5):
// an item identifier, for an extension its namespace, a partition, and a check digit by Verhoeff.
// The partition and the check digit let one of 500 numbers pass, so more is asked: items have been
// numbered up to 1.6 million, and all namespaces begin with 1000. No telephone number passes as an
// item of 7 digits, whatever its check digit.
func snomed(b []byte) bool {
	if len(b) < 6 || len(b) > 18 || !only(b, digit) || b[0] == '0' || !verhoeff(b) {
		return false
	}
	rest, partition := b[:len(b)-3], string(b[len(b)-3:len(b)-1])
	switch partition {
	case "00":
		return isItem(rest)
	case "10":
		return len(rest) > 7 && string(rest[len(rest)-7:len(rest)-3]) == "1000" && isItem(rest[:len(rest)-7])
	}
	return false
}

func isItem(b []byte) bool { return len(b) < 7 || len(b) == 7 && b[0] == '1' }

// Verhoeff's check digit: permutations by place, multiplied in the dihedral group of order 10.
var (
	dihedral = [10]string{
		"0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
		"5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
	}
	permuted = [8]string{
		"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
	}
)

// verhoeff reports whether the last of a row of digits is the check digit of the others.
func verhoeff(b []byte) bool {
	c := byte('0')
	for i := range b {
		c = dihedral[c-'0'][permuted[i%8][b[len(b)-1-i]-'0']-'0']
	}
	return c == '0'
}

// ndc reports whether b is a National Drug Code: 11 digits, or labeler, product and package with
// hyphens, in one of the forms of the FDA (4-4-2, 5-3-2, 5-4-1) or of billing (5-4-2). Labelers
// have numbers below 1000 or from 10000: a year is none, nor is what begins with one zero. Days are
// refused in any form.
func ndc(b []byte) bool {
	if len(b) == 11 && only(b, digit) {
		return (b[0] != '0' || b[1] == '0') && !isDay(b[:8])
	}
	labeler, rest, _ := bytes.Cut(b, []byte{'-'})
	product, pack, ok := bytes.Cut(rest, []byte{'-'})
	if !ok || !only(labeler, digit) || !only(product, digit) || !only(pack, digit) {
		return false
	}
	switch [3]int{len(labeler), len(product), len(pack)} {
	case [3]int{4, 4, 2}:
		return labeler[0] == '0'
	case [3]int{5, 3, 2}, [3]int{5, 4, 1}, [3]int{5, 4, 2}:
		var day [12]byte
		return !isDay(append(append(append(day[:0], labeler...), product...), pack...)[:8])
	}
	return false
}

// isDay reports whether eight digits are a day from 1900 to 2099, as YYYYMMDD or MMDDYYYY.
func isDay(b []byte) bool {
	day := func(year, month, day []byte) bool {
		y, m, d := number(year), number(month), number(day)
		return 1900 <= y && y < 2100 && 1 <= m && m <= 12 && 1 <= d && d <= 31
	}
	return day(b[:4], b[4:6], b[6:]) || day(b[4:], b[:2], b[2:4])
}

// loinc reports whether b is a LOINC code: at most 5 digits, or 6 of which the first is 1, a dash,
// a check digit (Mod 10, LOINC Users' Guide). Codes are numbered in order and have not reached 7
// digits, which telephone numbers have. Parts, answers, lists and groups begin with LP, LA, LL or
// LG; they have at most 5 digits, parts 6, and a check digit that is not verified.
func loinc(b []byte) bool {
	most := 5
	other := len(b) > 2 && b[0] == 'L' && bytes.IndexByte([]byte("PALG"), b[1]) >= 0
	switch {
	case other:
		if b[1] == 'P' {
			most = 6
		}
		b = b[2:]
	case len(b) > 0 && b[0] == '1':
		most = 6
	}
	n := len(b) - 2
	if n < 1 || n > most || b[n] != '-' || !only(b[:n], digit) || !only(b[n+1:], digit) {
		return false
	}
	sum := 0
	for i := range n {
		d := int(b[n-1-i] - '0')
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return other || (10-sum%10)%10 == int(b[n+1]-'0')
}
