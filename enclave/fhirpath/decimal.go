package fhirpath

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A Decimal is an exact decimal number with the places it was written with:
// 1.10 is equal to 1.1, but prints as 1.10.
type Decimal struct {
	unscaled *big.Int // never changed once it is here
	scale    int      // digits behind the point, not negative
}

const (
	// maxDigits bounds the work of arithmetic. FHIR asks for 18, FHIRPath for 28.
	maxDigits = 80
	// maxNumber is the bytes of a number's text that are read: a number of a million zeros is read
	// as often as a rule looks at it.
	maxNumber = 4 * maxDigits
	// quotientScale is the places of a quotient; FHIRPath asks for 8.
	quotientScale = 20
)

var ten = big.NewInt(10)

func pow10(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

func decimalOf(i int64) Decimal { return Decimal{big.NewInt(i), 0} }

// parseDecimal reads a number of JSON or of an expression. Exponents are
// bounded before anything is computed: 1e999999999 is an attack on memory.
func parseDecimal(s string) (Decimal, bool) {
	if len(s) > maxNumber {
		return Decimal{}, false
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e < -maxDigits || e > maxDigits {
			return Decimal{}, false
		}
		mantissa, exponent = s[:i], e
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-")
	if len(whole)-len(digits) > 1 || digits == "" || point && fraction == "" || len(digits)+len(fraction) > maxDigits {
		return Decimal{}, false
	}
	for _, c := range digits + fraction {
		if c < '0' || c > '9' {
			return Decimal{}, false
		}
	}
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return Decimal{}, false // unreachable
	}
	return Decimal{n, len(fraction)}.shifted(exponent)
}

// sameNumber compares two numbers of JSON without computing them: 1e300 and 10.0e299 are the same.
func sameNumber(a, b string) bool {
	x, p, ok := significant(a)
	y, q, ok2 := significant(b)
	return ok && ok2 && x == y && (p == q || x == "")
}

// significant returns the digits of a number without zeros at either end, with its sign, and the
// power of ten of the last.
func significant(s string) (digits string, power int, ok bool) {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || absolute(e) > 1<<30 {
			return "", 0, false
		}
		s, power = s[:i], e
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	power -= len(fraction)
	all := len(digits)
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return "", 0, true
	}
	return sign + digits, power + all - len(digits), true
}

// shifted is d times ten to the power e.
func (d Decimal) shifted(e int) (Decimal, bool) {
	d.scale -= e
	if d.scale < 0 {
		d.unscaled = new(big.Int).Mul(d.unscaled, pow10(-d.scale))
		d.scale = 0
	}
	return d.checked()
}

// checked is false for a number that is longer than we compute with; the
// specification makes that an empty result.
func (d Decimal) checked() (Decimal, bool) {
	if d.scale > maxDigits || d.unscaled.BitLen() > maxDigits*10/3 {
		return Decimal{}, false
	}
	return d, true
}

// String prints the number with its places.
func (d Decimal) String() string {
	s := new(big.Int).Abs(d.unscaled).String()
	if d.scale > 0 {
		if pad := d.scale + 1 - len(s); pad > 0 {
			s = strings.Repeat("0", pad) + s
		}
		s = s[:len(s)-d.scale] + "." + s[len(s)-d.scale:]
	}
	if d.unscaled.Sign() < 0 {
		s = "-" + s
	}
	return s
}

// align returns both numbers without point, at one scale.
func align(a, b Decimal) (x, y *big.Int, scale int) {
	x, y = a.unscaled, b.unscaled
	switch {
	case a.scale < b.scale:
		return new(big.Int).Mul(x, pow10(b.scale-a.scale)), y, b.scale
	case a.scale > b.scale:
		return x, new(big.Int).Mul(y, pow10(a.scale-b.scale)), a.scale
	}
	return x, y, a.scale
}

func (d Decimal) cmp(other Decimal) int {
	x, y, _ := align(d, other)
	return x.Cmp(y)
}

func (d Decimal) sign() int { return d.unscaled.Sign() }

func (d Decimal) neg() Decimal { return Decimal{new(big.Int).Neg(d.unscaled), d.scale} }

func (d Decimal) add(other Decimal) (Decimal, bool) {
	x, y, scale := align(d, other)
	return Decimal{new(big.Int).Add(x, y), scale}.checked()
}

func (d Decimal) mul(other Decimal) (Decimal, bool) {
	return Decimal{new(big.Int).Mul(d.unscaled, other.unscaled), d.scale + other.scale}.checked()
}

// quo is d/other with the zeros at the end cut off, false when other is 0.
func (d Decimal) quo(other Decimal) (Decimal, bool) {
	if other.sign() == 0 {
		return Decimal{}, false
	}
	x, y, _ := align(d, other)
	return Decimal{roundQuo(new(big.Int).Mul(x, pow10(quotientScale)), y), quotientScale}.trimmed().checked()
}

// roundQuo is x/y, halves away from zero.
func roundQuo(x, y *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	if new(big.Int).Abs(r.Lsh(r, 1)).Cmp(new(big.Int).Abs(y)) >= 0 {
		q.Add(q, big.NewInt(int64(x.Sign()*y.Sign())))
	}
	return q
}

// div is the whole part of d/other, mod what remains; the sign is that of d.
func (d Decimal) div(other Decimal) (Decimal, bool) {
	if other.sign() == 0 {
		return Decimal{}, false
	}
	x, y, _ := align(d, other)
	return Decimal{new(big.Int).Quo(x, y), 0}.checked()
}

func (d Decimal) mod(other Decimal) (Decimal, bool) {
	if other.sign() == 0 {
		return Decimal{}, false
	}
	x, y, scale := align(d, other)
	return Decimal{new(big.Int).Rem(x, y), scale}.checked()
}

// trimmed is the number without zeros at its end.
func (d Decimal) trimmed() Decimal {
	for d.scale > 0 {
		q, r := new(big.Int).QuoRem(d.unscaled, ten, new(big.Int))
		if r.Sign() != 0 {
			break
		}
		d.unscaled, d.scale = q, d.scale-1
	}
	return d
}

// rounded has at most places digits behind the point, halves away from zero.
func (d Decimal) rounded(places int) Decimal {
	if d.scale <= places {
		return d
	}
	return Decimal{roundQuo(d.unscaled, pow10(d.scale-places)), places}
}

// truncated is the part before the point; floor and ceiling go on from it.
func (d Decimal) truncated() Decimal {
	return Decimal{new(big.Int).Quo(d.unscaled, pow10(d.scale)), 0}
}

// integer is the number when it is whole and fits.
func (d Decimal) integer() (Integer, bool) {
	t := d.truncated()
	if t.cmp(d) != 0 || !t.unscaled.IsInt64() {
		return 0, false
	}
	i := t.unscaled.Int64()
	return Integer(i), i >= math.MinInt32 && i <= math.MaxInt32
}

// equivalent compares at the places of the shorter number, zeros at the end
// not counted (FHIRPath 6.1.2).
func (d Decimal) equivalent(other Decimal) bool {
	d, other = d.trimmed(), other.trimmed()
	places := min(d.scale, other.scale)
	return d.rounded(places).cmp(other.rounded(places)) == 0
}

func (d Decimal) float() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64)
	return f
}

// fromFloat keeps 12 significant digits: the last of a float64 may differ from
// one processor to the other.
func fromFloat(f float64) (Decimal, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) >= 1e50 {
		return Decimal{}, false
	}
	d, ok := parseDecimal(strconv.FormatFloat(f, 'e', 11, 64))
	if !ok {
		return Decimal{}, false
	}
	return d.trimmed(), true
}

// sqrt is exact where the root is, else to quotientScale places.
func (d Decimal) sqrt() (Decimal, bool) {
	if d.sign() < 0 {
		return Decimal{}, false
	}
	x := new(big.Int).Mul(d.unscaled, pow10(2*quotientScale+d.scale))
	return Decimal{x.Sqrt(x), d.scale + quotientScale}.trimmed().checked()
}
