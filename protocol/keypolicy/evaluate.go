package keypolicy

import (
	"maps"
	"slices"
	"strings"
)

// Evaluate decides a request: an explicit Deny wins over every Allow, and what nothing allows is denied. Source: IAM User Guide,
// "Policy evaluation logic". For a Deny it reports the first statement that denies, else the first that allows, of those that name the
// principal itself before those that name its account.
func (p *Policy) Evaluate(r Request) Decision {
	r.Context = fold(r.Context)
	allowed := Decision{Statement: -1}
	for i := range p.Statements {
		s := &p.Statements[i]
		if !s.matches(r) {
			continue
		}
		if s.Deny {
			return Decision{Denied: true, Statement: i, Sid: s.Sid}
		}
		if delegated := s.delegates(r); !allowed.Allowed || allowed.Delegated && !delegated {
			allowed = Decision{Allowed: true, Delegated: delegated, Statement: i, Sid: s.Sid}
		}
	}
	return allowed
}

// fold lower-cases the condition keys, which IAM does not tell apart by case. Two context keys that differ only by case become one key
// with both values, in a fixed order: either may then satisfy an Allow, which is the worst case.
func fold(context map[string][]string) map[string][]string {
	folded := true
	for k := range context {
		folded = folded && strings.ToLower(k) == k
	}
	if folded {
		return context // nobody changes it: the linter asks some thousand times
	}
	out := make(map[string][]string, len(context))
	for _, k := range slices.Sorted(maps.Keys(context)) {
		folded := strings.ToLower(k)
		out[folded] = append(out[folded], context[k]...)
	}
	return out
}

// matches tells whether a statement applies. Of NotPrincipal one fitting entry exempts a principal, also a session of a listed role or a
// member of a listed account: in a Deny, where AWS may deny more, that is the worst case.
func (s *Statement) matches(r Request) bool {
	if slices.ContainsFunc(s.Principals, func(p Principal) bool { return p.matches(r) }) == s.NotPrincipal ||
		slices.ContainsFunc(s.Actions, func(a string) bool { return matchAction(a, r.Action) }) == s.NotAction ||
		slices.ContainsFunc(s.Resources, func(x string) bool { return matchResource(x, r.Resource) }) == s.NotResource {
		return false
	}
	for _, c := range s.Conditions {
		if !c.holds(r.Context[strings.ToLower(c.Key)]) {
			return false
		}
	}
	return true
}

// delegates tells whether a statement that matches names the principal's account only, so that the account's IAM has the last word (KMS
// Developer Guide, "Default key policy"). The account's root user needs no IAM policy.
func (s *Statement) delegates(r Request) bool {
	if a, ok := parseARN(r.Principal); s.NotPrincipal || ok && a.service == "iam" && a.resource == rootUser {
		return false
	}
	return !slices.ContainsFunc(s.Principals, func(p Principal) bool { return p.Account == "" && p.matches(r) })
}

// holds judges one condition on the values that the request has for its key; no value means that the key is absent.
func (c Condition) holds(have []string) bool {
	if c.Operator.Name == nullOperator {
		absent := len(have) == 0
		return slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, "true") == absent })
	}
	cmp, known := comparisons[c.Operator.Name]
	if !known {
		return false // unreachable after Parse
	}
	if len(have) == 0 {
		return c.Operator.HoldsAbsent()
	}
	// one tells whether a request value is as the operator wants it: equal to some policy value, or, negated, to none.
	one := func(value string) bool {
		met := slices.ContainsFunc(c.Values, func(v string) bool { return cmp.meets(v, value) })
		return met != cmp.negated
	}
	if c.Operator.Set == "ForAllValues" {
		return !slices.ContainsFunc(have, func(v string) bool { return !one(v) })
	}
	if c.Operator.Set == "" && cmp.negated {
		// Without a set operator a negation denies each of the request's values.
		return !slices.ContainsFunc(have, func(v string) bool { return !one(v) })
	}
	return slices.ContainsFunc(have, one)
}

// HoldsAbsent is the outcome for a key that the request lacks: a negated operator holds, a positive one does not; ForAllValues always
// holds, ForAnyValue never; IfExists holds. Null is not asked: its values say what it wants.
func (o Operator) HoldsAbsent() bool {
	switch {
	case o.IfExists || o.Set == "ForAllValues":
		return true
	case o.Set == "ForAnyValue":
		return false
	default:
		return comparisons[o.Name].negated
	}
}
