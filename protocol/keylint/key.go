package keylint

import (
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// probeGrants asks of each grant what its grantee could do with it, against the policy's denials.
func (l *linter) probeGrants() {
	for _, g := range l.Grants {
		live := l.probeGrant(g)
		switch {
		case g.Who() == "":
			l.reportGrant("unknown-grantee", g)
		case !live:
			l.reportGrant("idle-grant", g)
		case !strings.HasPrefix(g.Who(), "arn:"):
			l.reportGrant("service-grant", g)
		}
	}
}

func (l *linter) probeGrant(g keypolicy.Grant) (live bool) {
	if g.Who() == "" {
		return false // unknown-grantee says it
	}
	j := l.only(-1)
	j.grants = []keypolicy.Grant{g}
	for rule, operations := range map[string][]string{"grant-opens": openingGrants, "grant-mints": mintingGrants} {
		for _, o := range operations {
			if !slices.Contains(g.Operations, o) {
				continue
			}
			found, sure := j.reach(attempt{who: g.Who(), action: o})
			if found {
				l.reportGrant(rule, g)
				live = true
			} else if !sure {
				l.reportGrant("too-complex", g)
			}
		}
	}
	return live
}

func (l *linter) reportGrant(name string, g keypolicy.Grant) {
	r := rules[name]
	l.add(name, Finding{Rule: name, Severity: r.severity, Statement: -1, Grant: g.ID, Says: r.says, Attack: r.attack, Fix: r.fix}, g.Who())
}

// metadata judges what DescribeKey says.
func (l *linter) metadata() {
	m := l.Metadata
	if m == nil {
		return
	}
	if m.MultiRegion {
		l.report("multi-region", -1, m.ARN)
	}
	switch m.Origin {
	case "AWS_KMS":
	case "EXTERNAL":
		l.report("imported-material", -1, m.ARN)
	case "AWS_CLOUDHSM":
		l.report("cluster-store", -1, m.ARN)
	case "EXTERNAL_KEY_STORE":
		l.report("external-store", -1, m.ARN)
	default:
		l.report("unknown-origin", -1, m.ARN)
	}
	if m.KeySpec != "SYMMETRIC_DEFAULT" || m.KeyUsage != "ENCRYPT_DECRYPT" {
		l.report("wrong-key", -1, m.ARN)
	}
	if m.KeyState != "Enabled" {
		l.report("not-enabled", -1, m.ARN)
	}
}
