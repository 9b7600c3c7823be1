package keylint

import (
	"maps"
	"slices"
)

// whole judges what no single statement shows.
func (l *linter) whole() {
	if l.Policy.Version != "2012-10-17" {
		l.report("old-version", -1, "")
	}
	l.undeniedToAll()
	if len(l.tenants()) > 1 {
		l.report("several-tenants", -1, "")
	}
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		for _, who := range l.principals(s) {
			if found, _ := l.only(i).reach(attempt{who: who, action: "PutKeyPolicy"}); found {
				return
			}
		}
	}
	l.report("no-administrator", -1, "")
}

// undeniedToAll asks which ways around attestation are open to a statement, or to an account's IAM,
// that allows everything.
func (l *linter) undeniedToAll() {
	j, everyone := l.everything(), anyone()
	for _, operation := range []string{"Decrypt", "ReEncryptFrom", "CreateGrant"} {
		held := true
		for _, who := range l.principals(&everyone) {
			if found, sure := j.reach(attempt{who: who, action: operation}); found || !sure {
				held = false
			}
		}
		switch {
		case held:
		case operation == "Decrypt":
			l.report("nothing-denied", -1, "")
			return
		default:
			l.report("partly-denied", -1, "")
			l.about("partly-denied", -1, operation)
		}
	}
}

// tenants are those named whose data keys somebody opens, attested as a pinned image.
func (l *linter) tenants() map[string]bool {
	opened := map[string]bool{}
	tenant := l.index[tenantKey]
	v, globs := &l.variables[tenant], l.compared[tenantKey].globs()
	asWritten := func(value string) bool {
		return slices.ContainsFunc(globs, func(g glob) bool { return g.plain() && g.text() == value })
	}
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		for n, value := range v.values {
			if !v.named.has(n) || !asWritten(value[0]) || opened[value[0]] {
				continue
			}
			only := newMask(len(v.values))
			only.add(n)
			opened[value[0]] = slices.ContainsFunc(l.principals(s), func(who string) bool {
				a := attempt{who: who, action: "Decrypt", document: enclave, limits: []limit{{tenant, only}}}
				found, _ := l.only(i).reach(a)
				return found
			})
		}
	}
	maps.DeleteFunc(opened, func(_ string, is bool) bool { return !is })
	return opened
}
