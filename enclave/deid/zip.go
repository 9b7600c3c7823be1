package deid

import "bytes"

// maxPlace is the length of the longest name in the sets below.
const maxPlace = 24

// zipCountries use US ZIP codes. Upper case.
var zipCountries = names(`US|USA|U.S.|U.S.A.|UNITED STATES|UNITED STATES OF AMERICA|PR|PRI|GU|GUM|VI|VIR|AS|ASM|MP|MNP`)

// zipStates are the States, territories and armed forces of the USPS, by code and name. Upper case.
var zipStates = names(`AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|` +
	`OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|AS|GU|MP|PR|VI|UM|AA|AE|AP|` +
	`ALABAMA|ALASKA|ARIZONA|ARKANSAS|CALIFORNIA|COLORADO|CONNECTICUT|DELAWARE|DISTRICT OF COLUMBIA|FLORIDA|GEORGIA|HAWAII|IDAHO|` +
	`ILLINOIS|INDIANA|IOWA|KANSAS|KENTUCKY|LOUISIANA|MAINE|MARYLAND|MASSACHUSETTS|MICHIGAN|MINNESOTA|MISSISSIPPI|MISSOURI|MONTANA|` +
	`NEBRASKA|NEVADA|NEW HAMPSHIRE|NEW JERSEY|NEW MEXICO|NEW YORK|NORTH CAROLINA|NORTH DAKOTA|OHIO|OKLAHOMA|OREGON|PENNSYLVANIA|` +
	`RHODE ISLAND|SOUTH CAROLINA|SOUTH DAKOTA|TENNESSEE|TEXAS|UTAH|VERMONT|VIRGINIA|WASHINGTON|WEST VIRGINIA|WISCONSIN|WYOMING|` +
	`AMERICAN SAMOA|GUAM|NORTHERN MARIANA ISLANDS|PUERTO RICO|VIRGIN ISLANDS`)

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
		t.address.foreign = !t.among("country", zipCountries) || !t.among("state", zipStates)
	}
	return t.address.foreign
}

// among reports whether a member of the group at hand is absent or in the set.
func (t *transformer) among(member string, set map[string]bool) bool {
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
	return len(s) <= maxPlace && set[string(bytes.ToUpper(s))]
}

// zip3 keeps three digits of a US ZIP code, or 000 for the areas of a set. Of
// a code of another country nobody has counted the people: it is dropped.
func (t *transformer) zip3(n *node, s []byte) bool {
	if t.foreign() {
		return false
	}
	if len(s) == 10 && s[5] == '-' && only(s[6:], digit) {
		s = s[:5]
	}
	if (len(s) != 5 && len(s) != 9) || !only(s, digit) {
		return false
	}
	if s = s[:3]; n.set[string(s)] {
		s = []byte("000")
	}
	return t.quote(s)
}
