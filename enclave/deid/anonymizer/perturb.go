package anonymizer

import (
	"encoding/binary"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"anchorhold/enclave/fhirpath"
)

// noise are the settings of perturb.
type noise struct {
	span         number
	proportional bool
	places       int
}

// defaultPlaces is what upstream rounds to, but for whole numbers.
const defaultPlaces = 2

// plainNumber returns the text of a number or of a string that holds one: upstream reads both.
func plainNumber(v *value) string {
	if v.kind == '0' || v.kind == '"' {
		return strings.TrimSpace(v.text)
	}
	return ""
}

// whole reads a whole number within bounds. Upstream takes 2.0 for one, too, but not "2.0".
func whole(v *value, low, high int) (int, bool) {
	text := plainNumber(v)
	if d, ok := parseNumber(text); ok && v.kind == '0' {
		text = strings.TrimSuffix(strings.TrimRight(d.String(), "0"), ".")
		if d.scale == 0 || d.digits.Sign() == 0 {
			text = d.digits.String()
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= low && n <= high
}

func (c *compiler) perturb(f ruleFaults, r *rule, v *value) {
	r.noise.places = defaultPlaces
	if s := v.get("span"); s == nil {
		f.add("span is missing")
	} else {
		var ok bool
		if r.noise.span, ok = parseNumber(plainNumber(s)); !ok {
			f.add("span is %s, want a number of at most %d digits", s.append(nil), maxDigits)
		} else if r.noise.span.digits.Sign() < 0 {
			f.add("span is %s, want no negative number", r.noise.span)
		}
	}
	if p := v.get("roundTo"); p != nil {
		var ok bool
		if r.noise.places, ok = whole(p, 0, maxDigits); !ok {
			f.add("roundTo is %s, want a whole number from 0 to %d", p.append(nil), maxDigits)
		}
	}
	if t := v.get("rangeType"); t != nil {
		r.noise.proportional = c.oneOf(t, f.label+": rangeType", "fixed", "proportional") == "proportional"
	}
}

var (
	wholeTypes    = []string{"integer", "positiveInt", "unsignedInt"}
	quantityTypes = []string{"Age", "Count", "Duration", "Distance", "Money", "MoneyQuantity", "Quantity", "SimpleQuantity"}
)

// perturb adds noise to a number, or to the value of a quantity, whose other elements are then
// taken to be processed.
func (r *record) perturb(n *fhirpath.Node, u *rule) (ops, error) {
	var target *fhirpath.Node
	switch t := typeName(n); {
	case t == "decimal" || slices.Contains(wholeTypes, t):
		target = n
	case slices.Contains(quantityTypes, t):
		target = n.Child("value")
	}
	if target == nil || !target.HasValue() || target.Mark&visited != 0 {
		return 0, nil
	}
	if err := r.addNoise(target, u.noise); err != nil {
		return 0, err
	}
	r.visitBelow(n, u.number)
	return perturbed, nil
}

// addNoise adds a number that is uniform between half the span below and above. It comes from the
// job's key, the record and the place in it, 64 bits of it: nobody can take the mean of two runs.
func (r *record) addNoise(n *fhirpath.Node, s noise) error {
	text, _ := n.Text()
	v, ok := parseNumber(text)
	if !ok {
		return errNumber
	}
	t := typeName(n)
	places := s.places
	if slices.Contains(wholeTypes, t) {
		places = 0
	}
	// All in units of 1 / (2 * 2^64 * 10^scale), so that nothing is rounded before the end.
	scale := v.scale + s.span.scale
	width := new(big.Int).Set(s.span.digits)
	if s.proportional {
		width.Mul(width, new(big.Int).Abs(v.digits))
	} else {
		width.Mul(width, ten(v.scale))
	}
	seed := r.secret(&r.worker.noiseKey, n)
	k := new(big.Int).SetUint64(binary.BigEndian.Uint64(seed[:8]))
	// odd, between -2^64 and 2^64
	k.Lsh(k, 1).Add(k, big.NewInt(1)).Sub(k, new(big.Int).Lsh(big.NewInt(1), 64))
	sum := new(big.Int).Lsh(new(big.Int).Mul(v.digits, ten(s.span.scale)), 65)
	sum.Add(sum, k.Mul(k, width))
	unit := new(big.Int).Lsh(ten(scale), 65)

	places = min(places, scale+maxDigits)
	if width.Sign() == 0 {
		places = min(places, v.scale) // as upstream: rounding writes no places that are not there
	}
	out := number{divide(sum.Mul(sum, ten(places)), unit), places}
	switch {
	case t == "positiveInt" && out.digits.Sign() <= 0:
		out = number{big.NewInt(1), 0}
	case t == "unsignedInt" && out.digits.Sign() < 0:
		out = number{new(big.Int), 0}
	}
	n.SetValue('0', out.String())
	return nil
}
