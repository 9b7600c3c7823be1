package keylint

import (
	"regexp"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

var measurement = regexp.MustCompile(`^[0-9a-fA-F]{96}$`)

// shape reads one statement.
func (l *linter) shape(i int) {
	s := &l.Policy.Statements[i]
	l.doubts(i)
	for _, p := range s.Principals {
		switch {
		case p.UniqueID != "":
			l.report("deleted-principal", i, p.String())
		case s.Deny:
		case p.Any || s.NotPrincipal:
			l.report("wildcard-principal", i, "")
		case p.Account != "":
			l.report("delegation", i, p.Account)
		}
	}
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		if !knownKey(key) {
			l.report("unknown-key", i, "")
			l.about("unknown-key", i, c.Key)
			continue
		}
		switch {
		case strings.HasPrefix(key, attestation):
			l.shapeMeasurement(i, c)
		case key == imageKey || key == tenantKey:
			if !s.Deny && lenient(c) && l.holdsAbsent(i, key) {
				l.report("absent-key", i, "")
			}
			if strings.Contains(c.Operator.Name, "IgnoreCase") {
				l.report("any-case-context", i, "")
			}
		}
	}
}

// doubts reports what in a statement AWS's documentation leaves open. Silence would pass for the
// reading that the author had in mind.
func (l *linter) doubts(i int) {
	s := &l.Policy.Statements[i]
	list := s.Doubts()
	if len(list) == 0 {
		return
	}
	r := rules["not-reliable"]
	l.add("not-reliable", Finding{
		Rule: "not-reliable", Severity: r.severity, Statement: i, Sid: s.Sid, Says: r.says + ": " + strings.Join(list, "; "), Attack: r.attack, Fix: r.fix,
	}, "")
}

// lenient reports whether a condition holds without its key.
func lenient(c keypolicy.Condition) bool {
	if c.Operator.Name == "Null" {
		return strings.EqualFold(c.Values[0], "true")
	}
	return c.Operator.HoldsAbsent()
}

// holdsAbsent reports whether all conditions of a statement on one key hold without it.
func (l *linter) holdsAbsent(i int, key string) bool {
	n := l.index[key]
	at := slices.IndexFunc(l.limits[i], func(limit limit) bool { return limit.variable == n })
	return at < 0 || l.limits[i][at].values.has(0)
}

// shapeMeasurement reads a condition on a register.
func (l *linter) shapeMeasurement(i int, c keypolicy.Condition) {
	deny := l.Policy.Statements[i].Deny
	switch {
	case !deny && lenient(c) && l.holdsUnattested(i):
		l.report("absent-key", i, "")
	case deny && !lenient(c) && c.Operator.Name != "Null":
		l.report("deny-needs-document", i, "")
	}
	if c.Operator.Name == "Null" {
		return
	}
	exact := !strings.Contains(c.Operator.Name, "IgnoreCase")
	letters := slices.ContainsFunc(c.Values, func(v string) bool { return strings.ToLower(v) != strings.ToUpper(v) })
	if exact && letters { // a value without letters has one form
		l.report("case-sensitive", i, "")
	}
	l.shapeValues(i, c)
}

// shapeValues looks for values that no register has.
func (l *linter) shapeValues(i int, c keypolicy.Condition) {
	fits := func(v string) bool {
		g := globOf(c.Operator.Name, v)
		if g.plain() {
			return measurement.MatchString(v) && (strings.Contains(c.Operator.Name, "IgnoreCase") || v == strings.ToLower(v))
		}
		found, sure := witnesses([]glob{g}, several(96, hexDigits))
		return !sure || slices.ContainsFunc(found, g.matches)
	}
	// A value in upper case does nothing, and no harm where the same is listed in lower case.
	twice := func(v string) bool { return slices.Contains(c.Values, strings.ToLower(v)) && fits(strings.ToLower(v)) }
	some := slices.ContainsFunc(c.Values, fits)
	for _, v := range c.Values {
		switch {
		case fits(v) || twice(v):
		case some && !l.Policy.Statements[i].Deny:
			l.report("dead-value", i, "")
		default:
			l.report("never-matches", i, "")
		}
	}
}
