package fhirpath_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// on evaluates an expression on a resource in JSON, as Microsoft's rules are evaluated or not.
func on(t *testing.T, record, expression string, exact bool) (string, error) {
	t.Helper()
	n, err := fhirpath.Read([]byte(record))
	if err != nil {
		t.Fatalf("%s: %v", record, err)
	}
	x, err := fhirpath.Compile(expression, fhirpath.Options{Type: n.Type().Name(), Exact: exact, Clock: true})
	if err != nil {
		return "", err
	}
	items, err := x.Evaluate(n, fhirpath.Env{Now: clock})
	if err != nil {
		return "", err
	}
	return literals(items), nil
}

// expect evaluates rows on a resource, in both ways of Options.Exact.
func expect(t *testing.T, record string, rows []row) {
	t.Helper()
	for _, exact := range []bool{false, true} {
		for _, r := range rows {
			got, err := on(t, record, r.expression, exact)
			if want, ok := strings.CutPrefix(r.want, "!"); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("exact %t: %s: got %s, %v, want error %q", exact, r.expression, got, err, want)
				}
			} else if err != nil || got != r.want {
				t.Errorf("exact %t: %s: got %s, %v, want %s", exact, r.expression, got, err, r.want)
			}
		}
	}
}

const ucum = `"system":"http://unitsofmeasure.org",`

// A duration is a unit of time as it is written: calendar duration, UCUM, or code of a FHIR
// Quantity.
type duration struct {
	word, code string
	seconds    int64 // of the calendar duration
	average    int64 // of the UCUM unit
}

var durations = []duration{
	{"year", "a", 365 * 86400, 31557600},
	{"month", "mo", 30 * 86400, 2629800},
	{"week", "wk", 604800, 604800},
	{"day", "d", 86400, 86400},
	{"hour", "h", 3600, 3600},
	{"minute", "min", 60, 60},
	{"second", "s", 1, 1},
}

// Every unit of time with every other, as calendar duration, UCUM unit and FHIR Quantity on either
// side: what is compared is what FHIRPath's factors say, and what has no factor is empty and never
// false or true.
func TestUnitsOfTimeCompare(t *testing.T) {
	forms := []string{"calendar", "ucum", "fhir"}
	for _, a := range durations {
		for _, b := range durations {
			for _, f := range forms {
				for _, g := range forms {
					comparePair(t, a, b, f, g)
				}
			}
		}
	}
}

func comparePair(t *testing.T, a, b duration, f, g string) {
	t.Helper()
	record := fmt.Sprintf(`{"resourceType":"Observation","valueQuantity":{"value":1,%s"code":%q},"component":[{"valueQuantity":{"value":1,%s"code":%q}}]}`, ucum, a.code, ucum, b.code)
	write := func(form, path string, d duration) string {
		switch form {
		case "calendar":
			return "1 " + d.word
		case "ucum":
			return "1 '" + d.code + "'"
		}
		return path
	}
	x, y := write(f, "value", a), write(g, "component.value", b)
	// FHIR's is what the other one is; two of FHIR are calendar durations.
	calendarA := f == "calendar" || f == "fhir" && g != "ucum"
	calendarB := g == "calendar" || g == "fhir" && f != "ucum"
	long := func(d duration) bool { return d.word == "year" || d.word == "month" }
	comparable := calendarA == calendarB || !long(a) && !long(b)
	ratio := big.NewRat(a.average, b.average)
	switch {
	case calendarA && calendarB && long(a) && long(b):
		months := map[string]int64{"year": 12, "month": 1}
		ratio = big.NewRat(months[a.word], months[b.word])
	case calendarA && calendarB:
		ratio = big.NewRat(a.seconds, b.seconds)
	}
	cmp := ratio.Cmp(big.NewRat(1, 1))
	for operator, holds := range map[string]bool{"<": cmp < 0, "<=": cmp <= 0, ">": cmp > 0, ">=": cmp >= 0, "=": cmp == 0, "!=": cmp != 0} {
		want := fmt.Sprint(holds)
		if !comparable {
			want = ""
		}
		for _, exact := range []bool{false, true} {
			if got, err := on(t, record, x+" "+operator+" "+y, exact); err != nil || got != want {
				t.Errorf("%s %s %s (%s %s, %s %s): got %q, %v, want %q", x, operator, y, f, a.code, g, b.code, got, err, want)
			}
		}
	}
	// A sum has the more granular unit, and is the same whichever side comes first.
	sum := "(" + x + " + " + y + ")"
	wantUnit := a
	if cmp > 0 {
		wantUnit = b
	}
	got, err := on(t, record, sum+" = ("+y+" + "+x+")", false)
	unit, err2 := on(t, record, sum+".toString()", false)
	if !comparable {
		if got != "" || unit != "" || err != nil || err2 != nil {
			t.Errorf("%s: got %s, %v, want nothing", sum, unit, err)
		}
		return
	}
	if got != "true" || err != nil || err2 != nil || !strings.Contains(unit, wantUnit.word) && !strings.Contains(unit, "'"+wantUnit.code+"'") {
		t.Errorf("%s: got %s, %v, want %s or %s", sum, unit, err, wantUnit.word, wantUnit.code)
	}
}

// Equivalence takes a calendar year for 1 'a' and a month for 1 'mo', and compares in the less
// granular unit.
func TestUnitsOfTimeAreEquivalent(t *testing.T) {
	for _, d := range durations {
		record := fmt.Sprintf(`{"resourceType":"Observation","valueQuantity":{"value":3,%s"code":%q}}`, ucum, d.code)
		for _, x := range []string{"value", "3 " + d.word, "3 '" + d.code + "'"} {
			for _, y := range []string{"value", "3 " + d.word, "3 '" + d.code + "'"} {
				expect(t, record, []row{{x + " ~ " + y, "true"}, {x + " !~ " + y, "false"}})
			}
			expect(t, record, []row{{x + " ~ 4 " + d.word, "false"}, {x + " ~ 4 '" + d.code + "'", "false"}, {x + " ~ 3 'm'", "false"}})
		}
	}
	expect(t, `{"resourceType":"Patient"}`, []row{
		{"4 'kg' ~ 4040 'g'", "true"},
		{"4040 'g' ~ 4 'kg'", "true"},
		{"4.04 'kg' ~ 5000 'g'", "false"},
		{"1 year ~ 365 days", "true"},
		{"12 months ~ 1 year", "true"},
		{"1 'a' ~ 12 months", "true"},
		{"1 month ~ 2 months", "false"},
	})
}

// A rule for the oldest must find them however their age is written, and fail rather than guess
// where it can't.
func TestAgesOfEveryForm(t *testing.T) {
	for quantity, want := range map[string]string{
		`"value":95,` + ucum + `"code":"a"`:                                   "true",
		`"value":95,` + ucum + `"code":"a","unit":"years"`:                    "true",
		`"value":1140,` + ucum + `"code":"mo"`:                                "true",
		`"value":5000,` + ucum + `"code":"wk"`:                                "true",
		`"value":34675,` + ucum + `"code":"d"`:                                "true",
		`"value":88,` + ucum + `"code":"a"`:                                   "false",
		`"value":89,` + ucum + `"code":"a"`:                                   "false",
		`"value":95,"unit":"a"`:                                               "!no code of UCUM",
		`"value":95,"code":"a"`:                                               "!no code of UCUM",
		`"value":95,` + ucum + `"unit":"a"`:                                   "!no code of UCUM",
		`"value":95`:                                                          "!no code of UCUM",
		`"value":95,"system":"http://snomed.info/sct","code":"a"`:             "!no code of UCUM",
		`"value":95,"system":"http://unitsofmeasure.org/","code":"a"`:         "!no code of UCUM",
		`"value":95,"comparator":">",` + ucum + `"code":"a"`:                  "!no code of UCUM",
		`"value":95,` + ucum + `"code":"[years]"`:                             "!unit is not known",
		`"value":1e200,` + ucum + `"code":"a"`:                                "!no code of UCUM",
		`"value":95,"system":"http://snomed.info/sct","code":"258707000"`:     "!no code of UCUM",
		`"value":95,` + ucum + `"code":"kg"`:                                  "",
		`"value":95,` + ucum + `"code":"a","extension":[{"url":"u"}]`:         "true",
		`"_value":{"extension":[{"url":"u"}]},` + ucum + `"code":"a"`:         "!no code of UCUM",
		`"value":95.0000000000000000000000000001,` + ucum + `"code":"a"`:      "true",
		`"value":89.00000000000000000000000000000001,` + ucum + `"code":"a"`:  "true",
		`"value":88.99999999999999999999999999999999,` + ucum + `"code":"a"`:  "false",
		`"value":-95,` + ucum + `"code":"a"`:                                  "false",
		`"value":2808432000,` + ucum + `"code":"s"`:                           "true",
		`"value":2808432000000,` + ucum + `"code":"ms","unit":"milliseconds"`: "true",
	} {
		condition := `{"resourceType":"Condition","onsetAge":{` + quantity + `}}`
		observation := `{"resourceType":"Observation","valueQuantity":{` + quantity + `}}`
		extension := `{"resourceType":"Patient","extension":[{"url":"u","valueDuration":{` + quantity + `}}]}`
		selected := func(path string) string {
			switch want {
			case "true":
				return path
			case "false":
				return ""
			}
			return want
		}
		expect(t, condition, []row{{"onset > 89 years", want}, {"89 years < onset", want}, {"where(onset > 89 years).onset", selected("/onset")}})
		expect(t, observation, []row{{"value > 89 years", want}, {"where(value > 89 years).value", selected("/value")}})
		expect(t, extension, []row{{"extension.where(value > 89 years).value", selected("/extension[0].value")}})
	}
	expect(t, `{"resourceType":"Condition","onsetRange":{"low":{"value":80,`+ucum+`"code":"a"},"high":{"value":95,`+ucum+`"code":"a"}}}`, []row{
		{"onset.high > 89 years", "true"}, {"onset.low > 89 years", "false"}, {"onset.high > 89 'a'", "true"}, {"onset.high - onset.low", "15 'a'"},
	})
}

func TestQuantityArithmetic(t *testing.T) {
	expect(t, `{"resourceType":"Observation","valueQuantity":{"value":2,`+ucum+`"code":"a"},"component":[{"valueQuantity":{"value":6,"unit":"mg"}},{"valueQuantity":{"value":6,"unit":"mg"}}]}`, []row{
		{"(7 days + 1 minute) = 10081 minutes", "true"},
		{"(1 minute + 7 days) = 10081 minutes", "true"},
		{"7 days - 1 minute", "10079 minute"},
		{"3 'm' + 3 'cm'", "303 'cm'"},
		{"3 'cm' - 3 'm'", "-297 'cm'"},
		{"1 year + 1 month", "13 month"},
		{"1 year + 1 day", "366 day"},
		{"1 month + 1 hour", "721 hour"},
		{"1 'a' + 1 'mo'", "13 'mo'"},
		{"1 'a' + 1 day", ""},
		{"value + 1 month", "25 month"},
		{"1 month + value", "25 month"},
		{"value + 1 'mo'", "25 'mo'"},
		{"value + value", "4 'a'"},
		{"value - 1 year", "1 'a'"},
		{"(value - 1 year) = 12 months", "true"},
		{"(value - 1 year) = 12 'mo'", "true"},
		{"(value + value) > 3 years", "true"},
		{"(value + value) > 3 'a'", "true"},
		{"(value - value) < 1 'mo'", "true"},
		{"value * value", "4 'a2'"},
		{"value * 50 '%' = 1 'a'", "true"},
		{"1 year * 50 '%'", "0.5 year"},
		{"50 '%' * 2 years", "1.0 years"},
		{"1 year / 50 '%'", "2 year"},
		{"value / 1 year", "2 '1'"},
		{"value / 1 month", "24 '1'"},
		{"value / 2", "1 'a'"},
		{"value * 2 > 3 years", "true"},
		{"(-value).abs() = 2 years", "true"},
		{"1 week / 1 day", "7 '1'"},
		{"1 week / 0 days", ""},
		{"1 day * 2 'm'", "!unit is not known"},
		{"1 year / 1 'a'", "!unit is not known"},
		// Rounding happens when a number is printed, not before.
		{"(1 'kg' + 1 '[lb_av]') = 1453.59237 'g'", "true"},
		{"(1 '[lb_av]' + 1 'kg' - 1 '[lb_av]') = 1 'kg'", "true"},
		{"(1 'kg' + 1 '[lb_av]') * 3 = 4360.77711 'g'", "true"},
		{"-(1 'kg' + 1 '[lb_av]') = -1453.59237 'g'", "true"},
		{"(12 'cm' * 3 'cm').toString()", "'36 'cm2''"},
		{"(3 'cm' * 12 'cm2').toString()", "'36 'cm3''"},
		{"12 'cm2' / 3 'cm'", "4 'cm'"},
		{"12 'mg/mL' * 2 'mL'", "24 'mg'"},
		{"5 'mg' * 2 'mL'", "10 'mg.mL'"},
		{"6 'mg' / 2 'h'", "3 'mg.h-1'"},
		{"6 '/h' * 2 'h'", "12 '1'"},
		{"2 'cm' * 2 'm' = 0.04 'm2'", "true"},
		{"10 '%' * 5 'mg' = 0.5 'mg'", "true"},
		{"4 'm10' * 2 'm15'", "!unit is not known"},
		// elements are the same, whatever their unit means
		{"component[0].value = component[1].value", "true"},
		{"component[0].value ~ component[1].value", "true"},
		{"component[0].value = 6 'mg'", "!no code of UCUM"},
		{"component[0].value != 6 'mg'", "!no code of UCUM"},
		{"component[0].value ~ 6 'mg'", "!no code of UCUM"},
		{"component[0].value + 6 'mg'", "!no code of UCUM"},
		{"component[0].value > component[1].value", "!no code of UCUM"},
		{"component[0].value > 5", "!no code of UCUM"},
		{"(component.value | 5 | 6 'mg').count() >= 3", "true"}, // nothing is lost from a set
		{"(1 'm' | 1 'nonsense' | 1 'm').count()", "2"},
		{"6 'mg' in component.value", "!no code of UCUM"},
		{"component[0].value.toQuantity()", ""},
		{"2 years.toQuantity('months')", "24 months"},
		{"'1 year'.toQuantity().toQuantity('days')", "365 days"},
		{"value.toQuantity('months')", "24 months"},
		{"value.toQuantity('mo')", "24 'mo'"},
		{"1 year.comparable(1 day)", "true"},
		{"1 year.comparable(1 'a')", "false"},
		{"value.comparable(1 'a')", "true"},
		{"value.comparable(1 year)", "true"},
		{"@2020-02-29 + value", "2022-02-28"},
		{"@2020-02-29 - value", "2018-02-28"},
	})
}

// Sums of sums keep what a number can hold, and no more: numbers that grow are rounded.
func TestExactSumsAreBounded(t *testing.T) {
	x, err := fhirpath.Compile(strings.Repeat("(", 90)+"1 'kg'"+strings.Repeat(" + 1 '[lb_av]' * 1.0000000000000000000000001)", 90), fhirpath.Options{})
	if err != nil {
		t.Fatal(err)
	}
	items, err := x.Evaluate(resource(t, "patient"), fhirpath.Env{})
	if err != nil || len(items) > 1 || len(literals(items)) > 120 {
		t.Errorf("got %s, %v", literals(items), err)
	}
}

// A FHIR decimal may be larger than FHIRPath computes with: that is no reason to fail where nothing
// is computed.
func TestHugeDecimalsAreTold(t *testing.T) {
	record := `{"resourceType":"Observation","valueQuantity":{"value":1e245},"component":[{"valueQuantity":{"value":10.0e+244}},{"valueQuantity":{"value":1e246}},
		{"valueQuantity":{"value":-1e245}},{"valueQuantity":{"value":1e99999999999}},{"valueQuantity":{"value":1e99999999999}}]}`
	for _, r := range []row{
		{"(value | component.value).count()", "4"},
		{"value = component[0].value", "true"},
		{"value ~ component[0].value", "true"},
		{"value = component[1].value", "false"},
		{"value = component[2].value", "false"},
		{"component[3].value = component[4].value", "true"},
		{"component.value.distinct().count()", "4"},
		{"component.value.isDistinct()", "false"},
		{"value.value = component[0].value.value", "true"},
		{"value.value + 1", "!not of the type of its element"},
		{"value.value > 1", "!not of the type of its element"},
	} {
		got, err := on(t, record, r.expression, false)
		if want, ok := strings.CutPrefix(r.want, "!"); ok && (err == nil || !strings.Contains(err.Error(), want)) || !ok && (err != nil || got != r.want) {
			t.Errorf("%s: got %s, %v, want %s", r.expression, got, err, r.want)
		}
	}
}

// What can be empty because of a unit is said when the expression is compiled.
func TestWarningsOfUnits(t *testing.T) {
	for expression, want := range map[string]string{
		"Condition.where(onset > 89 years)":                    "22: comparison > is empty for a quantity in a unit that does not convert to years",
		"Condition.onset <= 1 'a'":                             "16: comparison <= is empty for a quantity in a unit that does not convert to 'a'",
		"89 years < Condition.onset":                           "9: comparison < is empty for a quantity in a unit that does not convert to years",
		"Condition.onset = -(1 'mg')":                          "16: comparison = is empty for a quantity in a unit that does not convert to 'mg'",
		"Condition.onset > 89":                                 "16: comparison > is empty for a quantity with a unit, where the other side is a number or has a unit of another kind",
		"Condition.onset != Condition.abatement":               "16: comparison != is empty where the units of the two quantities measure different things",
		"1 'a' > 1 day":                                        "6: comparison > is always empty: 'a' and day do not compare",
		"Condition.where(descendants().exists($this > 1 'g'))": "43: comparison > is empty for a quantity in a unit that does not convert to 'g'",
		"Condition.onset ~ 1 'a'":                              "",
		"Condition.onset = 'a'":                                "",
		"1 week > 1 day":                                       "",
		"1 'm' = 1 'nonsense'":                                 "", // fails, and isn't empty
		"Condition.recordedDate > @2020":                       "",
		"Condition.note.count() > 1":                           "",
	} {
		x, err := fhirpath.Compile(expression, fhirpath.Options{Type: "Condition"})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		got := ""
		for _, w := range x.Warnings() {
			got += fmt.Sprintf("%d: %s", w.Offset, w.Text)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}
