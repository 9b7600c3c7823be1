package deid

import "bytes"

const (
	maxPlace = 40 // bytes of the name of a town
	// maxNowhere is how many ZIP codes of nowhere a record gets. An address of
	// two bytes would become fifty times as long, and so would a record of them.
	maxNowhere = 64
)

// zipCountries use US ZIP codes: names in the form that plainState gives them.
var zipCountries = names(`US|USA|U S|U S A|UNITED STATES|UNITED STATES OF AMERICA|THE UNITED STATES|THE UNITED STATES OF AMERICA|PR|PRI|GU|GUM|VI|VIR|AS|ASM|MP|MNP`)

func names(list string) map[string]bool {
	set := map[string]bool{}
	for _, n := range bytes.Split([]byte(list), []byte{'|'}) {
		set[string(n)] = true
	}
	return set
}

// foreign reports whether the address at hand is in another country: it names
// one, or a state that the US has not. It looks once for each address: an array
// of a million codes must not look a million times.
func (t *transformer) foreign() bool {
	if !t.address.known || t.address.at != t.holder {
		t.address.known, t.address.at = true, t.holder
		t.address.foreign = !among(t, "country", isZIPCountry) || !among(t, "state", isState)
	}
	return t.address.foreign
}

// among reports whether a member of the group at hand is absent or of a kind.
func among(t *transformer, member string, is func([]byte) bool) bool {
	object := t.scanner
	object.i = t.holder
	v, ok := object.find(member)
	return !ok || v.b[v.i] == '"' && is(v.str())
}

func isZIPCountry(text []byte) bool {
	var room [maxState]byte
	return zipCountries[string(plainState(room[:0], text))]
}

// zip keeps a US ZIP code, or three digits of it, or 000 for the areas of a
// set. Of a code of another country nobody has counted the people: it is dropped.
func (t *transformer) zip(n *node, s []byte) bool {
	if t.foreign() {
		return n.method == zipPadded && t.noZIP(n, "unsupported")
	}
	five := s
	if len(s) == 10 && s[5] == '-' && only(s[6:], digit) {
		five = s[:5]
	}
	if (len(five) != 5 && len(five) != 9) || !only(five, digit) {
		return n.method == zipPadded && t.noZIP(n, "unknown")
	}
	three := five[:3]
	switch {
	case n.method == zip:
		return t.quote(s)
	case n.method == zip3 && n.set[string(three)]:
		three = []byte("000")
	case n.method == zipPadded && n.set[string(three)]:
		return t.noZIP(n, "masked")
	case n.method == zipPadded:
		t.out = append(append(append(t.out, '"'), three...), `00"`...)
		return true
	}
	return t.quote(three)
}

// noZIP appends the ZIP code of nowhere and why there is no other, as HRSA's
// UDS+ wants it.
func (t *transformer) noZIP(n *node, why string) bool {
	if !bytes.HasSuffix(t.out, n.head) || t.facts.nowhere == maxNowhere {
		return false // in an array, or once too often
	}
	t.facts.nowhere++
	t.out = append(t.out, `"00000","_`...)
	t.out = append(t.out, n.name()...)
	t.out = append(t.out, `":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"`...)
	t.out = append(t.out, why...)
	t.out = append(t.out, `"}]}`...)
	return true
}

// isPlace reports whether b may be the name of a town: letters, with single
// spaces and . ' - between. No digits: what has some is a street or a number.
func isPlace(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case classes[c]&letter != 0:
		case i == 0 || i == len(b)-1 && c != '.' || c != ' ' && c != '.' && c != '\'' && c != '-' || c == ' ' && b[i-1] == ' ':
			return false
		}
	}
	return len(b) > 1 && len(b) <= maxPlace
}
