package keypolicy

import (
	"maps"
	"slices"
	"strings"
)

// Evaluate decides a request: an explicit Deny wins over every Allow, and what nothing allows is
// denied. Source: IAM User Guide, "Policy evaluation logic". For a Deny it reports the first
// statement that denies, else the first that allows, of those that name the principal itself before
// those that name its account, and of these the ones that certainly apply first.
func (p *Policy) Evaluate(r Request) Decision {
	r.Context = fold(r.Context)
	allowed := Decision{Statement: -1}
	doubtful := false // a Deny perhaps applies
	for i := range p.Statements {
		s := &p.Statements[i]
		t := s.applies(r)
		switch {
		case t == no:
		case !s.Deny:
			d := Decision{Allowed: true, Delegated: s.delegates(r), Statement: i, Sid: s.Sid, Unclear: t == perhaps}
			if !allowed.Allowed || d.rank() > allowed.rank() {
				allowed = d
			}
		case t == yes:
			return Decision{Denied: true, Statement: i, Sid: s.Sid}
		default:
			doubtful = true
		}
	}
	allowed.Unclear = allowed.Unclear || allowed.Allowed && doubtful
	return allowed
}

// rank orders the statements that allow by how little it takes to use them.
func (d Decision) rank() int {
	n := 0
	if !d.Delegated {
		n += 2
	}
	if !d.Unclear {
		n++
	}
	return n
}

// fold lower-cases the condition keys, which IAM does not tell apart by case. Two context keys that
// differ only by case become one key with both values, in a fixed order: either may then satisfy an
// Allow, which is the worst case.
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

// applies says whether a statement is about the request. Of NotPrincipal one fitting entry exempts
// a principal, also a session of a listed role or a member of a listed account: in a Deny, where
// AWS may deny more, that is the worst case.
func (s *Statement) applies(r Request) truth {
	negate := func(t truth, negated bool) truth {
		if negated {
			return t.not()
		}
		return t
	}
	t := negate(anyOf(s.Principals, func(p Principal) truth { return p.matches(r) }), s.NotPrincipal)
	t = min(t, negate(anyOf(s.Actions, func(a string) truth { return truthOf(matchAction(a, r.Action)) }), s.NotAction))
	t = min(t, negate(anyOf(s.Resources, func(x string) truth { return matchResource(x, r.Resource) }), s.NotResource))
	for i := range s.Conditions {
		if t == no {
			return no
		}
		c := &s.Conditions[i]
		t = min(t, c.holds(r.Context[strings.ToLower(c.Key)]))
	}
	return t
}

// delegates tells whether a statement that matches names the principal's account only, so that the
// account's IAM has the last word (KMS Developer Guide, "Default key policy"). The account's root
// user needs no IAM policy.
func (s *Statement) delegates(r Request) bool {
	if a, ok := parseARN(r.Principal); s.NotPrincipal || ok && a.service == "iam" && a.resource == rootUser {
		return false
	}
	return !slices.ContainsFunc(s.Principals, func(p Principal) bool { return p.Account == "" && p.matches(r) != no })
}
