package keypolicy

import (
	"slices"
	"strings"
)

// holds judges one condition on the values that the request has for its key. A nil list means that
// the key is absent. An empty list is a key without a value, which the documentation does not
// mention: it may be as good as absent.
func (c *Condition) holds(have []string) truth {
	if c.Operator.Name == nullOperator {
		absent := func(absent bool) truth {
			return truthOf(slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, "true") == absent }))
		}
		if have != nil && len(have) == 0 {
			return agree(absent(true), absent(false))
		}
		return absent(have == nil)
	}
	cmp, known := comparisons[c.Operator.Name]
	if !known {
		return no // unreachable after Parse
	}
	one := func(value string) truth { return cmp.one(c.Values, value) }
	switch {
	case len(have) == 0:
		return c.holdsEmpty(have == nil)
	case c.Operator.Set == forAllValues:
		return c.nullSet(have, allOf(have, one), yes)
	case c.Operator.Set == forAnyValue:
		return c.nullSet(have, anyOf(have, one), no)
	case len(have) > 1 || severalValues[strings.ToLower(c.Key)]:
		// AWS wants a set operator here and does not say what happens without one.
		return min(perhaps, anyOf(have, one))
	default:
		return one(have[0])
	}
}

// holdsEmpty judges a key without a value.
func (c *Condition) holdsEmpty(absent bool) truth {
	t := truthOf(c.Operator.HoldsAbsent())
	if c.Operator.Set == "" && (!absent || severalValues[strings.ToLower(c.Key)]) {
		return min(perhaps, t)
	}
	return t
}

// nullSet is the outcome for values under a set operator. Of a key whose only values are empty
// strings the documentation says that it counts as one without values, where ForAllValues holds and
// ForAnyValue does not ("Set operators for multivalued context keys"); other implementations
// compare the empty strings.
func (c *Condition) nullSet(have []string, compared, without truth) truth {
	if slices.ContainsFunc(have, func(v string) bool { return v != "" }) {
		return compared
	}
	return agree(compared, without)
}

// HoldsAbsent is the outcome for a key that the request lacks: a negated operator holds, a positive
// one does not; ForAllValues always holds, ForAnyValue never, also with IfExists, of which two
// pages of the IAM User Guide say different things and AWS evaluates false; other operators with
// IfExists hold. It is not for Null, whose values say what it wants.
func (o Operator) HoldsAbsent() bool {
	switch {
	case o.Set == forAnyValue:
		return false
	case o.IfExists || o.Set == forAllValues:
		return true
	default:
		return comparisons[o.Name].negated
	}
}
