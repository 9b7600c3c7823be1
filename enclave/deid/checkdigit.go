package deid

import "bytes"

// Check digits tell most numbers that are not codes, but stand where one
// belongs: of record numbers and telephones one in 500 passes for a SNOMED CT
// concept.

// verhoeffTimes is multiplication in the dihedral group of order ten, and
// verhoeffShift the permutation that the place of a digit repeats (SNOMED CT
// Release File Specification, 5.5).
var verhoeffTimes = [10][10]byte{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
	{1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
	{2, 3, 4, 0, 1, 7, 8, 9, 5, 6},
	{3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
	{4, 0, 1, 2, 3, 9, 5, 6, 7, 8},
	{5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
	{6, 5, 9, 8, 7, 1, 0, 4, 3, 2},
	{7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
	{8, 7, 6, 5, 9, 3, 2, 1, 0, 4},
	{9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
}

var verhoeffShift = [10]byte{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}

// snomed reports whether b is the id of a SNOMED CT concept: 6 to 18 digits,
// the partition 00 or 10, a check digit.
func snomed(b []byte) bool {
	if len(b) < 6 || len(b) > 18 || !only(b, digit) || b[0] == '0' {
		return false
	}
	if partition := string(b[len(b)-3 : len(b)-1]); partition != "00" && partition != "10" {
		return false
	}
	var sum byte
	for i := range b {
		d := b[len(b)-1-i] - '0'
		for range i % 8 {
			d = verhoeffShift[d]
		}
		sum = verhoeffTimes[sum][d]
	}
	return sum == 0
}

// loinc reports whether b is a LOINC code: at most 7 digits, a dash, a check
// digit (Mod 10, LOINC Users' Guide). Of parts, answers, lists and groups, which
// begin with LP, LA, LL or LG, only the form is checked.
func loinc(b []byte) bool {
	other := len(b) > 2 && b[0] == 'L' && bytes.IndexByte([]byte("PALG"), b[1]) >= 0
	if other {
		b = b[2:]
	}
	n := len(b) - 2
	if n < 1 || n > 7 || b[n] != '-' || !only(b[:n], digit) || !only(b[n+1:], digit) {
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
