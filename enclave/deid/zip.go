package deid

import (
	"bytes"
	"strings"
)

// maxName is the length of the longest name in the sets below, maxPlace of a town.
const (
	maxName  = 24
	maxPlace = 40
	// maxNowhere is how many ZIP codes of nowhere a record gets. An address of
	// two bytes would become fifty times as long, and so would a record of them.
	maxNowhere = 64
)

// zipCountries use US ZIP codes. Upper case.
var zipCountries = names(`US|USA|U.S.|U.S.A.|UNITED STATES|UNITED STATES OF AMERICA|PR|PRI|GU|GUM|VI|VIR|AS|ASM|MP|MNP`)

// stateCodes are the States, the District of Columbia, territories and armed forces of the USPS: their codes by name and by
// code. Upper case.
var stateCodes = func() map[string]string {
	codes := map[string]string{"UM": "UM"}
	for pair := range strings.SplitSeq(stateNames, "|") {
		name, code, _ := strings.Cut(pair, ":")
		codes[name], codes[code] = code, code
	}
	return codes
}()

const stateNames = `ALABAMA:AL|ALASKA:AK|ARIZONA:AZ|ARKANSAS:AR|CALIFORNIA:CA|COLORADO:CO|CONNECTICUT:CT|DELAWARE:DE|` +
	`DISTRICT OF COLUMBIA:DC|D.C.:DC|FLORIDA:FL|GEORGIA:GA|HAWAII:HI|IDAHO:ID|ILLINOIS:IL|INDIANA:IN|` +
	`IOWA:IA|KANSAS:KS|KENTUCKY:KY|LOUISIANA:LA|MAINE:ME|MARYLAND:MD|MASSACHUSETTS:MA|MICHIGAN:MI|` +
	`MINNESOTA:MN|MISSISSIPPI:MS|MISSOURI:MO|MONTANA:MT|NEBRASKA:NE|NEVADA:NV|NEW HAMPSHIRE:NH|` +
	`NEW JERSEY:NJ|NEW MEXICO:NM|NEW YORK:NY|NORTH CAROLINA:NC|NORTH DAKOTA:ND|OHIO:OH|OKLAHOMA:OK|` +
	`OREGON:OR|PENNSYLVANIA:PA|RHODE ISLAND:RI|SOUTH CAROLINA:SC|SOUTH DAKOTA:SD|TENNESSEE:TN|TEXAS:TX|` +
	`UTAH:UT|VERMONT:VT|VIRGINIA:VA|WASHINGTON:WA|WEST VIRGINIA:WV|WISCONSIN:WI|WYOMING:WY|` +
	`AMERICAN SAMOA:AS|GUAM:GU|NORTHERN MARIANA ISLANDS:MP|PUERTO RICO:PR|VIRGIN ISLANDS:VI|` +
	`US VIRGIN ISLANDS:VI|U.S. VIRGIN ISLANDS:VI|ARMED FORCES AMERICAS:AA|ARMED FORCES EUROPE:AE|` +
	`ARMED FORCES PACIFIC:AP`

// state keeps a State of the US as its code. A word that names none may name a town.
func (t *transformer) state(s []byte) bool {
	s = bytes.TrimSpace(s)
	if len(s) > maxName {
		return false
	}
	code, ok := stateCodes[string(bytes.TrimPrefix(bytes.ToUpper(s), []byte("US-")))]
	return ok && t.quote([]byte(code))
}

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
		t.address.foreign = !among(t, "country", zipCountries) || !among(t, "state", stateCodes)
	}
	return t.address.foreign
}

// among reports whether a member of the group at hand is absent or in the set.
func among[V any](t *transformer, member string, set map[string]V) bool {
	object := t.scanner
	object.i = t.holder
	v, ok := object.find(member)
	if !ok {
		return true
	}
	if v.b[v.i] != '"' {
		return false
	}
	s := bytes.TrimSpace(v.str())
	_, ok = set[string(bytes.TrimPrefix(bytes.ToUpper(s), []byte("US-")))] // as in US-CA
	return ok && len(s) <= maxName
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
