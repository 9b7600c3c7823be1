package main

import (
	"net/netip"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// A difference is a case that the two evaluators decide otherwise.
type difference struct {
	testCase
	policy *keypolicy.Policy
	ours   keypolicy.Decision
	theirs answer
}

// A class is a known difference, with the reason for which ours stands.
type class struct {
	name, why string
	fits      func(difference) bool
	rare      bool // may be without a case
}

const operatorsPage = "IAM User Guide, condition operators"

var classes = []class{
	{name: "open question", why: "the documentation leaves it open; we decide against the owner of the key", fits: func(d difference) bool { return d.ours.Unclear }},
	{name: "open question, refused", why: "a Deny applies in one reading, and nothing allows in any", fits: func(d difference) bool { return d.refusedEitherWay(d.policy) }},
	{name: "range of all addresses", why: "theirs shifts by 32 bits, which is by none; " + operatorsPage, fits: by(zeroMask)},
	{name: "address of another family", why: "theirs denies NotIpAddress of it; " + operatorsPage, fits: by(otherFamily)},
	{name: "IPv6 address as text", why: "theirs compares spellings; " + operatorsPage, fits: by(spelling)},
	{name: "ARN of five parts", why: "an ARN has six, and each is compared; " + operatorsPage, fits: by(fiveParts)},
	{name: "number with a tail", why: "theirs reads 5 from 5x; " + operatorsPage, fits: by(tail)},
	{name: "seconds since 1970", why: "theirs compares seconds with milliseconds; " + operatorsPage, fits: by(seconds)},
	{name: "newline under a wildcard", why: "* matches any characters; " + operatorsPage, fits: by(newline)},
	{name: "NotResource of a short ARN", why: "theirs is about no other ARN either; IAM User Guide, NotResource: everything but the list", fits: shortNotResource},
	{name: "several of these", why: "each as above", rare: true, fits: by(func(c keypolicy.Condition, v string) bool {
		return slices.ContainsFunc([]feature{zeroMask, otherFamily, spelling, fiveParts, tail, seconds, newline}, func(f feature) bool { return f(c, v) })
	})},
}

// A feature says whether a condition and a value of the request are such that the outside evaluator
// is known to compare them wrongly.
type feature func(c keypolicy.Condition, value string) bool

func zeroMask(c keypolicy.Condition, _ string) bool {
	return strings.HasSuffix(c.Operator.Name, "IpAddress") && slices.ContainsFunc(c.Values, func(v string) bool { return strings.HasSuffix(v, "/0") })
}

func otherFamily(c keypolicy.Condition, value string) bool {
	have, err := netip.ParseAddr(value)
	return c.Operator.Name == "NotIpAddress" && err == nil && slices.ContainsFunc(c.Values, func(v string) bool {
		a, err := netip.ParseAddr(v)
		return err == nil && a.Is4() != have.Is4()
	})
}

func spelling(c keypolicy.Condition, value string) bool {
	return strings.HasSuffix(c.Operator.Name, "IpAddress") && slices.ContainsFunc(c.Values, func(v string) bool { return v != value && strings.EqualFold(v, value) })
}

func fiveParts(c keypolicy.Condition, value string) bool {
	return strings.HasPrefix(c.Operator.Name, "Arn") && strings.Count(value, ":") == 4
}

func tail(c keypolicy.Condition, value string) bool {
	return strings.HasPrefix(c.Operator.Name, "Numeric") && strings.HasSuffix(value, "x")
}

func seconds(c keypolicy.Condition, _ string) bool {
	return strings.HasPrefix(c.Operator.Name, "Date") && slices.ContainsFunc(c.Values, func(v string) bool { return strings.Trim(v, "0123456789") == "" })
}

func newline(c keypolicy.Condition, value string) bool {
	return strings.HasSuffix(c.Operator.Name, "Like") && strings.Contains(value, "\n")
}

// by returns whether the outside evaluator's answer is ours once the conditions with a feature come
// out otherwise: that the feature is there does not explain a difference elsewhere.
func by(f feature) func(difference) bool {
	return func(d difference) bool {
		type place struct{ statement, condition int }
		var places []place
		for s := range d.policy.Statements {
			for i, c := range d.policy.Statements[s].Conditions {
				if slices.ContainsFunc(d.Request.Context[strings.ToLower(c.Key)], func(v string) bool { return f(c, v) }) {
					places = append(places, place{s, i})
				}
			}
		}
		// Each condition holds, or does not: a statement with one that does not is no part of the
		// policy.
		for choice := range 1 << len(places) {
			changed := &keypolicy.Policy{Version: d.policy.Version}
			for s, statement := range d.policy.Statements {
				holds, out := []keypolicy.Condition{}, false
				for i, c := range statement.Conditions {
					n := slices.Index(places, place{s, i})
					out = out || n >= 0 && choice>>n&1 == 0
					if n < 0 {
						holds = append(holds, c)
					}
				}
				statement.Conditions = holds
				if !out {
					changed.Statements = append(changed.Statements, statement)
				}
			}
			if len(places) > 0 && d.explainedBy(changed) {
				return true
			}
		}
		return false
	}
}

// shortNotResource returns whether theirs is ours without the statements with NotResource that name
// fewer than six parts of an ARN.
func shortNotResource(d difference) bool {
	short := func(s keypolicy.Statement) bool {
		return s.NotResource && slices.ContainsFunc(s.Resources, func(r string) bool { return r != "*" && strings.Count(r, ":") < 5 })
	}
	left := slices.DeleteFunc(slices.Clone(d.policy.Statements), short)
	return len(left) < len(d.policy.Statements) && d.explainedBy(&keypolicy.Policy{Version: d.policy.Version, Statements: left})
}

// explainedBy returns whether theirs is ours on a changed policy, or one of the sides of what is
// left open there.
func (d difference) explainedBy(changed *keypolicy.Policy) bool {
	ours := d.decide(changed)
	return ours.Unclear || expected(d.testCase, ours) == d.theirs || d.refusedEitherWay(changed)
}

// refusedEitherWay returns whether theirs denies by a Deny that applies in one reading, where
// nothing allows in any: added permission for everything makes the question show.
func (d difference) refusedEitherWay(p *keypolicy.Policy) bool {
	all := keypolicy.Statement{Principals: []keypolicy.Principal{{Any: true}}, Actions: []string{"*"}, Resources: []string{"*"}}
	with := &keypolicy.Policy{Version: p.Version, Statements: append(slices.Clone(p.Statements), all)}
	return d.theirs == answer{None: explicit, All: explicit} && !d.decide(p).Allowed && d.decide(with).Unclear
}

func (c testCase) decide(p *keypolicy.Policy) keypolicy.Decision {
	return p.Evaluate(keypolicy.Request{Principal: c.Request.Principal, Action: c.Request.Action, Resource: c.Request.Resource, Context: c.Request.Context})
}

func accountOf(arn string) string { return strings.SplitN(arn, ":", 6)[4] }
