package main

import (
	"fmt"
	"strings"

	"anchorhold/enclave/fhirpath"
)

// A testCase is an expression and the resource that it's evaluated on.
type testCase struct {
	Expression string `json:"e"`
	Resource   int    `json:"r"`
}

var (
	calendarUnits = []string{"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}
	ucumTimes     = []string{"a", "mo", "wk", "d", "h", "min", "s", "ms"}
	otherUnits    = []string{"mg", "g", "kg", "cm", "m", "mL", "L", "1", "%"}
	precisions    = []string{
		"@2020", "@2020-02", "@2020-02-29", "@2020T", "@2020-02T", "@2020-02-29T10", "@2020-02-29T10:30", "@2020-02-29T10:30:15",
		"@2020-02-29T10:30:15.500", "@2020-02-29T10:30:15Z", "@2020-02-29T10:30:15+02:00", "@T10", "@T10:30", "@T10:30:15", "@T10:30:15.250",
	}
	operatorsList = []string{"=", "!=", "<", "<=", ">", ">=", "~", "!~", "+", "-", "*", "/"}
)

// systematic are the cases of which all combinations are tried.
func systematic(resources []resource) []testCase {
	var list []testCase
	patient := 0
	add := func(r int, format string, args ...any) {
		list = append(list, testCase{fmt.Sprintf(format, args...), r})
	}
	var units []string
	for _, u := range calendarUnits {
		units = append(units, "2 "+u)
	}
	for _, u := range append(append([]string{}, ucumTimes...), otherUnits...) {
		units = append(units, "2 '"+u+"'")
	}
	for _, a := range units {
		for _, b := range units {
			for _, o := range operatorsList {
				add(patient, "%s %s %s", a, o, b)
			}
		}
		for _, u := range append(append([]string{}, calendarUnits...), ucumTimes...) {
			add(patient, "%s.toQuantity('%s')", a, u)
		}
	}
	for r, resource := range resources {
		quantities := paths(resource.node, func(t *fhirpath.Type) bool { return t.Is("Quantity") })
		for _, q := range quantities {
			for _, b := range append(append([]string{}, units...), quantities...) {
				for i, o := range operatorsList {
					if i%2 == 0 {
						add(r, "%s %s %s", q, o, b)
					} else {
						add(r, "%s %s %s", b, o, q)
					}
				}
			}
		}
		for _, c := range paths(resource.node, func(t *fhirpath.Type) bool { return !t.Primitive() && !t.Is("Quantity") }) {
			for _, d := range paths(resource.node, func(t *fhirpath.Type) bool { return !t.Primitive() && !t.Is("Quantity") }) {
				add(r, "%s ~ %s", c, d)
			}
		}
		list = append(list, typeCases(r, resource)...)
	}
	for _, d := range precisions {
		for _, u := range append(append([]string{}, calendarUnits...), "'wk'", "'d'", "'h'", "'min'", "'s'", "'ms'", "'a'", "'mo'") {
			for _, n := range []string{"1", "13", "1.5", "400", "86400", "31536000"} {
				add(patient, "%s + %s %s", d, n, u)
				add(patient, "%s - %s %s", d, n, u)
			}
		}
		for _, e := range precisions {
			for _, o := range operatorsList[:8] {
				add(patient, "%s %s %s", d, o, e)
			}
		}
		for _, p := range []string{"", "4", "6", "8", "10", "12", "14", "17", "2", "9", "5"} {
			add(patient, "%s.lowBoundary(%s)", d, p)
			add(patient, "%s.highBoundary(%s)", d, p)
		}
	}
	for _, d := range []string{"1.587", "(-1.587)", "1", "0", "0.0034", "(-0.0034)", "12.500", "120", "99.99", "2147483647"} {
		for _, p := range []string{"", "0", "1", "2", "3", "5", "8", "20", "29", "-1"} {
			add(patient, "%s.lowBoundary(%s)", d, p)
			add(patient, "%s.highBoundary(%s)", d, p)
		}
	}
	for _, e := range indexCases() {
		add(patient, "%s", e)
	}
	return list
}

// typeCases ask for every type of every primitive.
func typeCases(r int, resource resource) []testCase {
	types := []string{
		"boolean", "string", "integer", "decimal", "date", "dateTime", "time", "instant", "code", "uri", "positiveInt", "unsignedInt", "id",
		"FHIR.string", "FHIR.code", "FHIR.boolean", "FHIR.integer", "System.Boolean", "System.String", "System.Integer", "System.Decimal", "System.Date",
		"System.DateTime", "System.Time", "System.Quantity", "Quantity", "Age", "Coding",
	}
	var list []testCase
	for _, p := range paths(resource.node, func(t *fhirpath.Type) bool { return t.Primitive() || t.Is("Quantity") }) {
		for _, t := range types {
			list = append(list, testCase{p + ".ofType(" + t + ")", r}, testCase{p + " is " + t, r}, testCase{"(" + p + " as " + t + ")", r})
		}
	}
	return list
}

// indexCases nest functions that have a $index of their own.
func indexCases() []string {
	inner := []string{
		"$index", "$index + 1", "iif($index = 0, 'a', 'b')", "iif(true, iif($index > 0, 1, 2), 3)", "(7 | 8).select($index).first()",
		"(7 | 8).where($index = 1).first()", "(7 | 8).exists($index = 1)", "(7 | 8).all($index < 2)", "iif((7 | 8).exists($index = 1), $index, 9)",
		"(7 | 8).aggregate($total + $index, 0)", "$this.iif(true, $index)",
	}
	outer := []string{
		"(1 | 2 | 3).select(%s)", "(1 | 2 | 3).where((%s).toString() = '1')", "(1 | 2).select((5 | 6).select(%s))", "iif(true, (1 | 2).select(%s))",
		"(1 | 2).exists((%s).toString() = '1')", "(1 | 2).all((%s).toString() = '1')", "name.select(%s)", "name.given.select(%s)", "(1 | 2).aggregate($total & (%s).toString(), '')",
	}
	var list []string
	for _, o := range outer {
		for _, i := range inner {
			list = append(list, fmt.Sprintf(o, i))
		}
	}
	return list
}

// paths are the single elements of a resource whose type is wanted, as expressions.
func paths(root *fhirpath.Node, want func(*fhirpath.Type) bool) []string {
	var list []string
	var walk func(n *fhirpath.Node, path string)
	walk = func(n *fhirpath.Node, path string) {
		for c := range n.All() {
			p := c.Name()
			if keywordNames[p] {
				p = "`" + p + "`"
			}
			if path != "" {
				p = path + "." + p
			}
			if c.Index() >= 0 {
				p += fmt.Sprintf("[%d]", c.Index())
			}
			if c.Type() != nil && want(c.Type()) && strings.Count(p, ".") < 8 {
				list = append(list, p)
			}
			if c.Type() != nil && !c.Type().Primitive() {
				walk(c, p)
			}
		}
	}
	walk(root, "")
	return list
}

var keywordNames = map[string]bool{"contains": true, "is": true, "as": true, "in": true, "div": true, "mod": true}
