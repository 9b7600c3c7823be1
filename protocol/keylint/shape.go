package keylint

import (
	"regexp"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

var register = regexp.MustCompile(`^[0-9a-fA-F]{96}$`)

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
		switch {
		case strings.HasPrefix(key, attestation):
			l.shapeMeasurement(i, c)
		case key == imageKey || key == tenantKey:
			if !s.Deny && lenient(c) {
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
	l.add(Finding{
		Rule: "not-reliable", Severity: r.severity, Statement: i, Sid: s.Sid, Says: r.says + ": " + strings.Join(list, "; "), Attack: r.attack, Fix: r.fix,
	}, "")
}

// lenient tells whether a condition holds without its key.
func lenient(c keypolicy.Condition) bool {
	if c.Operator.Name == "Null" {
		return strings.EqualFold(c.Values[0], "true")
	}
	return c.Operator.HoldsAbsent()
}

// shapeMeasurement reads a condition on a register.
func (l *linter) shapeMeasurement(i int, c keypolicy.Condition) {
	deny := l.Policy.Statements[i].Deny
	switch {
	case !deny && lenient(c):
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
	for _, v := range c.Values {
		pattern := strings.Contains(c.Operator.Name, "Like") && strings.ContainsAny(v, "*?")
		if !pattern && (!register.MatchString(v) || exact && v != strings.ToLower(v)) {
			l.report("never-matches", i, "")
		}
	}
}

// whole judges what no single statement shows.
func (l *linter) whole() {
	if l.Policy.Version != "2012-10-17" {
		l.report("old-version", -1, "")
	}
	everything := keypolicy.Statement{Principals: []keypolicy.Principal{{Any: true}}, Actions: []string{"*"}, Resources: []string{"*"}}
	j := l.only(-1)
	j.policy.Statements = append(j.policy.Statements, everything)
	for _, who := range l.principals(&everything) {
		for _, action := range []string{"Decrypt", "ReEncryptFrom", "CreateGrant"} {
			if found, _ := j.reach(attempt{principal: who, action: action, fixed: document{}.keys()}); found {
				l.report("nothing-denied", -1, "")
			}
		}
	}
	if len(l.tenants()) > 1 {
		l.report("several-tenants", -1, "")
	}
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		for _, who := range l.principals(s) {
			if found, _ := l.only(i).reach(attempt{principal: who, action: "PutKeyPolicy", fixed: document{}.keys()}); found {
				return
			}
		}
	}
	l.report("no-administrator", -1, "")
}

// tenants are those named whose data keys somebody opens, attested as a pinned image.
func (l *linter) tenants() map[string]bool {
	named, opened := map[string]bool{}, map[string]bool{}
	if c := l.compared[tenantKey]; c != nil {
		for _, g := range c.globs() {
			named[g.text()] = g.plain()
		}
	}
	if len(named) < 2 {
		return nil
	}
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		for tenant, plain := range named {
			for _, who := range l.principals(s) {
				for _, d := range l.documents(s) {
					a := attempt{principal: who, action: "Decrypt", fixed: d.keys()}
					a.fixed[tenantKey] = []string{tenant}
					if opened[tenant] || !plain {
						continue
					}
					if found, _ := l.only(i).reach(a); found {
						opened[tenant] = true
					}
				}
			}
		}
	}
	return opened
}
