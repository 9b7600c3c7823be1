package anonymizer_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// valueOf returns the text of the first number behind a member.
func valueOf(t *testing.T, record, member string) string {
	t.Helper()
	_, rest, ok := strings.Cut(record, `"`+member+`":`)
	end := strings.IndexAny(rest, ",}")
	if !ok || end < 0 {
		t.Fatalf("no %s in %s", member, record)
	}
	return rest[:end]
}

func observation(id int, value string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","valueQuantity":{"value":%s,"unit":"kg"}}`, id, value)
}

// Noise lies in its range, on both sides, is rounded, and differs from record to record.
func TestPerturb(t *testing.T) {
	for _, c := range []struct {
		settings, value string
		low, high       string
		places          int
	}{
		{`"span":6`, "50", "47", "53", 2},
		{`"span":"6","roundTo":"0"`, "50", "47", "53", 0},
		{`"span":6,"roundTo":28`, "50", "47", "53", 28},
		{`"span":0.2,"rangeType":"Proportional"`, "200", "180", "220", 2},
		{`"span":0.2,"rangeType":"proportional"`, "-200", "-220", "-180", 2}, // upstream fails here
		{`"span":3,"rangeType":"fixed"`, "-1", "-2.5", "0.5", 2},
		{`"span":1e-3,"roundTo":9`, "0.000001", "-0.000499", "0.000501", 9},
		{`"span":1,"roundTo":10`, "12345678901234567.8901234567", "12345678901234567.3901234567", "12345678901234568.3901234567", 10},
		{`"span":0`, "1.005", "1", "1", 2}, // half to even
		{`"span":0`, "1.015", "1.02", "1.02", 2},
		{`"span":0`, "-1.015", "-1.02", "-1.02", 2},
		{`"span":0`, "2.5e2", "250", "250", 2},
	} {
		config := rules("", `"path":"Observation.value","method":"perturb",`+c.settings)
		low, _ := new(big.Rat).SetString(c.low)
		high, _ := new(big.Rat).SetString(c.high)
		seen := map[string]bool{}
		below := false
		for id := range 40 {
			got := one(t, config, observation(id, c.value))
			if !strings.HasPrefix(got, "{") {
				t.Fatalf("%+v: %s", c, got)
			}
			text := valueOf(t, got, "value")
			v, ok := new(big.Rat).SetString(text)
			if !ok || !json.Valid([]byte(text)) || v.Cmp(low) < 0 || v.Cmp(high) > 0 {
				t.Errorf("%+v: got %s", c, text)
			}
			if _, fraction, _ := strings.Cut(text, "."); len(fraction) > c.places {
				t.Errorf("%+v: got %s with %d places", c, text, len(fraction))
			}
			seen[text] = true
			middle := new(big.Rat).Add(low, high)
			below = below || v.Cmp(middle.Quo(middle, big.NewRat(2, 1))) < 0
			if codes(t, got) != "PERTURBED" || !strings.Contains(got, `"unit":"kg"`) {
				t.Errorf("got %s", got)
			}
		}
		if low.Cmp(high) < 0 && (len(seen) < 5 || !below) {
			t.Errorf("%+v: got %d values of 40 records, below the middle: %t", c, len(seen), below)
		}
	}
}

func TestPerturbTypes(t *testing.T) {
	whole := func(member, settings string) string {
		return rules("", `"path":"`+member+`","method":"perturb",`+settings)
	}
	for id := range 30 {
		got := one(t, whole("nodesByType('positiveInt')", `"span":100,"roundTo":3`), patient(fmt.Sprintf(`"id":"p%d","telecom":[{"rank":2}]`, id)))
		if v := valueOf(t, got, "rank"); strings.ContainsAny(v, ".-") || v == "0" {
			t.Errorf("rank: got %s", v)
		}
		got = one(t, whole("nodesByType('unsignedInt')", `"span":100`), fmt.Sprintf(`{"resourceType":"Attachment","x":%d}`, id))
		if got != "resource-malformed" {
			t.Errorf("got %s", got)
		}
		got = one(t, whole("nodesByType('unsignedInt')", `"span":100`), fmt.Sprintf(`{"resourceType":"DocumentReference","id":"d%d","content":[{"attachment":{"size":3}}]}`, id))
		if v := valueOf(t, got, "size"); strings.ContainsAny(v, ".-") {
			t.Errorf("size: got %s", v)
		}
	}
	// A composite is gone through; what is no number stays, and is processed.
	got := one(t, rules("", `"path":"Observation.value","method":"perturb","span":0,"roundTo":0`, `"path":"Resource","method":"redact"`),
		`{"resourceType":"Observation","valueRange":{"low":{"value":1.4,"unit":"a"},"high":{"value":2.6,"unit":"b"}},"status":"final"}`)
	if want := `{"valueRange":{"high":{"unit":"b","value":3},"low":{"unit":"a","value":1}}}`; bare(t, got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// A value that was processed before is left, and the quantity with it.
	got = one(t, rules("", `"path":"Observation.value.value","method":"keep"`, `"path":"Observation.value","method":"perturb","span":9`), observation(1, "5"))
	if bare(t, got) != `{"id":"o1","valueQuantity":{"unit":"kg","value":5}}` || codes(t, got) != "" {
		t.Errorf("got %s", got)
	}
	for _, huge := range []string{"1e29", "1e-29", "123456789012345678901234567890", "1e999999999", "1e-999999999", "0.00000000000000000000000000000000000001"} {
		if got := one(t, rules("", `"path":"Observation.value","method":"perturb","span":1`), observation(1, huge)); got != "failed: record-rejected" {
			t.Errorf("%s: got %s", huge, got)
		}
		// A number that no rule changes keeps its text.
		if got := one(t, rules("", `"path":"Observation.id","method":"redact"`), observation(1, huge)); !strings.Contains(got, `"value":`+huge+`,`) {
			t.Errorf("%s: got %s", huge, got)
		}
	}
}

// The noise of one value is no bit of another's, whatever the value: its distribution is flat.
func TestNoiseIsUniform(t *testing.T) {
	e, values := configure(t, rules("", `"path":"Observation.value","method":"perturb","span":8,"roundTo":9`))
	var lines strings.Builder
	const n = 4000
	for id := range n {
		lines.WriteString(observation(id, "100") + "\n")
	}
	out, _, err := run(e, job(values), lines.String())
	if err != nil {
		t.Fatal(err)
	}
	var buckets [8]int
	for line := range strings.Lines(out) {
		v, _ := new(big.Float).SetString(valueOf(t, line, "value"))
		f, _ := v.Float64()
		buckets[int(f-96)]++
	}
	for i, got := range buckets {
		if got < n/8-120 || got > n/8+120 { // beyond five standard deviations
			t.Errorf("bucket %d has %d of %d", i, got, n)
		}
	}
}
