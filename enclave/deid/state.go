package deid

import (
	"bytes"
	"strings"
)

// stateCodes are the States, the District of Columbia, territories and armed forces of the USPS:
// their codes by name, by abbreviation and by code, each in the form that plainState gives it.
var stateCodes = func() map[string]string {
	codes := map[string]string{"UM": "UM"}
	for pair := range strings.SplitSeq(stateNames+"|"+stateAbbreviations, "|") {
		name, code, _ := strings.Cut(pair, ":")
		codes[name], codes[code] = code, code
	}
	return codes
}()

const stateNames = `ALABAMA:AL|ALASKA:AK|ARIZONA:AZ|ARKANSAS:AR|CALIFORNIA:CA|COLORADO:CO|CONNECTICUT:CT|DELAWARE:DE|` +
	`DISTRICT OF COLUMBIA:DC|WASHINGTON DC:DC|WASHINGTON D C:DC|FLORIDA:FL|GEORGIA:GA|HAWAII:HI|IDAHO:ID|ILLINOIS:IL|INDIANA:IN|` +
	`IOWA:IA|KANSAS:KS|KENTUCKY:KY|LOUISIANA:LA|MAINE:ME|MARYLAND:MD|MASSACHUSETTS:MA|MICHIGAN:MI|` +
	`MINNESOTA:MN|MISSISSIPPI:MS|MISSOURI:MO|MONTANA:MT|NEBRASKA:NE|NEVADA:NV|NEW HAMPSHIRE:NH|` +
	`NEW JERSEY:NJ|NEW MEXICO:NM|NEW YORK:NY|NORTH CAROLINA:NC|NORTH DAKOTA:ND|OHIO:OH|OKLAHOMA:OK|` +
	`OREGON:OR|PENNSYLVANIA:PA|RHODE ISLAND:RI|SOUTH CAROLINA:SC|SOUTH DAKOTA:SD|TENNESSEE:TN|TEXAS:TX|` +
	`UTAH:UT|VERMONT:VT|VIRGINIA:VA|WASHINGTON:WA|WEST VIRGINIA:WV|WISCONSIN:WI|WYOMING:WY|` +
	`AMERICAN SAMOA:AS|GUAM:GU|NORTHERN MARIANA ISLANDS:MP|CNMI:MP|PUERTO RICO:PR|VIRGIN ISLANDS:VI|US VIRGIN ISLANDS:VI|` +
	`VIRGIN ISLANDS US:VI|UNITED STATES VIRGIN ISLANDS:VI|VIRGIN ISLANDS OF THE UNITED STATES:VI|USVI:VI|US MINOR OUTLYING ISLANDS:UM|` +
	`UNITED STATES MINOR OUTLYING ISLANDS:UM|ARMED FORCES AMERICAS:AA|ARMED FORCES EUROPE:AE|ARMED FORCES PACIFIC:AP`

// stateAbbreviations are older than the codes.
const stateAbbreviations = `ALA:AL|ARIZ:AZ|ARK:AR|CALIF:CA|COLO:CO|CONN:CT|DEL:DE|FLA:FL|ILL:IL|IND:IN|KANS:KS|KAN:KS|MASS:MA|MICH:MI|MINN:MN|` +
	`MISS:MS|MONT:MT|NEBR:NE|NEB:NE|NEV:NV|N CAROLINA:NC|S CAROLINA:SC|N DAKOTA:ND|S DAKOTA:SD|W VIRGINIA:WV|N H:NH|N J:NJ|N M:NM|N Y:NY|N C:NC|N D:ND|` +
	`OKLA:OK|ORE:OR|PENN:PA|PENNA:PA|R I:RI|S C:SC|S D:SD|TENN:TN|TEX:TX|W VA:WV|WASH:WA|WIS:WI|WISC:WI|WYO:WY|D C:DC|P R:PR`

// stateOf returns the code of the State that a text names, or nothing: what names none may name a
// town.
func stateOf(text []byte) string {
	var room [maxState]byte
	plain := plainState(room[:0], text)
	if code, ok := stateCodes[string(plain)]; ok {
		return code
	}
	for _, before := range [...]string{"US ", "STATE OF ", "COMMONWEALTH OF THE ", "COMMONWEALTH OF ", "TERRITORY OF "} {
		if rest, ok := bytes.CutPrefix(plain, []byte(before)); ok {
			return stateCodes[string(rest)]
		}
	}
	// "California CA" and "CA California": both must name the same.
	if n := len(plain); n > 3 && plain[n-3] == ' ' {
		if code := stateCodes[string(plain[n-2:])]; code != "" && code == stateCodes[string(plain[:n-3])] {
			return code
		}
	}
	if len(plain) > 3 && plain[2] == ' ' {
		if code := stateCodes[string(plain[:2])]; code != "" && code == stateCodes[string(plain[3:])] {
			return code
		}
	}
	return ""
}

// maxState bounds a text that may name a State.
const maxState = 48

// plainState appends a text in capital letters, with single spaces for what stands between words,
// and without full stops and apostrophes. A text that is too long gives nothing.
func plainState(dst, text []byte) []byte {
	if len(text) > maxState {
		return dst
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z':
			dst = append(dst, c-'a'+'A')
		case c == '.' || c == '\'' || c == '`':
		case c == ' ' || c == ',' || c == '-' || c == '(' || c == ')' || c == '_':
			if n := len(dst); n > 0 && dst[n-1] != ' ' {
				dst = append(dst, ' ')
			}
		case c == 0xc2 && i+1 < len(text) && text[i+1] == 0xb4 || c == 0xc2 && i+1 < len(text) && text[i+1] == 0xa0:
			i++ // acute accent, no-break space
		case c == 0xca && i+1 < len(text) && text[i+1] == 0xbb:
			i++ // the letter of Hawaiʻi
		case c == 0xe2 && i+2 < len(text) && text[i+1] == 0x80 && (text[i+2] == 0x98 || text[i+2] == 0x99):
			i += 2 // quotation marks
		default:
			dst = append(dst, c)
		}
	}
	return bytes.TrimSuffix(dst, []byte{' '})
}

// state keeps a State of the US as its code.
func (t *transformer) state(s []byte) bool {
	code := stateOf(s)
	return code != "" && t.quote([]byte(code))
}

func isState(text []byte) bool { return stateOf(text) != "" }
