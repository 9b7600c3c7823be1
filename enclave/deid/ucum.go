package deid

import "bytes"

// A unit of UCUM is a term of known atoms (The Unified Code for Units of
// Measure, 2.1, sections 1 to 4). Without the grammar "JohnSmith" would be one,
// and so would mg{JohnSmith}: annotations are free text, and a rule lists
// those that stay.

// ucumMetric are the atoms that take a prefix, ucumOther those that do not:
// what health records measure in, not the whole table.
var (
	ucumMetric = atoms(`m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV [e] [g]
		dyn erg P St G Ci R RAD REM cal cal_th cal_IT tex m[H2O] m[Hg] eq osm g% kat U [iU] [IU] Np B B[SPL] st mho bit By`)
	ucumOther = atoms(`10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] deg gon ' '' min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU atm
		[in_i] [ft_i] [yd_i] [mi_i] [sin_i] [sft_i] [cin_i] [ft_us] [in_us] [mi_us] [gal_us] [qt_us] [pt_us] [gil_us] [foz_us]
		[fdr_us] [min_us] [tbs_us] [tsp_us] [cup_us] [foz_m] [cup_m] [tsp_m] [tbs_m] [gr] [lb_av] [oz_av] [dr_av] [stone_av]
		[oz_tr] [lb_tr] [sc_ap] [dr_ap] [oz_ap] [lb_ap] [degF] [degR] [Cal] [Btu] [HP] [in_i'H2O] [in_i'Hg] [PRU] [wood'U]
		[diop] [p'diop] %[slope] [mesh_i] [Ch] [drp] [hnsf'U] [MET] [hp'_X] [hp'_C] [hp'_M] [hp'_Q] [hp_X] [hp_C] [hp_M] [hp_Q]
		[pH] [S] [HPF] [LPF] [arb'U] [USP'U] [GPL'U] [MPL'U] [APL'U] [beth'U] [anti'Xa'U] [todd'U] [dye'U] [smgy'U] [bdsk'U]
		[ka'U] [knk'U] [mclg'U] [tb'U] [CCID_50] [TCID_50] [EID_50] [PFU] [FFU] [CFU] [IR] [BAU] [AU] [Amb'a'1'U] [PNU] [Lf]
		[D'ag'U] [FEU] [ELU] [EU] b [psi] sph [car_Au]`)
	ucumPrefixes = atoms("Y Z E P T G M k h da d c m u n p f a z y")
)

func atoms(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range bytes.Fields([]byte(list)) {
		set[string(w)] = true
	}
	return set
}

// ucumUnit reports whether b is a term of UCUM whose annotations are all listed.
func ucumUnit(b []byte, annotations map[string]bool) bool {
	b = bytes.TrimPrefix(b, []byte{'/'})
	depth := 0
	for {
		for len(b) > 0 && b[0] == '(' {
			b, depth = b[1:], depth+1
		}
		n := componentEnd(b)
		if !component(b[:n], annotations) {
			return false
		}
		for b = b[n:]; len(b) > 0 && b[0] == ')'; b = b[1:] {
			if depth--; depth < 0 {
				return false
			}
		}
		if len(b) == 0 {
			return depth == 0
		}
		if b[0] != '.' && b[0] != '/' {
			return false
		}
		b = b[1:]
	}
}

// componentEnd is where the component ends that b begins with: what stands in
// brackets or braces is part of it.
func componentEnd(b []byte) int {
	var closing byte
	for i, x := range b {
		switch {
		case closing != 0:
			if x == closing {
				closing = 0
			}
		case x == '[':
			closing = ']'
		case x == '{':
			closing = '}'
		case x == '.' || x == '/' || x == '(' || x == ')':
			return i
		}
	}
	return len(b)
}

// component reports whether b is an atom with prefix, exponent and annotation
// where it has them, an annotation alone, or a number.
func component(b []byte, annotations map[string]bool) bool {
	if i := bytes.IndexByte(b, '{'); i >= 0 {
		if b[len(b)-1] != '}' || !annotations[string(b[i+1:len(b)-1])] {
			return false
		}
		if b = b[:i]; len(b) == 0 {
			return true
		}
	}
	if len(b) == 0 || only(b, digit) {
		return len(b) > 0 && isFactor(b)
	}
	if isAtom(b) {
		return true
	}
	atom := bytes.TrimRight(b, "0123456789")
	if power := b[len(atom):]; len(power) > 2 || number(power) > maxPower {
		return false
	}
	b = atom
	if n := len(b); n > 1 && (b[n-1] == '-' || b[n-1] == '+') {
		b = b[:n-1]
	}
	return isAtom(b)
}

// maxPower is the greatest exponent in a unit: in a greater one something else may hide, as in a95.
const maxPower = 24

// isFactor reports whether a number may be part of a unit: 24 h, 100 cells, 1000. Another one over
// the cap may be an age, and belongs to the value.
func isFactor(b []byte) bool {
	return len(b) <= maxDigits+1 && (number(b) <= ageCap || b[0] == '1' && len(bytes.TrimRight(b, "0")) == 1)
}

func isAtom(b []byte) bool {
	if ucumMetric[string(b)] || ucumOther[string(b)] {
		return true
	}
	for n := 1; n <= 2 && n < len(b); n++ {
		if ucumPrefixes[string(b[:n])] && ucumMetric[string(b[n:])] {
			return true
		}
	}
	return false
}
