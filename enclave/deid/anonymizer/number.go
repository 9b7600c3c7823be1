package anonymizer

import (
	"math/big"
	"strings"
)

// maxDigits is what upstream's numbers hold, those of .NET's decimal.
const maxDigits = 28

// number is an exact decimal: digits / 10^scale.
type number struct {
	digits *big.Int
	scale  int
}

// parseNumber reads a number of JSON, with or without an exponent, if its digits are few enough.
func parseNumber(s string) (number, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	e := 0
	if exponent != "" {
		var ok bool
		if e, ok = small(strings.TrimPrefix(exponent, "+")); !ok {
			return number{}, false
		}
	}
	text := strings.TrimLeft(strings.TrimPrefix(whole, "-"), "0") + fraction
	if len(text) > maxDigits {
		return number{}, false
	}
	n := number{new(big.Int), len(fraction) - e}
	if strings.Trim(text, "0123456789") != "" || whole == "" || whole == "-" {
		return number{}, false
	}
	n.digits.SetString("0"+text, 10)
	if n.scale < 0 {
		if len(text)-n.scale > maxDigits {
			return number{}, false
		}
		n.digits.Mul(n.digits, ten(-n.scale))
		n.scale = 0
	}
	if n.scale > maxDigits {
		return number{}, false
	}
	if strings.HasPrefix(whole, "-") {
		n.digits.Neg(n.digits)
	}
	return n, true
}

// small reads a whole number of at most three digits.
func small(s string) (int, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 3 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	if digits != s {
		n = -n
	}
	return n, true
}

func ten(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// String writes the number with as many places as its scale, without an exponent.
func (n number) String() string {
	s := new(big.Int).Abs(n.digits).String()
	if n.scale > 0 {
		if pad := n.scale + 1 - len(s); pad > 0 {
			s = strings.Repeat("0", pad) + s
		}
		s = s[:len(s)-n.scale] + "." + s[len(s)-n.scale:]
	}
	if n.digits.Sign() < 0 {
		s = "-" + s
	}
	return s
}

// divide returns a / b, rounded half to even.
func divide(a, b *big.Int) *big.Int {
	q, r := new(big.Int).DivMod(a, b, new(big.Int)) // r >= 0, for b > 0
	switch twice := r.Lsh(r, 1); twice.Cmp(b) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(1))
		}
	}
	return q
}
