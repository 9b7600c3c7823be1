package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"anchorhold/enclave/fhirpath"
)

// A maker makes expressions up. What it makes depends on its seed alone.
type maker struct {
	rand  *rand.Rand
	paths map[string][]string // of the resource at hand, by the type of their values
}

// randomCases are expressions over the elements of the resources: every one is of a type that what
// surrounds it takes.
func randomCases(resources []resource, count int, seed uint64) []testCase {
	m := &maker{rand: rand.New(rand.NewPCG(seed, 0))}
	byResource := make([]map[string][]string, len(resources))
	for i, r := range resources {
		byResource[i] = map[string][]string{}
		for _, kind := range []string{"String", "Integer", "Decimal", "Boolean", "Date", "DateTime", "Time"} {
			byResource[i][kind] = paths(r.node, func(t *fhirpath.Type) bool { return t.Value() == kind })
		}
		byResource[i]["Quantity"] = paths(r.node, func(t *fhirpath.Type) bool { return t.Is("Quantity") })
		byResource[i]["any"] = paths(r.node, func(*fhirpath.Type) bool { return true })
	}
	seen := map[testCase]bool{}
	var list []testCase
	for tries := 0; len(list) < count && tries < 20*count; tries++ {
		r := m.rand.IntN(len(resources))
		m.paths = byResource[r]
		c := testCase{m.of(pick(m, []string{"String", "Integer", "Decimal", "Boolean", "Boolean", "DateTime", "Quantity", "any"}), 3), r}
		if !seen[c] && len(c.Expression) < 300 {
			seen[c] = true
			list = append(list, c)
		}
	}
	return list
}

func pick[T any](m *maker, list []T) T { return list[m.rand.IntN(len(list))] }

var literals = map[string][]string{
	"String":   {"'abc'", "''", "'A b'", "'12'", "'1.50'", "'true'", "'2020-02-29'", "'10:30'", "'4 days'", "'5 \\'mg\\''", "' x '", "'http://loinc.org'"},
	"Integer":  {"0", "1", "2", "7", "-3", "100"},
	"Decimal":  {"0.5", "1.50", "-2.25", "82.5", "3.14159"},
	"Boolean":  {"true", "false", "{}"},
	"Date":     {"@2020", "@2020-02", "@2020-02-29", "@1974-12-25"},
	"DateTime": {"@2020-02-29T10:20:30Z", "@2020-02T", "@2019-07-01T12:00:00+00:00", "@2020-02-29T10"},
	"Time":     {"@T10:30", "@T10:30:00", "@T23:59:59.5"},
	"Quantity": {"5 'mg'", "0.005 'g'", "1 year", "96 months", "95 'a'", "15 days", "3 weeks", "1 'kg'", "21 'd'"},
	"any":      {"{}", "1", "'a'"},
}

// leaf is an element or a literal.
func (m *maker) leaf(kind string) string {
	if list := m.paths[kind]; len(list) > 0 && m.rand.IntN(3) > 0 {
		return pick(m, list)
	}
	return pick(m, literals[kind])
}

// of makes an expression whose value is of a kind.
func (m *maker) of(kind string, depth int) string {
	if depth == 0 || m.rand.IntN(5) == 0 {
		return m.leaf(kind)
	}
	sub := func(kind string) string { return m.of(kind, depth-1) }
	group := func(kind string) string { return "(" + sub(kind) + ")" }
	if m.rand.IntN(12) == 0 {
		return fmt.Sprintf("iif(%s, %s, %s)", sub("Boolean"), sub(kind), sub(kind))
	}
	forms := map[string][]func() string{
		"String": {
			func() string {
				return group("String") + pick(m, []string{".upper()", ".lower()", ".trim()", ".substring(1)", ".substring(0, 3)", ".toChars().last()"})
			},
			func() string { return group("String") + pick(m, []string{" + ", " & "}) + group("String") },
			func() string { return group("String") + ".replace(" + m.leaf("String") + ", 'x')" },
			func() string {
				return group(pick(m, []string{"Integer", "Decimal", "Boolean", "Date", "Quantity"})) + ".toString()"
			},
			func() string { return "(" + m.leaf("String") + " | " + m.leaf("String") + ").join(',')" },
		},
		"Integer": {
			func() string { return group("String") + pick(m, []string{".length()", ".indexOf('b')"}) },
			func() string { return group("any") + ".count()" },
			func() string {
				return group("Integer") + pick(m, []string{" + ", " - ", " * ", " mod ", " div "}) + group("Integer")
			},
			func() string { return group("Decimal") + pick(m, []string{".ceiling()", ".floor()", ".truncate()"}) },
			func() string { return group("String") + ".toInteger()" },
		},
		"Decimal": {
			func() string {
				return group("Decimal") + pick(m, []string{" + ", " - ", " * ", " / "}) + group("Integer")
			},
			func() string {
				return group("Decimal") + pick(m, []string{".abs()", ".round(1)", ".lowBoundary(3)", ".highBoundary(3)"})
			},
			func() string { return group("Integer") + ".toDecimal()" },
		},
		"Boolean": {
			func() string {
				k := pick(m, comparables)
				return group(k) + pick(m, []string{" = ", " != ", " ~ ", " !~ "}) + group(k)
			},
			func() string {
				k := pick(m, ordered)
				return group(k) + pick(m, []string{" < ", " <= ", " > ", " >= "}) + group(k)
			},
			func() string {
				return group("Boolean") + pick(m, []string{" and ", " or ", " xor ", " implies "}) + group("Boolean")
			},
			func() string { return group("Boolean") + ".not()" },
			func() string {
				return group("any") + pick(m, []string{".exists()", ".empty()", ".exists($this.exists())", ".all($this.exists())"})
			},
			func() string {
				return group("String") + pick(m, []string{".startsWith(", ".endsWith(", ".contains("}) + m.leaf("String") + ")"
			},
			func() string {
				return group("String") + ".matches(" + pick(m, []string{"'^[A-Z]'", "'[0-9]+'", "'^$'", "'a.*e'"}) + ")"
			},
			func() string {
				k := pick(m, comparables)
				return m.leaf(k) + " in (" + m.leaf(k) + " | " + m.leaf(k) + ")"
			},
			func() string {
				return group(pick(m, comparables)) + ".convertsTo" + pick(m, []string{"String", "Integer", "Decimal", "Quantity", "Date"}) + "()"
			},
		},
		"Date": {
			func() string {
				return m.leaf("Date") + pick(m, []string{" + ", " - "}) + pick(m, []string{"1 year", "13 months", "5 weeks", "400 days", "30 hours"})
			},
			func() string { return m.leaf("Date") + pick(m, []string{".lowBoundary()", ".highBoundary()"}) },
		},
		"DateTime": {
			func() string {
				return m.leaf("DateTime") + pick(m, []string{" + ", " - "}) + pick(m, []string{"1 year", "90 minutes", "1.5 seconds", "40 days"})
			},
		},
		"Time": {
			func() string {
				return m.leaf("Time") + " + " + pick(m, []string{"90 minutes", "25 hours", "2 seconds"})
			},
		},
		"Quantity": {
			func() string { return group("Quantity") + pick(m, []string{" + ", " - "}) + group("Quantity") },
			func() string { return group("Quantity") + pick(m, []string{" * ", " / "}) + m.leaf("Integer") },
			func() string { return group("Quantity") + ".abs()" },
		},
		"any": {
			func() string {
				return "(" + m.leaf("any") + " | " + m.leaf("any") + ")" + pick(m, []string{"", ".distinct()", ".first()", ".last()", ".tail()", ".skip(1)"})
			},
			func() string {
				p := m.leaf("any")
				return p + pick(m, []string{".where($index = 0)", ".select($index)", ".where(exists())", ".children().count()", ".type()"})
			},
			func() string {
				p := strings.TrimRight(m.leaf("any"), "[]0123456789")
				return p + pick(m, []string{".count()", ".exists()", ".first()", ".select(iif($index = 0, $this, {}))"})
			},
			func() string { return group(pick(m, comparables)) },
		},
	}
	return pick(m, forms[kind])()
}

var (
	comparables = []string{"String", "Integer", "Decimal", "Boolean", "Date", "DateTime", "Time", "Quantity"}
	ordered     = []string{"String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"}
)
