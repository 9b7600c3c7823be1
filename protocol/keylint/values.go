package keylint

import (
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"

	"anchorhold/protocol/keypolicy"
)

// maxSets bounds the sets of values of one key that are tried.
const maxSets = 500

// compared are the conditions on one key, and values that grants want it to have.
type compared struct {
	conditions []keypolicy.Condition
	exact      []string
}

// globs are what the key is compared with as text.
func (c *compared) globs() []glob {
	var globs []glob
	for _, v := range c.exact {
		globs = append(globs, literal(v, false))
	}
	for _, cond := range c.conditions {
		if name := cond.Operator.Name; strings.HasPrefix(name, "String") || strings.HasPrefix(name, "Arn") {
			for _, v := range cond.Values {
				globs = append(globs, globOf(name, v))
			}
		}
	}
	return globs
}

// texts returns a value for each way in which the conditions can be met. sure is false when there
// were too many, or when one key is compared as text and as something else, whose ways are not
// looked at together.
func (c *compared) texts() (values []string, sure bool) {
	globs := c.globs()
	var others []string
	for kind, points := range kinds {
		var named []string
		for _, cond := range c.conditions {
			if strings.Contains(cond.Operator.Name, kind) {
				named = append(named, cond.Values...)
			}
		}
		if len(named) > 0 {
			others = append(others, points(named)...)
		}
	}
	values, sure = different(globs)
	sure = sure && (len(globs) == 0 || len(others) == 0)
	values = append(values, others...)
	slices.Sort(values)
	return slices.Compact(values), sure
}

// different returns a value for each way of fitting the globs. Where they are exact there is no
// need to search.
func different(globs []glob) (values []string, sure bool) {
	slices.SortFunc(globs, compareGlobs)
	globs = slices.CompactFunc(globs, func(a, b glob) bool { return compareGlobs(a, b) == 0 })
	if slices.ContainsFunc(globs, func(g glob) bool { return slices.ContainsFunc(g, func(s symbol) bool { return s.wild || s.fold }) }) {
		return witnesses(globs, nil)
	}
	other := "other"
	for _, g := range globs {
		values = append(values, g.text())
	}
	for slices.Contains(values, other) {
		other += "s"
	}
	return append(values, other), true
}

// sets are what the key may hold: one value, or, when it is one that may have several, as many as
// there are conditions: each needs one at most to be met or to fail.
func (c *compared) sets(key string) (sets [][]string, sure bool) {
	values, sure := c.texts()
	several := slices.Contains(manyKeys, key) || slices.ContainsFunc(c.conditions, func(c keypolicy.Condition) bool { return c.Operator.Set != "" })
	sets = [][]string{nil}
	for _, v := range values {
		sets = append(sets, []string{v})
	}
	if !several {
		return sets, sure
	}
	most := 0
	for _, cond := range c.conditions {
		if cond.Operator.Name != "Null" {
			most++
		}
	}
	if key == grantKey {
		most++ // the operation that a probe asks for
	}
	for size, from := 2, 1; size <= most && size <= len(values); size++ {
		until := len(sets)
		for _, s := range sets[from:until] {
			for _, v := range values[slices.Index(values, s[len(s)-1])+1:] {
				if len(sets) == maxSets {
					return sets, false
				}
				sets = append(sets, append(slices.Clone(s), v))
			}
		}
		from = until
	}
	return sets, sure
}

// kinds are the operators that compare other things than text, by a part of their names, and the
// values at which their outcome changes.
var kinds = map[string]func(named []string) []string{
	"Bool":      func([]string) []string { return []string{"true", "false"} },
	"Null":      func([]string) []string { return nil },
	"Numeric":   numbers,
	"Date":      instants,
	"IpAddress": addresses,
}

// numbers are those named, one between each two, one below and one above.
func numbers(named []string) []string {
	var list []*big.Rat
	for _, v := range named {
		if n, ok := keypolicy.Number(v); ok {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, (*big.Rat).Cmp)
	out := slices.Clone(named)
	for i, n := range list {
		lower, upper := new(big.Rat).Sub(n, big.NewRat(1, 1)), new(big.Rat).Add(n, big.NewRat(1, 1))
		if i > 0 {
			lower.Quo(new(big.Rat).Add(list[i-1], n), big.NewRat(2, 1))
		}
		out = append(out, decimal(lower), decimal(upper))
	}
	return out
}

func decimal(n *big.Rat) string {
	return strings.TrimSuffix(strings.TrimRight(n.FloatString(12), "0"), ".")
}

// instants are those named and the seconds before and after: times have no finer grain.
func instants(named []string) []string {
	out := slices.Clone(named)
	for _, v := range named {
		if t, ok := keypolicy.Instant(v); ok {
			for _, d := range []time.Duration{-time.Second, time.Second} {
				out = append(out, t.Add(d).UTC().Format(time.RFC3339))
			}
		}
	}
	return out
}

// addresses are the first and the last of each range, and their neighbours outside.
func addresses(named []string) []string {
	out := []string{"192.0.2.1"}
	for _, v := range named {
		r, ok := keypolicy.AddressRange(v)
		if !ok {
			continue
		}
		for _, a := range []netip.Addr{r.Addr(), last(r), r.Addr().Prev(), last(r).Next()} {
			if a.IsValid() {
				out = append(out, a.String())
			}
		}
	}
	return out
}

func last(r netip.Prefix) netip.Addr {
	b := r.Addr().AsSlice()
	for bit := r.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
