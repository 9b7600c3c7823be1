package deid_test

import (
	"strings"
	"testing"
)

// What names a State stays as its code, in whatever spelling; what names a town, or a town and a
// State, goes.
func TestSpellingsOfStates(t *testing.T) {
	for text, want := range map[string]string{
		"CA": "CA", "ca": "CA", " Ca ": "CA", "US-CA": "CA", "us-ca": "CA", "California": "CA", "CALIFORNIA": "CA", "Calif.": "CA",
		"State of California": "CA", "California (CA)": "CA", "CA - California": "CA", "N.Y.": "NY", "N. Y.": "NY", "New  York": "NY",
		"New-York": "NY", "new york": "NY", "D.C.": "DC", "Washington, D.C.": "DC", "Washington DC": "DC", "District of Columbia": "DC",
		"Puerto Rico": "PR", "Commonwealth of Puerto Rico": "PR", "U.S. Virgin Islands": "VI", "Virgin Islands, U.S.": "VI", "USVI": "VI",
		"Commonwealth of the Northern Mariana Islands": "MP", "Guam": "GU", "American Samoa": "AS", "AP": "AP", "Hawai'i": "HI",
		"Hawai\u02bbi": "HI", "Hawai\u2018i": "HI", "W. Va.": "WV", "N. Carolina": "NC", "Mass.": "MA", "Commonwealth of Massachusetts": "MA",
		"Springfield": "", "Los Angeles, CA": "", "CA 94110": "", "C A": "", "Cal ifornia": "", "Californiax": "", "Virginia Woolf": "",
		"Washington Smith": "", "California NY": "", "NY California": "", "Ontario": "", "LI-09": "", "06": "", "06037": "", "Orange County": "",
		"State of Springfield": "", "Commonwealth of": "", "\u00c2": "", "\u00ca": "", "\u2018": "",
		strings.Repeat(" ", 60) + "CA": "", strings.Repeat("x", 100): "",
	} {
		record := `{"resourceType":"Patient"}`
		if want != "" {
			record = patient(`"address":[{"state":"` + want + `"}]`)
		}
		if got := one(t, patient(`"address":[{"state":"`+text+`"}]`)); got != record {
			t.Errorf("%q: got %s, want %s", text, got, record)
		}
	}
}

// A ZIP code is one of the US where its State is, in whatever spelling.
func TestZIPCodesOfStatesInAnySpelling(t *testing.T) {
	for place, want := range map[string]bool{
		`"state":"Washington, D.C."`: true, `"state":"N.Y."`: true, `"state":"State of California"`: true, `"country":"u.s.a."`: true,
		`"country":"The United States of America"`: true, `"state":"Bavaria"`: false, `"country":"Germany"`: false, `"country":"U.S. of Springfield"`: false,
	} {
		if got := one(t, patient(`"address":[{"postalCode":"94110",`+place+`}]`)); strings.Contains(got, `"941"`) != want {
			t.Errorf("%s: got %s, want three digits of the ZIP code: %t", place, got, want)
		}
	}
}
