package score

import "strings"

// needleKey is how many bytes of a needle find it.
const needleKey = 6

// needles are values that are searched for together, in one pass over a text.
type needles map[string][]needle

type needle struct{ lower, value string }

func newNeedles() needles { return needles{} }

// searchable reports whether a value is too long to occur by chance.
func searchable(value string) bool {
	return len(value) >= needleKey+2 && (onlyDigits(value) != value || len(value) >= 9)
}

func (n needles) add(value string) {
	l := strings.ToLower(value)
	n[l[:needleKey]] = append(n[l[:needleKey]], needle{l, value})
}

// in calls found with each needle that occurs in s, which is in lower case.
func (n needles) in(s string, found func(value string)) {
	for i := 0; i+needleKey <= len(s); i++ {
		for _, x := range n[s[i:i+needleKey]] {
			if strings.HasPrefix(s[i:], x.lower) {
				found(x.value)
			}
		}
	}
}
