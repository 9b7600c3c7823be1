package deid_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zips returns what becomes of a ZIP code in each of the 1000 areas.
func zips(t *testing.T) map[string]string {
	t.Helper()
	var in strings.Builder
	for i := range 1000 {
		in.WriteString(patient(fmt.Sprintf(`"address":[{"postalCode":"%03d12"}]`, i)) + "\n")
	}
	out, _ := process(t, in.String())
	all := map[string]string{}
	for i, r := range decode(t, []byte(out)) {
		all[fmt.Sprintf("%03d", i)] = r["address"].([]any)[0].(map[string]any)["postalCode"].(string)
	}
	return all
}

// The areas of 20,000 people or fewer in the census of 2020, as HRSA checks
// them too; 000 itself; and some that only older lists have.
func TestAreasOfFewPeople(t *testing.T) {
	got := zips(t)
	for _, z := range strings.Fields("000 036 059 102 202 203 204 205 369 556 692 753 772 821 823 878 879 884 893") {
		if got[z] != "000" {
			t.Errorf("%s: got %s, want 000", z, got[z])
		}
	}
	for _, z := range strings.Fields("063 790 830 831 890 021 100 606 902 999") {
		if got[z] != z {
			t.Errorf("%s: got %s, want it kept", z, got[z])
		}
	}
}

func TestAreasOfTheCensus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors(t, "zip3"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got no files in zip3 (%v), want some", err)
	}
	got := zips(t)
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var census struct {
			Few  map[string]int `json:"restricted_population_le_20000"`
			None []string       `json:"prefixes_not_in_2020_census_zctas_suppress_too"`
		}
		if err := json.Unmarshal(b, &census); err != nil || len(census.Few) == 0 || len(census.None) == 0 {
			t.Fatalf("%s: got %d and %d areas (%v), want some", filepath.Base(path), len(census.Few), len(census.None), err)
		}
		suppressed := map[string]bool{}
		for z := range census.Few {
			suppressed[z] = true
		}
		for _, z := range census.None {
			suppressed[z] = true
		}
		for z, now := range got {
			if suppressed[z] != (now == "000") {
				t.Errorf("%s: got %s, want suppressed %t", z, now, suppressed[z])
			}
		}
	}
}
