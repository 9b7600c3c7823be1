package deid

import "bytes"

// snomed reports whether b has the form of a SNOMED CT concept id: 6 to 18 digits with the partition 00 or 10 before the check digit
// (SNOMED CT Release File Specification, 5.5), which one in 50 of record numbers and telephones has. The check digit itself is not judged: real
// exports hold mistyped codes, and a diagnosis is not dropped for that.
func snomed(b []byte) bool {
	if len(b) < 6 || len(b) > 18 || !only(b, digit) || b[0] == '0' {
		return false
	}
	partition := string(b[len(b)-3 : len(b)-1])
	return partition == "00" || partition == "10"
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
